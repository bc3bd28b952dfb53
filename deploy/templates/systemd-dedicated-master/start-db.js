// The master, or one of any number of acebase-servers: ACEBASE_IPC_ROLE says which.
require('acebase-ipc-server/client').install();
const { endWithConnection, releaseClients } = require('acebase-ipc-server/stock');
const { AceBase } = require('acebase');
const { AceBaseServer } = require('acebase-server');

const { DB_NAME, DB_PATH, DB_ADMIN_PASSWORD, HTTP_HOST, HTTP_PORT } = process.env;

const needed = ['DB_NAME', 'DB_PATH', 'ACEBASE_IPC_HOST', 'ACEBASE_IPC_PORT', 'ACEBASE_IPC_ROLE'];
if (process.env.ACEBASE_IPC_ROLE === 'worker') needed.push('HTTP_PORT');
const missing = needed.filter((name) => !process.env[name]);
if (missing.length > 0) {
  console.error(`Set ${missing.join(', ')} in the environment.`);
  process.exit(1);
}

const ipc = {
  host: process.env.ACEBASE_IPC_HOST,
  port: Number(process.env.ACEBASE_IPC_PORT),
  ssl: process.env.ACEBASE_IPC_SSL === '1',
  token: process.env.ACEBASE_IPC_TOKEN?.trim(), // a secret that was made of a file ends with a line
  role: process.env.ACEBASE_IPC_ROLE,
};

// systemd stops a process with SIGTERM; acebase-server goes by SIGINT.
process.once('SIGTERM', () => process.emit('SIGINT'));

function startMaster() {
  const db = new AceBase(DB_NAME, { logLevel: 'warn', storage: { path: DB_PATH, ipc } });
  endWithConnection(db);
  process.once('SIGINT', () => db.close());
}

function startServer() {
  const server = new AceBaseServer(DB_NAME, {
    logLevel: 'warn',
    host: HTTP_HOST,
    port: Number(HTTP_PORT),
    path: DB_PATH,
    authentication: { enabled: true, defaultAdminPassword: DB_ADMIN_PASSWORD },
    ipc,
  });
  endWithConnection(server.db, () => server.ready(() => server.pause()));
  releaseClients(server);

  // From the moment it is ready, acebase-server closes the database itself.
  process.once('SIGINT', () => {
    if (!server.isReady) process.exit(0);
  });
}

if (ipc.role === 'master') startMaster();
else startServer();
