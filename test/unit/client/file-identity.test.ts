import { mkdir, open, readdir, readFile, rename, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Storage } from '../../../src/client/acebase.js';
import { FileIdentity } from '../../../src/client/file-identity.js';
import { removeDirectory, temporaryDirectory } from '../../support/temporary-directory.js';
import { VirtualClock } from '../../support/virtual-clock.js';

let base: string;
let clock: VirtualClock;

beforeEach(async () => {
  base = await temporaryDirectory('identity');
  clock = new VirtualClock();
});

afterEach(() => removeDirectory(base));

/** A folder with a database file in it. */
async function database(name = 'a'): Promise<string> {
  const folder = join(base, name, 'mydb.acebase');
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'data.db'), 'AceBase');
  return folder;
}

/** What answers for the file in that folder; with a descriptor, it is open. */
function identityOf(folder: string, { file, isMaster = false }: { file?: number; isMaster?: boolean } = {}) {
  const storage = { fileName: join(folder, 'data.db'), file } as unknown as Storage;
  return new FileIdentity(storage, { clock, isOpen: () => file !== undefined, isMaster: () => isMaster });
}

async function written(identity: FileIdentity, id = 1) {
  const answer = await identity.answer({ id, ask: 'write' });
  expect(answer?.written).toBeDefined();
  return answer?.written ?? { name: '', nonce: '' };
}

/** Lets time pass for as long as that takes. */
async function inTime<T>(result: Promise<T>): Promise<T> {
  let isOver = false;
  void result.finally(() => {
    isOver = true;
  });
  while (!isOver) {
    await new Promise((resolve) => setImmediate(resolve));
    // What the file system takes is not counted.
    if (clock.pending > 0) clock.advance(50);
  }
  return result;
}

describe('what a client says of its folder', () => {
  it('is read by another one in the same folder, until it is removed', async () => {
    const folder = await database();
    const writer = identityOf(folder);
    const { name, nonce } = await written(writer);
    expect((await identityOf(`${folder}/../mydb.acebase`).answer({ id: 2, ask: 'read', name }))?.read).toBe(
      nonce,
    );
    expect(await readFile(join(folder, name), 'utf8')).toMatch(/acebase-ipc-server wrote this/);
    expect(await writer.answer({ id: 1, ask: 'remove' })).toBeUndefined();
    expect(await readdir(folder)).toEqual(['data.db']);
  });

  it('is another nonce under another name each time', async () => {
    const writer = identityOf(await database());
    const [one, two] = [await written(writer, 1), await written(writer, 2)];
    expect(new Set([one.name, two.name, one.nonce, two.nonce]).size).toBe(4);
    await writer.close();
  });

  it('is not found in another folder, though it is looked for for a while', async () => {
    const { name } = await written(identityOf(await database('a')));
    const since = clock.now();
    const answer = await inTime(identityOf(await database('b')).answer({ id: 2, ask: 'read', name }));
    expect(answer).toMatchObject({ read: null, folder: join(base, 'b', 'mydb.acebase'), isReplaced: false });
    expect(clock.now() - since).toBeGreaterThanOrEqual(2_000);
  });

  it('is found if it appears late', async () => {
    const folder = await database();
    const name = `ipc-check-data-${'0'.repeat(32)}`;
    const answer = identityOf(folder).answer({ id: 2, ask: 'read', name });
    clock.advance(1);
    await writeFile(join(folder, name), 'late\n');
    expect((await inTime(answer))?.read).toBe('late');
  });

  it('is waited for for longer by a worker that has no folder yet', async () => {
    const name = `ipc-check-data-${'0'.repeat(32)}`;
    const since = clock.now();
    const none = join(base, 'none', 'mydb.acebase');
    expect((await inTime(identityOf(none).answer({ id: 2, ask: 'read', name })))?.read).toBe(null);
    expect(clock.now() - since).toBeGreaterThanOrEqual(60_000);
    const then = clock.now();
    const master = identityOf(none, { isMaster: true });
    expect((await inTime(master.answer({ id: 2, ask: 'read', name })))?.read).toBe(null);
    expect(clock.now() - then).toBeLessThan(10_000);
  });

  it('has no file before there is one, and nothing is written then', async () => {
    const folder = join(base, 'none', 'mydb.acebase');
    expect(await identityOf(folder).answer({ id: 1, ask: 'write' })).toMatchObject({
      id: 1,
      folder,
      file: undefined,
    });
    await mkdir(folder, { recursive: true });
    expect(await identityOf(folder).answer({ id: 1, ask: 'write' })).toMatchObject({ written: undefined });
    expect(await readdir(folder)).toEqual([]);
  });

  it('has the numbers of the file as the system has them', async () => {
    const folder = await database();
    const { dev, ino } = await stat(join(folder, 'data.db'), { bigint: true });
    const answer = await identityOf(folder).answer({ id: 1, ask: 'tell' });
    expect(answer?.file).toMatchObject({ device: String(dev), inode: String(ino) });
    if (process.platform === 'linux') expect(answer?.file?.machine).toMatch(/^[0-9a-f-]{36}$/);
  });

  it.each(['file', 'folder'])(
    'says that the %s was replaced while it is open, and writes nothing',
    async (what) => {
      const folder = await database();
      const handle = await open(join(folder, 'data.db'));
      const { ino } = await handle.stat({ bigint: true });
      const before = what === 'file' ? join(folder, 'data.db') : folder;
      await rename(before, `${before}.old`);
      await database();
      const answer = await identityOf(folder, { file: handle.fd }).answer({ id: 1, ask: 'write' });
      expect(answer).toMatchObject({ isReplaced: true, written: undefined, file: { inode: String(ino) } });
      await handle.close();
    },
  );

  it('is written while the file is open and in its place', async () => {
    const folder = await database();
    const handle = await open(join(folder, 'data.db'));
    await written(identityOf(folder, { file: handle.fd }));
    await handle.close();
  });

  it('has the reason why it cannot be written', async () => {
    const folder = await database();
    const noFolder = identityOf(join(folder, 'data.db'));
    expect(
      await noFolder.answer({ id: 1, ask: 'read', name: `ipc-check-data-${'0'.repeat(32)}` }),
    ).toMatchObject({
      problem: 'ENOTDIR',
      read: undefined,
    });
  });

  it.each(['../secret', 'data.db', '/etc/passwd', `ipc-check-data-${'0'.repeat(31)}/`])(
    'is read from no other file: %s',
    async (name) => {
      const answer = await identityOf(await database()).answer({ id: 1, ask: 'read', name });
      expect(answer).toMatchObject({ problem: 'EINVAL', read: undefined });
    },
  );

  it('is removed, too, when a process was killed that had written it a while ago', async () => {
    const folder = await database();
    const [old, fresh, others] = ['1', '2', '3'].map((digit) => digit.repeat(32));
    await writeFile(join(folder, `ipc-check-data-${old}`), '');
    await writeFile(join(folder, `ipc-check-data-${fresh}`), '');
    await writeFile(join(folder, `ipc-check-transaction-${others}`), '');
    const now = clock.wallTime() / 1_000;
    await utimes(join(folder, `ipc-check-data-${old}`), now, now - 3_600);
    await utimes(join(folder, `ipc-check-data-${fresh}`), now, now);
    await utimes(join(folder, `ipc-check-transaction-${others}`), now, now - 3_600);
    const identity = identityOf(folder);
    await written(identity);
    await identity.close();
    expect((await readdir(folder)).sort()).toEqual([
      'data.db',
      `ipc-check-data-${fresh}`,
      `ipc-check-transaction-${others}`,
    ]);
  });
});
