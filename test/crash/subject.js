/** A process that does the operations of a seed, and writes down what it did: `node subject.js '{…}'`. */
import '../support/register-typescript.js';

const { recordChanges } = await import('./recorder.ts');
const { saveTrace } = await import('./trace.ts');
const { workload } = await import('./workload.ts');
const { openDatabase, perform } = await import('./database.ts');

const { folder, seed, operations, isLogged, journal, trace: file } = JSON.parse(process.argv[2]);

/** @type {import('./trace.ts').TraceEvent[]} */
const trace = [];
recordChanges(folder, (change) => trace.push(change));
if (journal !== undefined) {
  const { install } = await import('../../src/client/install.ts');
  install({ journal });
}
const database = openDatabase(folder, isLogged);
await database.ready();
let index = 0;
for (const operation of workload(seed, operations)) {
  trace.push({ kind: 'begun', operation: index });
  await perform(database, operation, index);
  trace.push({ kind: 'acknowledged', operation: index++ });
}
await database.close();
saveTrace(file, trace);
process.exit(0);
