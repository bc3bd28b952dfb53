import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, linkSync, mkdirSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { usersOf } from '../../../src/platform/file-users.js';
import { removeDirectory, temporaryDirectory } from '../../support/temporary-directory.js';

let folder: string;
let path: string;

beforeEach(async () => {
  folder = await temporaryDirectory('users');
  path = join(folder, 'data.db');
  writeFileSync(path, 'x');
});
afterEach(() => removeDirectory(folder));

const isLinux = process.platform === 'linux';

it.runIf(isLinux)('finds this process, if it has the file open, and nobody otherwise', () => {
  expect(usersOf([path]).users).toEqual([]);
  const file = openSync(path, 'r');
  expect(usersOf([path, join(folder, 'missing.db')]).users).toMatchObject([{ pid: process.pid }]);
  closeSync(file);
});

it.runIf(isLinux)('finds another process that has it open by another path, and what it runs', async () => {
  mkdirSync(join(folder, 'mount'));
  linkSync(path, join(folder, 'mount/data.db'));
  const code = `require('fs').openSync(${JSON.stringify(join(folder, 'mount/data.db'))}); console.log('open'); setInterval(() => {}, 1000)`;
  const child = spawn(process.execPath, ['-e', code]);
  await once(child.stdout, 'data');
  expect(usersOf([path]).users).toEqual([{ pid: child.pid, command: expect.stringContaining('openSync') }]);
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect(usersOf([path]).users).toEqual([]);
});

it('says that it does not know where the system does not tell', () => {
  expect(usersOf([path], join(folder, 'no-proc'))).toEqual({ users: [], unseen: undefined });
});
