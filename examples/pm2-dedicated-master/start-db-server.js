require('./quiet.js');
const { endWithConnection } = require('./end-with-connection.js');
const { ipcSettings } = require('./ipc-settings.js');
const { releaseClients } = require('./release-clients.js');
const { AceBaseServer } = require('acebase-server');

const server = new AceBaseServer(process.env.DB_NAME, {
  logLevel: 'warn',
  host: 'localhost',
  port: Number(process.env.HTTP_PORT),
  path: process.env.DB_PATH,
  authentication: { enabled: false }, // for localhost only: turn it on before you let others in
  ipc: ipcSettings('worker'),
});
endWithConnection(server.db, () => server.ready(() => server.pause()));
releaseClients(server);

server.ready(() => process.send('ready'));

// pm2 stops a process with SIGINT. From the moment it is ready, acebase-server closes the database itself then.
process.once('SIGINT', () => {
  if (!server.isReady) process.exit(0);
});
