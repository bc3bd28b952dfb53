// Packs the orders that come in, in a process of its own. There may be several.
require('acebase-ipc-server/stock').quiet();
const { endWithConnection } = require('acebase-ipc-server/stock');
const { AceBase } = require('acebase');

const db = new AceBase(process.env.DB_NAME ?? 'shop', {
  logLevel: 'warn',
  storage: {
    path: process.env.DB_PATH ?? __dirname,
    ipc: { host: 'localhost', port: Number(process.env.IPC_PORT ?? 9163), role: 'worker' },
  },
});
endWithConnection(db);

db.ready(() => {
  // Every order that is there, and then every order that another process adds.
  db.ref('orders').on('child_added', async (snapshot) => {
    await snapshot.ref.transaction((order) => {
      if (order.val()?.status !== 'new') return undefined; // another worker was faster
      return { ...order.val(), status: 'packed', by: process.pid };
    });
  });
});

process.once('SIGINT', () => db.close());
