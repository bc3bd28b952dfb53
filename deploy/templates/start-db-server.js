// An acebase-server of the cluster: a worker. Start as many as you like; the IPC server runs the master.
require('acebase-ipc-server/client').install();
const { join } = require('node:path');
const { endWithConnection, ipcSettings, releaseClients } = require('acebase-ipc-server/stock');
const { AceBaseServer } = require('acebase-server');

const { DB_PATH, DB_ADMIN_PASSWORD, HTTP_HOST, HTTP_PORT, IPC_CONFIG } = process.env;

// Containers and systemd stop a process with SIGTERM; pm2 does with SIGINT, and acebase-server goes by that.
process.once('SIGTERM', () => process.emit('SIGINT'));

const server = new AceBaseServer('mydb', {
  logLevel: 'warn',
  host: HTTP_HOST ?? 'localhost',
  port: Number(HTTP_PORT ?? 5757),
  path: DB_PATH ?? __dirname, // the folder that mydb.acebase is in: the same for all
  // For localhost only: set a password before you let others in.
  authentication: DB_ADMIN_PASSWORD
    ? { enabled: true, defaultAdminPassword: DB_ADMIN_PASSWORD }
    : { enabled: false },
  ipc: ipcSettings(IPC_CONFIG ?? join(__dirname, 'ipc.json'), 'worker'),
});
endWithConnection(server.db, () => server.ready(() => server.pause()));
releaseClients(server);

// For pm2, whose reload ends the old process only then.
server.ready(() => process.send?.('ready'));

// From the moment it is ready, acebase-server closes the database itself.
process.once('SIGINT', () => {
  if (!server.isReady) process.exit(0);
});
