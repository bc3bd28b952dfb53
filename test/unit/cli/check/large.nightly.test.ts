import { afterEach, beforeEach, expect, it } from 'vitest';
import { perform } from '../../../crash/database.js';
import { workload } from '../../../crash/workload.js';
import { removeDirectory, temporaryDirectory } from '../../../support/temporary-directory.js';
import { checked, inDatabase, wrongIn } from './checked-database.js';

let folder: string;

beforeEach(async () => {
  folder = await temporaryDirectory('check');
});
afterEach(() => removeDirectory(folder));

it('finds nothing wrong with indexes that have grown by writes: of values of all types, below wildcards, with any keys', async () => {
  const itemOf = (n: number): object => ({
    number: n % 2 === 0 ? n : n / 7,
    name: `Näme ${n % 50} ${'long '.repeat(n % 10)}`,
    date: new Date(1_700_000_000_000 + n * 1_000),
    flag: n % 3 === 0,
    nested: { value: n % 11 },
    tags: [`tag${n % 5}`, `Tag${n % 7}`],
    filler: 'x'.repeat(100),
  });
  await inDatabase(folder, async (database) => {
    const items = Array.from({ length: 1_200 }, (_, n) => [`schlüssel-${n}`, itemOf(n)]);
    await database.ref('items').set(Object.fromEntries(items));
    for (const key of ['number', 'name', 'date', 'flag', 'nested/value', '{key}'])
      await database.indexes.create('items', key, {});
    await database.indexes.create('items', 'tags', { type: 'array' });
    await database.indexes.create('users/*/posts', 'number', {});
    await database.indexes.create('items', 'name', { type: 'fulltext' });
    for (let n = 0; n < 300; n++) await database.ref(`items/new-${n}`).set(itemOf(n + 5_000));
    for (let n = 0; n < 200; n++) await database.ref(`items/schlüssel-${n * 3}`).update(itemOf(n));
    for (let n = 0; n < 200; n++) await database.ref(`items/schlüssel-${n * 5}`).remove();
    for (let n = 0; n < 60; n++) await database.ref(`users/user-${n % 7}/posts/post${n}`).set(itemOf(n));
  });
  expect(wrongIn(await checked(folder))).toEqual([]);
});

it.each([1, 2, 3])('finds nothing wrong after the work of the crash sweep, seed %i', async (seed) => {
  await inDatabase(folder, async (database) => {
    for (const operation of workload(seed, 220)) await perform(database, operation);
  });
  const wrong = wrongIn(await checked(folder));
  expect(wrong.filter((line) => !line.startsWith('warning space'))).toEqual([]);
});
