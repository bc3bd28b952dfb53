// The master of the database: it grants locks and hands out space.
require('acebase-ipc-server/client').install();
const { join } = require('node:path');
const { endWithConnection, ipcSettings, takeTurns } = require('acebase-ipc-server/stock');
const { AceBase } = require('acebase');

const ipc = ipcSettings(join(__dirname, 'ipc.json'), 'master');

async function start() {
  // It says `ready` before the file is open: a reload ends the master before this one only then.
  await takeTurns(join(process.env.DB_PATH, `${process.env.DB_NAME}-master.pid`), ipc);

  const db = new AceBase(process.env.DB_NAME, {
    logLevel: 'warn',
    storage: { path: process.env.DB_PATH, ipc },
  });
  endWithConnection(db);

  // pm2 stops a process with SIGINT.
  process.once('SIGINT', () => db.close());
}

start();
