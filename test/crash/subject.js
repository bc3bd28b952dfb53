/** A process that does the operations of a seed, and writes down what it did: `node subject.js '{…}'`. */
import '../support/register-typescript.js';

import { writeSync } from 'node:fs';

const { recordChanges } = await import('./recorder.ts');
const { refusing } = await import('./full-disk.ts');
const { saveTrace, shownStep } = await import('./trace.ts');
const { workload } = await import('./workload.ts');
const { openDatabase, perform } = await import('./database.ts');

const { folder, seed, operations, isLogged, journal, trace: file, full } = JSON.parse(process.argv[2]);

/** @type {import('./trace.ts').TraceEvent[]} */
const trace = [];
const note = (event) => trace.push(event);
const refuse = full === undefined ? () => undefined : refusing(folder, full);
recordChanges(folder, {
  changing(change) {
    refuse(change);
    note(change);
  },
  synced: note,
});
if (journal !== undefined) {
  const { install } = await import('acebase-ipc-server/client');
  install({ journal });
}
const database = openDatabase(folder, isLogged);
await database.ready();
let index = 0;
for (const operation of workload(seed, operations)) {
  step('begun');
  try {
    await perform(database, operation, index);
    step('acknowledged');
  } catch (error) {
    if (full === undefined) throw error;
    // It has happened, or not: the next process tells.
    if (error?.code === 'IPC_CLIENT_OUTCOME_UNKNOWN') process.exit(0);
    step('failed');
  }
  index += 1;
}
await database.close();
if (file !== undefined) saveTrace(file, trace);
process.exit(0);

/** For who ends this process, or reads what it did. */
function step(kind) {
  const event = { kind, operation: index };
  note(event);
  if (file === undefined) writeSync(1, `${shownStep(event)}\n`);
}
