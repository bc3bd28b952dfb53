import fs, { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join, relative } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { copyFolder, syncCopy } from '../../../../src/cli/check/copy.js';
import { removeDirectory, temporaryDirectory } from '../../../support/temporary-directory.js';

it('a copy of a folder leaves out what is made there while it is copied, too', async () => {
  const path = await temporaryDirectory('copy');
  onTestFinished(() => removeDirectory(path));
  const folder = join(path, 'mydb.acebase');
  mkdirSync(folder);
  for (const name of ['data.db', 'check-1']) writeFileSync(join(folder, name), name);
  const isLeftOut = (name: string): boolean => {
    // After the names were listed.
    writeFileSync(join(folder, 'check-2'), '');
    return name.startsWith('check-');
  };
  const copied = await copyFolder(folder, join(path, 'copy'), { isLeftOut, noRoom: 'IPC_BACKUP_NO_ROOM' });
  expect(copied).toEqual({ files: 1, bytes: 7 });
  expect(readdirSync(join(path, 'copy'))).toEqual(['data.db']);
});

it('all of a copy is synced, what is in folders of it as well', async () => {
  const path = await temporaryDirectory('copy');
  onTestFinished(() => removeDirectory(path));
  const copy = join(path, 'copy');
  mkdirSync(join(copy, 'auth.acebase'), { recursive: true });
  for (const name of ['data.db', 'auth.acebase/data.db']) writeFileSync(join(copy, name), name);
  const { openSync, fsyncSync } = fs;
  const opened = new Map<number, string>();
  const synced: (string | undefined)[] = [];
  Object.assign(fs, {
    openSync: (...details: Parameters<typeof openSync>) => {
      const file = openSync(...details);
      opened.set(file, relative(path, String(details[0])));
      return file;
    },
    fsyncSync: (file: number) => {
      synced.push(opened.get(file));
      fsyncSync(file);
    },
  });
  syncBuiltinESMExports();
  try {
    await syncCopy(copy);
  } finally {
    Object.assign(fs, { openSync, fsyncSync });
    syncBuiltinESMExports();
  }
  expect(synced.sort()).toEqual([
    '',
    'copy',
    'copy/auth.acebase',
    'copy/auth.acebase/data.db',
    'copy/data.db',
  ]);
});
