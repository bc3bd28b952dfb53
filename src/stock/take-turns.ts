import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { pause, systemClock } from '../platform/clock.js';
import { askServer, type ServerPlace } from './server-requests.js';

/** Milliseconds within which the processes that `pm2 reload all` starts together are ready. */
const TOGETHER_MS = 2_000;

/** Milliseconds for which an IPC server that is not ready is waited for: it may be gone for good. */
const PATIENCE_MS = 4_000;
const ANSWER_MS = 1_000;
const AGAIN_MS = 50;

/** Milliseconds: longer than `kill_timeout`, after which pm2 kills a process. */
const LAST_ONE_ENDS_MS = 12_000;
const LOOK_MS = 10;

/**
 * Says `ready` to pm2, and resolves when it is the turn of this process: the one before it, which a reload ends then, has ended. Of two
 * masters that have a database open, each would write over the other's data.
 *
 * `pm2 reload all` replaces the IPC server at the same time. That is waited for before `ready`, so that the one pause is over when the other
 * begins; nobody waits meanwhile.
 *
 * @param file holds the number of the process whose turn it is
 * @param ipc the `ipc` settings of AceBase
 */
export async function takeTurns(file: string, ipc: ServerPlace): Promise<void> {
  const found = numberIn(file);
  // In a container, one that was killed often had the number that this process has now.
  const last = found === process.pid ? 0 : found;
  if (isRunning(last)) {
    await pause(TOGETHER_MS);
    await untilServerIsReady(ipc);
  }
  process.send?.('ready');
  const until = systemClock.now() + LAST_ONE_ENDS_MS;
  while (isRunning(last) && systemClock.now() < until) await pause(LOOK_MS);
  writeFileSync(file, String(process.pid));
  process.once('exit', () => {
    if (numberIn(file) === process.pid) rmSync(file);
  });
}

function numberIn(file: string): number {
  try {
    return Number(readFileSync(file, 'utf8'));
  } catch {
    return 0; // The last one has removed it, or there was none.
  }
}

function isRunning(pid: number): boolean {
  try {
    return pid > 0 && process.kill(pid, 0);
  } catch {
    return false; // Nobody has that number, or a process of another user.
  }
}

async function untilServerIsReady(ipc: ServerPlace): Promise<void> {
  const until = systemClock.now() + PATIENCE_MS;
  while (systemClock.now() < until && !(await isReady(ipc))) await pause(AGAIN_MS);
}

async function isReady(ipc: ServerPlace): Promise<boolean> {
  try {
    return (await askServer(ipc, '/ready', ANSWER_MS)).status === 200;
  } catch {
    return false;
  }
}
