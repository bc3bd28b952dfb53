import fs from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AceBase } from 'acebase';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Storage } from '../../../../../src/client/acebase.js';
import { repairIndexBuilds } from '../../../../../src/client/patches/indexes/index-builds.js';
import { failIndexesAfterFailedStreams } from '../../../../../src/client/patches/indexes/index-streams.js';

type Method = (...details: unknown[]) => unknown;

const { open, write, writev } = fs;
const names = new Map<unknown, string>();
let folder: string;
let database: AceBase;
let undo: () => void;
/** Whether the disk has no room for what is done with a file: by the function of Node.js, and the name of the file. */
let isFull: (what: string, name: string) => boolean = () => false;

beforeEach(async () => {
  isFull = () => false;
  const refuse = (callback: unknown): void =>
    process.nextTick(callback as Method, Object.assign(new Error('ENOSPC: full'), { code: 'ENOSPC' }));
  Object.assign(fs, {
    open: (...details: unknown[]) => {
      const [path, flags] = details as [string, string];
      const callback = details.pop() as Method;
      if (/^[aw]/.test(flags) && isFull('open', path)) return refuse(callback);
      return (open as Method)(...details, (error: unknown, file: unknown) => {
        names.set(file, path);
        callback(error, file);
      });
    },
    ...Object.fromEntries(
      Object.entries({ write, writev }).map(([name, original]) => [
        name,
        (...details: unknown[]) =>
          isFull('write', names.get(details[0]) ?? '')
            ? refuse(details.at(-1))
            : (original as Method)(...details),
      ]),
    ),
  });
  undo = failIndexesAfterFailedStreams();
  folder = await mkdtemp(join(tmpdir(), 'index-streams-'));
  database = new AceBase('people', { logLevel: 'error', storage: { path: folder } });
  await database.ready();
  repairIndexBuilds(Reflect.get(database.api, 'storage') as unknown as Storage, false);
  await database.ref('people').set({ ann: { age: 5 }, bob: { age: 6 } });
});

afterEach(async () => {
  await database.close();
  undo();
  Object.assign(fs, { open, write, writev });
  syncBuiltinESMExports();
  await rm(folder, { recursive: true });
});

/** As an error that nobody listens to it would end the process. */
const PLACES: readonly (readonly [what: string, file: RegExp])[] = [
  ['open', /\.build$/],
  ['write', /\.build$/],
  ['open', /\.build\.1$/],
  ['write', /\.build\.1$/],
  ['open', /\.build\.merge$/],
  ['write', /\.build\.merge$/],
];

it.each(PLACES)(
  'an index is not made if %s fails with %s, and is made in full when there is room',
  async (what, file) => {
    isFull = (done, name) => done === what && file.test(name);
    await expect(database.indexes.create('people', 'age')).rejects.toThrow('ENOSPC');
    const left = await readdir(join(folder, 'people.acebase'));
    expect(left.filter((name) => name.includes('.build'))).toEqual([]);
    isFull = () => false;
    await database.ref('people/cid').set({ age: 5 });
    await database.indexes.create('people', 'age');
    const found = await database.query('people').filter('age', '==', 5).get();
    expect(found.map(({ key }) => key).sort()).toEqual(['ann', 'cid']);
  },
);
