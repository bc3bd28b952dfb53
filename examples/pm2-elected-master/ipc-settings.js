const { existsSync, readFileSync } = require('node:fs');
const { resolve } = require('node:path');

const inThisFolder = (name) => resolve(__dirname, name);
/** Without the byte order mark that some editors put first. */
const read = (name) => readFileSync(inThisFolder(name), 'utf8').replace(/^\uFEFF/, '');

/**
 * The `ipc` settings of an AceBase process, from the config file of the IPC server, so that they fit: what is changed
 * in ipc.json counts for all.
 *
 * With `ssl` in that file, processes connect by TLS. A certificate of an authority of your own is trusted if that
 * authority is in ipc-ca.pem, beside it. (For stock clients see the README.)
 *
 * @param role 'master' or 'worker'
 */
exports.ipcSettings = (role) => {
  const { host = 'localhost', port = 9163, ssl, token, tokenFile } = JSON.parse(read('ipc.json'));
  return {
    // Where the server listens on every interface, it is reached by its own name, too.
    host: ['0.0.0.0', '::'].includes(host) ? 'localhost' : host,
    port: Number(process.env.ACEBASE_IPC_SERVER_PORT ?? port),
    ssl: ssl !== undefined && (existsSync(inThisFolder('ipc-ca.pem')) ? { ca: read('ipc-ca.pem') } : true),
    token: tokenFile === undefined ? [token].flat()[0]?.trim() : firstTokenOf(read(tokenFile)),
    role,
  };
};

/** A token file has one on each line; those that begin with # are comments. */
function firstTokenOf(text) {
  return text
    .split('\n')
    .map((line) => line.trim())
    .find((line) => line !== '' && !line.startsWith('#'));
}
