const http = require('node:http');
const https = require('node:https');
const { setTimeout: delay } = require('node:timers/promises');

/** Milliseconds within which pm2 asks the processes of `pm2 reload all` to stop. */
const TOGETHER = 300;

/** Milliseconds for which a server that is not ready is waited for: it may be gone for good. */
const PATIENCE = 4_000;

/**
 * Resolves when the IPC server is not being restarted just now, or after some seconds.
 *
 * `pm2 reload all` stops the IPC server and the master at one moment. If they went together, the next server could not
 * know which locks the workers hold, and nobody could write for `reconnectGrace`. So the master stays until the next
 * server is there, and goes then.
 *
 * @param ipc the `ipc` settings of AceBase
 */
exports.untilServerStays = async ({ host = 'localhost', port, ssl }) => {
  const url = `http${ssl ? 's' : ''}://${host}:${port}/ready`;
  const options = { ...(typeof ssl === 'object' ? ssl : {}), agent: false, timeout: 1_000 };
  await delay(TOGETHER);
  const until = Date.now() + PATIENCE;
  while (Date.now() < until && !(await isReady(url, options))) await delay(50);
};

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
