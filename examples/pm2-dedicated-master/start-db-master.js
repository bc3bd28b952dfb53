require('./quiet.js');
const { endWithConnection } = require('./end-with-connection.js');
const { ipcSettings } = require('./ipc-settings.js');
const { untilNoMaster } = require('./until-no-master.js');
const { untilServerStays } = require('./until-server-stays.js');
const { AceBase } = require('acebase');

const ipc = ipcSettings('master');

async function start() {
  await untilNoMaster(process.env.DB_NAME, ipc);

  const db = new AceBase(process.env.DB_NAME, {
    logLevel: 'warn',
    storage: { path: process.env.DB_PATH, ipc },
  });
  endWithConnection(db);

  db.ready(() => process.send('ready'));

  // pm2 stops a process with SIGINT.
  process.once('SIGINT', async () => {
    await untilServerStays(ipc);
    db.close();
  });
}

start();
