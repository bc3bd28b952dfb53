import { existsSync } from 'node:fs';
import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { describeNotRemoved } from '../../../../src/cli/backup/backup.js';
import { removeCutShort, removeOldest } from '../../../../src/cli/backup/retention.js';
import { removeDirectory, temporaryDirectory } from '../../../support/temporary-directory.js';

const { rm } = fs;
let to: string;
/** What cannot be removed; tests may run as a user to whom nothing is forbidden. */
let stuck: string | undefined;

beforeEach(async () => {
  to = await temporaryDirectory('retention');
  stuck = undefined;
  Object.assign(fs, {
    rm: async (path: string, options: object) => {
      if (stuck === undefined || !path.includes(stuck)) return rm(path, options);
      await rm(join(path, 'mydb.acebase', 'data.db'), { force: true });
      throw Object.assign(new Error(`EACCES: permission denied, rmdir '${path}'`), { code: 'EACCES' });
    },
  });
  syncBuiltinESMExports();
});

afterEach(async () => {
  Object.assign(fs, { rm });
  syncBuiltinESMExports();
  await removeDirectory(to);
});

async function copy(name: string): Promise<string> {
  const folder = join(to, name, 'mydb.acebase');
  await fs.mkdir(folder, { recursive: true });
  await fs.writeFile(join(folder, 'data.db'), '');
  return join(to, name);
}

const copies = async (): Promise<string[]> =>
  (await fs.readdir(to)).filter((name) => !name.startsWith('.')).sort();

it('removes the other old copies where one cannot be removed, and says which, and why', async () => {
  const one = await copy('mydb.2001-02-03T04-05-06');
  const two = await copy('mydb.2002-02-03T04-05-06');
  await copy('mydb.2003-02-03T04-05-06');
  const newest = await copy('mydb.2004-02-03T04-05-06');
  stuck = 'mydb.2001-';
  const removal = await removeOldest({ copy: newest, isChecked: true }, 'mydb', 2);
  expect(removal).toEqual({
    removed: [two],
    notRemoved: [{ folder: one, reason: expect.stringContaining('EACCES') }],
  });
  // What is left of it has lost its data, and is no copy any more.
  expect(await copies()).toEqual(['mydb.2003-02-03T04-05-06', 'mydb.2004-02-03T04-05-06']);
  const result = {
    copy: newest,
    files: 1,
    bytes: 1,
    writesWaited: 1,
    isChecked: true,
    ...removal,
  };
  expect(describeNotRemoved(result)).toMatch(
    /^could not remove .*mydb\.2001-02-03T04-05-06: EACCES: permission denied/,
  );
  expect(describeNotRemoved({ ...result, notRemoved: [] })).toBeUndefined();
});

it('removes none for one that was not checked, and none if it is not told how many to keep', async () => {
  await copy('mydb.2001-02-03T04-05-06');
  const newest = await copy('mydb.2004-02-03T04-05-06');
  const nothing = { removed: [], notRemoved: [] };
  expect(await removeOldest({ copy: newest, isChecked: false }, 'mydb', 1)).toEqual(nothing);
  expect(await removeOldest({ copy: newest, isChecked: true }, 'mydb', undefined)).toEqual(nothing);
  expect(await copies()).toHaveLength(2);
});

it('removes what killed backups have left, and is kept from nothing where that cannot be done', async () => {
  const [old, other, young] = await Promise.all([
    copy('.mydb.1.part'),
    copy('.mydb.2.part'),
    copy('.mydb.3.part'),
  ]);
  for (const folder of [old, other]) await fs.utimes(folder, 0, 0);
  stuck = '.mydb.1';
  expect(await removeCutShort(to, 'mydb')).toEqual({
    removed: [other],
    notRemoved: [{ folder: old, reason: expect.stringContaining('EACCES') }],
  });
  expect([old, other, young].map((folder) => existsSync(folder))).toEqual([true, false, true]);
  expect(await removeCutShort(join(to, 'missing'), 'mydb')).toEqual({ removed: [], notRemoved: [] });
});
