require('acebase-ipc-server/stock').quiet();
const { join } = require('node:path');
const { endWithConnection, ipcSettings, releaseClients, untilNoMaster } = require('acebase-ipc-server/stock');
const { AceBaseServer } = require('acebase-server');

// NODE_APP_INSTANCE is the `instance_var` of ecosystem.config.js.
const role = process.env.NODE_APP_INSTANCE === '0' ? 'master' : 'worker';
const ipc = ipcSettings(join(__dirname, 'ipc.json'), role);

async function start() {
  if (role === 'master') {
    // `pm2 reload` starts the new process before it stops the old one, and stops that when the new one is ready.
    // There must never be two masters, so the new one says that it is ready first, and waits for the old one to end.
    process.send('ready');
    await untilNoMaster(process.env.DB_NAME, ipc);
  }

  const server = new AceBaseServer(process.env.DB_NAME, {
    logLevel: 'warn',
    host: 'localhost',
    port: Number(process.env.HTTP_PORT),
    path: process.env.DB_PATH,
    authentication: { enabled: false }, // for localhost only: turn it on before you let others in
    ipc,
  });
  endWithConnection(server.db, () => server.ready(() => server.pause()));
  releaseClients(server);

  if (role === 'worker') server.ready(() => process.send('ready'));

  // pm2 stops a process with SIGINT. From the moment it is ready, acebase-server closes the database itself then.
  process.once('SIGINT', () => {
    if (!server.isReady) process.exit(0);
  });
}

start();
