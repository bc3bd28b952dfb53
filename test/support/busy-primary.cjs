/**
 * Runs two HTTP servers on one port as a supervisor with Node's cluster module does, such as pm2. The first is asked to stop as soon as a file
 * `stop` is there, and the primary does nothing from its own message `busy` on until a file `go on` is there. `process.argv` has the port, and
 * the folder of those files; the first one makes `ended` in it when its database is closed.
 */
'use strict';

const cluster = require('node:cluster');
const { EventEmitter } = require('node:events');
const { existsSync, writeFileSync } = require('node:fs');
const { createServer } = require('node:http');
const { join } = require('node:path');
const { endWithConnection } = require('acebase-ipc-server/stock');

const [, , port, folder] = process.argv;
const at = (name) => join(folder, name);

if (cluster.isPrimary) {
  cluster.setupPrimary({ exec: __filename, args: [port, folder] });
  const listening = (worker) => new Promise((resolve) => worker.once('listening', resolve));
  const first = cluster.fork({ NAME: 'first' });
  let second;
  process.on('message', () => {
    process.send('busy');
    while (!existsSync(at('go on'))) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
  });
  process.on('disconnect', () => {
    for (const worker of [first, second]) worker?.process.kill('SIGKILL');
    process.exit();
  });
  listening(first)
    .then(() => {
      second = cluster.fork({ NAME: 'second' });
      return listening(second);
    })
    .then(() => process.send('ready'));
} else {
  const name = process.env.NAME;
  const server = createServer((_request, response) => {
    response.setHeader('Connection', 'close');
    response.end(name);
  });
  const ipc = new EventEmitter();
  endWithConnection({
    ready: (callback) => callback(),
    close: async () => undefined,
    api: { storage: { ipc } },
  });
  server.listen(Number(port));
  const look = setInterval(() => {
    if (name !== 'first' || !existsSync(at('stop'))) return;
    clearInterval(look);
    process.emit('SIGINT');
    server.close(() => {
      writeFileSync(at('ended'), '');
      ipc.emit('exit');
    });
  }, 5);
}
