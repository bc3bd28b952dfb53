import { readFileSync } from 'node:fs';
import type { ClusterServer } from './cluster.js';
import { eventually } from './waiting.js';

/** What the server logs when a master that it runs has opened its file. */
export const SERVES = 'managed master is ready';

/** Resolves with the number of the process that serves as master: another one than these. */
export async function servingMaster(server: ClusterServer, ...former: readonly number[]): Promise<number> {
  const { masterPid } = await server.line(
    ({ msg, masterPid: pid }) => msg === SERVES && !former.includes(Number(pid)),
  );
  return Number(masterPid);
}

/** Resolves when a process that is nobody's child here has ended. One that nobody has waited for has ended, too. */
export async function processEnded(pid: number): Promise<void> {
  await eventually(() => !isRunning(pid));
}

function isRunning(pid: number): boolean {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return false;
  }
  return !/^[ZX]/.test(stat.slice(stat.lastIndexOf(')') + 2));
}
