// A shop that takes orders over HTTP. Its process holds the IPC server and the master of the database.
const { once } = require('node:events');
const http = require('node:http');
require('acebase-ipc-server/stock').quiet();
const { AceBase } = require('acebase');
const { AceBaseIPCServer } = require('acebase-ipc-server');

const HTTP_PORT = Number(process.env.HTTP_PORT ?? 3000);
const IPC_PORT = Number(process.env.IPC_PORT ?? 9163);

async function main() {
  // Heard from the first moment on: a database that is still being opened is closed well, too.
  const asked = once(process, 'SIGINT');

  // The database below and all workers connect to it, so it comes first.
  const ipcServer = new AceBaseIPCServer({ host: 'localhost', port: IPC_PORT });
  await ipcServer.start();

  const db = new AceBase(process.env.DB_NAME ?? 'shop', {
    logLevel: 'warn',
    storage: {
      path: process.env.DB_PATH ?? __dirname,
      ipc: { host: 'localhost', port: IPC_PORT, role: 'master' },
    },
  });
  await db.ready();

  // POST /orders takes an order and answers its number; GET /orders/<number> tells what became of it.
  const app = http.createServer(async (request, response) => {
    const [, collection, number] = request.url.split('/');
    if (collection !== 'orders') return response.writeHead(404).end();
    if (request.method === 'POST') {
      const order = await db.ref('orders').push({ status: 'new', at: Date.now() });
      return response.end(order.key);
    }
    const order = await db.ref(`orders/${number}`).get();
    return response.writeHead(order.exists() ? 200 : 404).end(JSON.stringify(order.val()));
  });
  await once(app.listen(HTTP_PORT, 'localhost'), 'listening');
  console.log(`The shop is open: http://localhost:${HTTP_PORT}/orders`);

  // Each needs the next to end well.
  await asked;
  await new Promise((resolve) => app.close(resolve));
  await db.close();
  await ipcServer.stop();
}

main();
