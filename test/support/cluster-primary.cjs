/**
 * Runs the command twice as a supervisor with Node's cluster module does, such as pm2 in cluster mode: the second one is started
 * while the first one serves, and when it says that it is ready, the first one is asked to stop. Says what happens on its
 * channel. `process.argv` has the command, its port, and a file for what both write to `process.stdout`.
 */
'use strict';

const cluster = require('node:cluster');
const { appendFileSync } = require('node:fs');

const [, , command, port, output] = process.argv;

if (cluster.isPrimary) {
  cluster.setupPrimary({ exec: __filename, args: [command, port, output] });
  const start = (name) => {
    const worker = cluster.fork();
    worker.on('message', (message) => process.send(`${name}: ${message}`));
    worker.on('exit', (code) => process.send(`${name} ended with ${code}`));
    return worker;
  };
  const first = start('first');
  let second;
  process.on('message', (message) => {
    if (message === 'start the second') second = start('second');
    else if (message === 'stop the first') first.process.kill('SIGINT');
    else second.process.kill('SIGINT');
  });
  for (const end of ['SIGTERM', 'disconnect']) {
    process.on(end, () => {
      for (const worker of [first, second]) worker?.process.kill('SIGKILL');
      process.exit();
    });
  }
} else {
  // As pm2 does.
  process.stdout.write = (text, _encoding, done) => {
    appendFileSync(output, text);
    done?.();
    return true;
  };
  process.argv.splice(1, 4, command, '--port', port);
  import(require('node:url').pathToFileURL(command).href);
}
