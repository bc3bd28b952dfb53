const http = require('node:http');
const https = require('node:https');
const { setTimeout: delay } = require('node:timers/promises');

/** Milliseconds after which it says again what it waits for. */
const REMINDER = 10_000;

/** Milliseconds in which the server must answer. */
const PATIENCE = 5_000;

/** Statuses after which asking again changes nothing: the token, the name of the server. */
const FINAL = [401, 403, 421];

/**
 * Resolves when the IPC server is there and no process is connected to it as the master of this database. Meanwhile
 * it says what it waits for. If the server does not let this process ask, it ends the process with exit code 1.
 *
 * A master opens the file at once, connected or not, and hands out locks and free space from what it read then. So
 * it must not open it before the last master has closed it, nor be cut off while it makes a new file.
 *
 * @param name name of the database
 * @param ipc the `ipc` settings of AceBase
 */
exports.untilNoMaster = async (name, { host = 'localhost', port, ssl, token }) => {
  const url = `http${ssl ? 's' : ''}://${host}:${port}/${name}_data/clients`;
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const options = { ...(typeof ssl === 'object' ? ssl : {}), headers, agent: false, timeout: PATIENCE };
  let said = '';
  let saidAt = 0;
  for (;;) {
    const { status, why } = await look(url, options);
    if (why === undefined) return;
    if (why !== said || Date.now() - saidAt >= REMINDER) {
      console.error(`Waiting before ${name} is opened. ${why}`);
      said = why;
      saidAt = Date.now();
    }
    if (FINAL.includes(status)) {
      // Under pm2 a line takes a moment to get into the log.
      await delay(500);
      process.exit(1);
    }
    await delay(100);
  }
};

/** Asks once. Without a `why`, there is no master. */
async function look(url, options) {
  try {
    const { status, body } = await get(url, options);
    if (status !== 200)
      return { status, why: `The IPC server at ${url} answers with ${status}. ${words(body)}` };
    if (!JSON.parse(body).some((peer) => peer.id === '[master]')) return { status };
    return { status, why: 'Another process is its master: this one goes on when that one has ended.' };
  } catch (error) {
    const code = error.code ?? error.message;
    return { why: `No IPC server answers at ${url} (${code}). ${remedy(`${code} ${error.message}`)}` };
  }
}

function get(url, options) {
  return new Promise((resolve, reject) => {
    const request = (url.startsWith('https:') ? https : http).get(url, options, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text) => {
        body += text;
      });
      response.on('error', reject);
      response.on('end', () => resolve({ status: response.statusCode, body }));
    });
    request.on('timeout', () => request.destroy(new Error('no answer in time')));
    request.on('error', reject);
  });
}

/** What the server itself says is wrong, and what to do. */
function words(body) {
  try {
    const { message, remedy } = JSON.parse(body);
    return `${message} ${remedy}`;
  } catch {
    return 'Is it another program?';
  }
}

function remedy(failure) {
  if (/ALTNAME/.test(failure)) return 'Its certificate is for another name: set host to a name in it.';
  if (/EXPIRED/.test(failure)) return 'Its certificate has expired: renew it.';
  if (/SELF_SIGNED|UNABLE_TO|ISSUER|CERT/.test(failure)) {
    return 'Its certificate is not trusted: give the authority that signed it, as ssl: { ca }.';
  }
  if (/EPROTO|SSL|WRONG_VERSION/.test(failure))
    return 'It may speak no TLS: leave ssl out, or give it a certificate.';
  if (/ECONNRESET|hang up|HPE_|in time/.test(failure))
    return 'Does it speak TLS? Then set ssl. Is the port right?';
  return 'Is it running, and are host and port right?';
}
