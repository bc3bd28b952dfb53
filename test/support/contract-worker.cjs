/**
 * A process that holds one AceBase database and runs specs of the contract in it: pieces of a user's program, sent as
 * text. `process.argv[2]` holds its options as JSON. Started by `contract-process.ts`.
 */
'use strict';

const { AceBase, DataReference } = require('acebase');
const options = JSON.parse(process.argv[2]);
const open = (name, log = false) =>
  new AceBase(name, {
    logLevel: 'error',
    storage: {
      path: options.path,
      ...(options.ipc && { ipc: options.ipc }),
      transactions: { log },
    },
  });

console.log = () => undefined;
const db = open(options.database);
const bag = { AceBase, DataReference, open, options };

db.ready(() => process.send({ kind: 'ready' }));
process.on('message', ({ number, code }) => {
  const run = new Function('db', 'bag', 'pause', `return (async () => { ${code} })();`);
  const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  run(db, bag, pause).then(
    (result) => process.send({ number, result }),
    (error) => process.send({ number, error: String(error?.stack ?? error) }),
  );
});
process.on('disconnect', () => process.exit(0));
