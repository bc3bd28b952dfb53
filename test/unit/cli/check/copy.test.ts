import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { copyFolder } from '../../../../src/cli/check/copy.js';
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
