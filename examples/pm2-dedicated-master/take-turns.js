const { readFileSync, rmSync, writeFileSync } = require('node:fs');
const http = require('node:http');
const https = require('node:https');
const { setTimeout: delay } = require('node:timers/promises');

/** Milliseconds within which the processes that `pm2 reload all` starts together are ready. */
const TOGETHER = 2_000;

/** Milliseconds for which an IPC server that is not ready is waited for: it may be gone for good. */
const PATIENCE = 4_000;

/** Milliseconds: longer than `kill_timeout`, after which pm2 kills a process. */
const LAST_ONE_ENDS = 12_000;

/**
 * Resolves when it is the turn of this process: the one before it, which a reload ends when this one says `ready`, has ended.
 * Of two masters that have a database open, each would write over the other's data.
 *
 * `pm2 reload all` replaces the IPC server at the same time. That is waited for before `ready`, so that the one pause is over
 * when the other begins; nobody waits meanwhile.
 *
 * @param file holds the number of the process whose turn it is
 * @param ipc the `ipc` settings of AceBase
 */
exports.takeTurns = async (file, ipc) => {
  const last = numberIn(file);
  if (isRunning(last)) {
    await delay(TOGETHER);
    await untilServerIsReady(ipc);
  }
  process.send('ready');
  const until = Date.now() + LAST_ONE_ENDS;
  while (isRunning(last) && Date.now() < until) await delay(10);
  writeFileSync(file, String(process.pid));
  process.once('exit', () => {
    if (numberIn(file) === process.pid) rmSync(file);
  });
};

function numberIn(file) {
  try {
    return Number(readFileSync(file, 'utf8'));
  } catch {
    return 0; // The last one has removed it, or there was none.
  }
}

function isRunning(pid) {
  try {
    return pid > 0 && process.kill(pid, 0);
  } catch {
    return false; // Nobody has that number, or a process of another user.
  }
}

async function untilServerIsReady({ host = 'localhost', port, ssl }) {
  const url = `http${ssl ? 's' : ''}://${host}:${port}/ready`;
  const options = { ...(typeof ssl === 'object' ? ssl : {}), agent: false, timeout: 1_000 };
  const until = Date.now() + PATIENCE;
  while (Date.now() < until && !(await isReady(url, options))) await delay(50);
}

function isReady(url, options) {
  return new Promise((resolve) => {
    const request = (url.startsWith('https:') ? https : http).get(url, options, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    request.on('timeout', () => request.destroy());
    request.on('error', () => resolve(false));
  });
}
