import { existsSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { makeFolder } from '../../../src/platform/new-folder.js';
import { removeDirectory, temporaryDirectory } from '../../support/temporary-directory.js';

it('makes a folder with all above it, and leaves one that is there', async () => {
  const folder = await temporaryDirectory('new-folder');
  onTestFinished(() => removeDirectory(folder));
  makeFolder(join(folder, 'a/b/c'));
  makeFolder(join(folder, 'a/b/c'));
  makeFolder('/');
  expect(statSync(join(folder, 'a/b/c')).isDirectory()).toBe(true);
  writeFileSync(join(folder, 'file'), '');
  expect(() => makeFolder(join(folder, 'file'))).toThrow(/EEXIST/);
  expect(() => makeFolder(join(folder, 'file/below'))).toThrow(/ENOTDIR/);
});

// With the mkdir of Node.js, this test does not end.
it.runIf(existsSync('/proc/self'))('says where no folder can be made', () => {
  expect(() => makeFolder('/proc/nope')).toThrow('cannot create /proc/nope: /proc takes no new folders');
  expect(() => makeFolder('/proc/nope/below')).toThrow(
    'cannot create /proc/nope: /proc takes no new folders',
  );
});
