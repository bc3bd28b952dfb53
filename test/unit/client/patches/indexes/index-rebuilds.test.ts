import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { AceBase } from 'acebase';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { releaseIndexesAfterFailures } from '../../../../../src/client/patches/indexes/index-locks.js';
import { repairIndexRebuilds } from '../../../../../src/client/patches/indexes/index-rebuilds.js';
import { hasHalves } from '../../../../crash/disk.js';
import { writeHalf } from '../../../../crash/full-disk.js';
import { lengthIn, RefusedChange, watchChanges } from '../../../../crash/recorder.js';
import { removeDirectory, temporaryDirectory } from '../../../../support/temporary-directory.js';

let folder: string;
let database: AceBase;
let undo: () => void;
/** Tells the index of a change, as the storage does. */
let tell: (path: string, before: object | null, after: object | null) => Promise<unknown>;
/** How many writes to the index there is room for the half of. */
let halves = 0;
/** How often a tree was made anew. */
let times = 0;

beforeEach(async () => {
  halves = 0;
  times = 0;
  folder = await temporaryDirectory('index-rebuilds');
  watchChanges(folder, {
    isAtOnce: false,
    lengthOf: lengthIn(folder),
    changing(change) {
      if (change.kind === 'rename' && change.file.endsWith('.idx.tmp')) times += 1;
      if (halves === 0 || change.kind !== 'write' || !change.file.endsWith('people-age.idx')) return;
      halves -= 1;
      if (hasHalves(change)) writeHalf(join(folder, change.file), change);
      throw new RefusedChange();
    },
  });
  database = new AceBase('mydb', { logLevel: 'error', storage: { path: folder } });
  await database.ready();
  await database.ref('people').set({ ann: { age: 5 }, bob: { age: 6 } });
  const index = await database.indexes.create('people', 'age');
  tell = (...details) => (Reflect.get(index, 'handleRecordUpdate') as typeof tell).apply(index, details);
  let methods: object = index;
  while (!Object.hasOwn(methods, '_getTree')) methods = Object.getPrototypeOf(methods);
  const undos = [repairIndexRebuilds(methods), releaseIndexesAfterFailures(methods)];
  undo = () => {
    for (const each of undos.reverse()) each();
  };
});

afterEach(async () => {
  await database.close();
  undo();
  await removeDirectory(folder);
});

async function aged(age: number): Promise<readonly string[]> {
  const found = await database.query('people').filter('age', '==', age).get();
  return found.map(({ key }) => key);
}

function replace(functions: object): void {
  Object.assign(fs, functions);
  syncBuiltinESMExports();
}

it('a change of an index that there was room for in half fails, and nothing is made of what is in the file', async () => {
  halves = 1;
  await expect(tell('people/cid', null, { age: 7 })).rejects.toThrow();
  expect(halves).toBe(0);
  // Nobody waits for the index.
  await database.indexes.create('people', 'age', { rebuild: true });
  expect(await aged(6)).toEqual(['bob']);
});

it('nothing is cut off that was written to an index that is made anew', async () => {
  const { truncate, write } = fs;
  type Call = (...details: unknown[]) => void;
  let cutOff: (() => void) | undefined;
  // Once more has been written: threads may do it in that order.
  const writing = (details: unknown[]): void => {
    const done = details.pop() as Call;
    (write as Call)(...details, (...results: unknown[]) => {
      done(...results);
      cutOff?.();
      cutOff = undefined;
    });
  };
  replace({
    truncate(...details: unknown[]) {
      cutOff = () => (truncate as Call)(...details);
    },
    write: (...details: unknown[]) => writing(details),
  });
  try {
    await database.indexes.create('people', 'age', { rebuild: true });
    expect(await aged(6)).toEqual(['bob']);
  } finally {
    replace({ truncate, write });
  }
});

it('an index that has grown too large for a leaf is made larger, as ever', async () => {
  const index = await database.indexes.create('others', 'name');
  for (const n of [1, 2, 3])
    await database.ref(`others/person${n}`).set({ name: String(n).padStart(200, '0') });
  expect(times).toBeGreaterThan(0);
  expect(await Reflect.get(index, 'query').call(index, 'like', '*')).toHaveLength(3);
});
