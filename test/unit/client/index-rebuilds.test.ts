import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { AceBase } from 'acebase';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { releaseIndexesAfterFailures } from '../../../src/client/index-locks.js';
import { failIndexesAfterFailedWrites } from '../../../src/client/index-rebuilds.js';
import { removeDirectory, temporaryDirectory } from '../../support/temporary-directory.js';

type Method = (...details: unknown[]) => unknown;

const { open, write } = fs;
const names = new Map<unknown, string>();
let folder: string;
let database: AceBase;
let undo: () => void;
/** Tells the index of a change, as the storage does. */
let tell: (path: string, before: object | null, after: object | null) => Promise<unknown>;
/** How many writes to the index there is room for the half of. */
let halves = 0;

beforeEach(async () => {
  halves = 0;
  Object.assign(fs, {
    open: (...details: unknown[]) => {
      const callback = details.pop() as Method;
      (open as Method)(...details, (error: unknown, file: unknown) => {
        names.set(file, String(details[0]));
        callback(error, file);
      });
    },
    write: (...details: unknown[]) => {
      const isToFail = halves > 0 && names.get(details[0])?.endsWith('people-age.idx') === true;
      if (!isToFail) return (write as Method)(...details);
      halves -= 1;
      const [file, buffer, offset, length, position, callback] = details as [...unknown[]] as [
        number,
        Buffer,
        number,
        number,
        number,
        Method,
      ];
      return (write as Method)(file, buffer, offset, Math.floor(length / 2), position, () =>
        callback(
          Object.assign(new Error('ENOSPC: no space left on device, write'), {
            code: 'ENOSPC',
            syscall: 'write',
          }),
        ),
      );
    },
  });
  syncBuiltinESMExports();
  folder = await temporaryDirectory('index-rebuilds');
  database = new AceBase('mydb', { logLevel: 'error', storage: { path: folder } });
  await database.ready();
  await database.ref('people').set({ ann: { age: 5 }, bob: { age: 6 } });
  const index = await database.indexes.create('people', 'age');
  tell = (...details) => (Reflect.get(index, 'handleRecordUpdate') as typeof tell).apply(index, details);
  let methods: object = index;
  while (!Object.hasOwn(methods, '_getTree')) methods = Object.getPrototypeOf(methods);
  const undos = [failIndexesAfterFailedWrites(methods), releaseIndexesAfterFailures(methods)];
  undo = () => {
    for (const each of undos.reverse()) each();
  };
});

afterEach(async () => {
  await database.close();
  undo();
  Object.assign(fs, { open, write });
  syncBuiltinESMExports();
  await removeDirectory(folder);
});

async function aged(age: number): Promise<readonly string[]> {
  const found = await database.query('people').filter('age', '==', age).get();
  return found.map(({ key }) => key);
}

it('a change of an index that there was room for in half fails, and nothing is made of what is in the file', async () => {
  halves = 1;
  await expect(tell('people/cid', null, { age: 7 })).rejects.toThrow();
  expect(halves).toBe(0);
  // Nobody waits for the index.
  await database.indexes.create('people', 'age', { rebuild: true });
  expect(await aged(6)).toEqual(['bob']);
});

it('an index that has grown too large for a leaf is made larger, as ever', async () => {
  const more = Object.fromEntries(Array.from({ length: 120 }, (_, n) => [`person${n}`, { age: n }]));
  for (const [key, value] of Object.entries(more)) await database.ref(`people/${key}`).set(value);
  expect(await aged(119)).toEqual(['person119']);
});
