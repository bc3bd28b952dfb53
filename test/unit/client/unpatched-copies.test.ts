import fs from 'node:fs';
import { cp, mkdir, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';
import { install, uninstall } from '../../../src/client/install.js';
import type { ClientStatus } from '../../../src/client/status.js';
import { watchForUnpatchedCopies } from '../../../src/client/unpatched-copies.js';
import { removeDirectory, temporaryDirectory } from '../../support/temporary-directory.js';

const packages = fileURLToPath(new URL('../../../node_modules', import.meta.url));
const load = createRequire(import.meta.url);

async function directory(): Promise<string> {
  const path = await temporaryDirectory('unpatched');
  onTestFinished(() => removeDirectory(path));
  return path;
}

it('a database file that is opened to be written to, and that no storage with the client has, is told of once', async () => {
  const folder = join(await directory(), 'mydb.acebase');
  await mkdir(folder);
  const file = (name: string): string => join(folder, name);
  for (const name of ['data.db', 'transaction.db', 'a.idx']) await writeFile(file(name), '');
  const found: string[] = [];
  const { open } = fs;
  const end = watchForUnpatchedCopies(
    (path) => path === file('data.db'),
    (database) => found.push(database),
  );
  const opened = (path: string, flags: string): Promise<void> =>
    new Promise((resolve, reject) => {
      fs.open(path, flags, 0, (error, descriptor) => {
        if (error) reject(error);
        else fs.close(descriptor, () => resolve());
      });
    });
  await opened(file('data.db'), 'r+');
  await opened(file('a.idx'), 'r+');
  await opened(file('transaction.db'), 'r');
  expect(found).toEqual([]);
  await opened(file('transaction.db'), 'r+');
  await opened(file('transaction.db'), 'r+');
  end();
  expect(found).toEqual(['mydb_transaction']);
  expect(fs.open).toBe(open);
});

it('a copy that install() did not find has no journal for a database without a server, and the process says so', async () => {
  const path = await directory();
  const copies = join(path, 'node_modules');
  for (const part of [
    'acebase/dist/cjs',
    'acebase/package.json',
    'acebase-core/dist/cjs',
    'acebase-core/package.json',
  ])
    await cp(join(packages, part), join(copies, part), { recursive: true });
  for (const name of ['unidecode', 'ws']) await symlink(join(packages, name), join(copies, name));
  const statuses: ClientStatus[] = [];
  install({ onStatus: (status) => void statuses.push(status) });
  onTestFinished(uninstall);
  const open = async (from: string, name: string): Promise<void> => {
    const { AceBase } = load(join(from, 'acebase/dist/cjs')) as typeof import('acebase');
    const db = new AceBase(name, { logLevel: 'error', sponsor: true, storage: { path } });
    await db.ready();
    await db.close();
  };
  await open(packages, 'ours');
  await open(copies, 'theirs');
  expect(statuses).toMatchObject([{ kind: 'unpatched', database: 'theirs_data' }]);
});
