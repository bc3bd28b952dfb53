/** A process that writes to a database of its own for each journal, in turns, and tells how often each was written: `node bursts.js '{…}'`. */

// @ts-check
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const require = createRequire(import.meta.url);
// As it ships.
const { install } = require(fileURLToPath(new URL('../../dist/client.cjs', import.meta.url)));
install({ journal: 'off' });
const { AceBase } = require('acebase');

/** Keys that are there before. */
const KEYS = 200;

const { journals, kind, rounds, milliseconds } = JSON.parse(process.argv[2] ?? '{}');
const databases = [];
for (const journal of journals) {
  install({ journal });
  const path = await mkdtemp(join(tmpdir(), 'acebase-bench-'));
  const storage = { path };
  const database = new AceBase(`journal-${journal}`, { logLevel: 'error', sponsor: true, storage });
  await database.ready();
  for (let key = 0; key < KEYS; key++) await database.ref(`people/${key}`).set(person(key));
  databases.push({ database, path, writes: 0, spent: 0 });
}
// Everything is compiled first.
for (const it of databases) await burst(it, 4 * milliseconds);
for (const it of databases) Object.assign(it, { writes: 0, spent: 0 });
for (let round = 0; round < rounds; round++) for (const it of databases) await burst(it, milliseconds);
process.send?.(databases.map(({ writes, spent }) => (1_000 * writes) / spent));
for (const { database, path } of databases) {
  await database.close();
  await rm(path, { recursive: true });
}
process.disconnect();

/** @param {number} number */
function person(number) {
  return { name: `name ${number}`, number, text: 'x'.repeat(80) };
}

/**
 * @param {any} it
 * @param {number} length in milliseconds
 */
async function burst(it, length) {
  const start = performance.now();
  for (let now = start; now - start < length; now = performance.now()) {
    const node = it.database.ref(`people/${(7 * it.writes) % KEYS}`);
    if (kind === 'set') await node.set(person(it.writes));
    else if (kind === 'update') await node.update({ number: it.writes });
    else await node.child('number').transaction((/** @type {any} */ snapshot) => snapshot.val() + 1);
    it.writes++;
  }
  it.spent += performance.now() - start;
}
