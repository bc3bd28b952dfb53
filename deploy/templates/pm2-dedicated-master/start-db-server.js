// An acebase-server of the cluster: a worker. Start as many as you like.
require('acebase-ipc-server/client').install();
const { join } = require('node:path');
const { endWithConnection, ipcSettings, releaseClients } = require('acebase-ipc-server/stock');
const { AceBaseServer } = require('acebase-server');

const server = new AceBaseServer(process.env.DB_NAME, {
  logLevel: 'warn',
  host: 'localhost',
  port: Number(process.env.HTTP_PORT),
  path: process.env.DB_PATH,
  authentication: { enabled: false }, // for localhost only: turn it on before you let others in
  ipc: ipcSettings(join(__dirname, 'ipc.json'), 'worker'),
});
endWithConnection(server.db, () => server.ready(() => server.pause()));
releaseClients(server);

server.ready(() => process.send('ready'));

// pm2 stops a process with SIGINT. From the moment it is ready, acebase-server closes the database itself then.
process.once('SIGINT', () => {
  if (!server.isReady) process.exit(0);
});
