import fs from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import type { RemoteIPCPeer, Storage } from '../../../src/client/acebase.js';
import { revoke, StorageFile, tolerateLostKeys } from '../../../src/client/acebase-host.js';
import type { IPCLock } from '../../../src/client/core/host.js';
import { IPCError } from '../../../src/errors.js';
import { removeDirectory, temporaryDirectory } from '../../support/temporary-directory.js';

describe('a key that cannot be written', () => {
  const storage = (isMaster: boolean) => {
    const KIT = {
      text: 'the table cannot be written',
      // As acebase 1.18 has it: it looks at itself.
      async write() {
        throw new Error(this.text);
      },
    };
    return { KIT, ipc: { isMaster } } as unknown as Storage;
  };

  it('ends no master that has lost its place, and reads its table again', async () => {
    const it = storage(true);
    const folder = { isLost: false };
    tolerateLostKeys(it, [{ isLost: false }, folder]);
    await expect(it.KIT?.write?.()).rejects.toThrow('the table cannot be written');
    folder.isLost = true;
    await it.KIT?.write?.();
  });

  it('for want of a lease that is not lost is written again: it is in use', async () => {
    let refusals = 2;
    const written: string[] = [];
    const KIT = {
      async write() {
        if (refusals-- > 0) throw new IPCError('IPC_CLIENT_LEASE_LOST', 'no server is there');
        written.push('table');
      },
    };
    tolerateLostKeys({ KIT, ipc: { isMaster: true } } as unknown as Storage, [{ isLost: false }]);
    await KIT.write();
    expect([refusals, written]).toEqual([-1, ['table']]);
  });
});

it('a key that is announced while the table is read is known, as are those from before', async () => {
  const storage = {
    KIT: {
      keys: ['a', 'b'] as string[],
      async load() {
        await Promise.resolve();
        this.keys = ['a'];
      },
    },
  };
  const file = new StorageFile(
    { storage } as unknown as RemoteIPCPeer,
    () => undefined,
    undefined,
    undefined,
  );
  const reading = file.readKeys();
  storage.KIT.keys[2] = 'c';
  await reading;
  expect(storage.KIT.keys).toEqual(['a', 'b', 'c']);
});

describe("a lock of AceBase's own that is revoked", () => {
  it('counts as expired if it was granted, and is refused if it is waited for', () => {
    const locks = [
      { id: 1, tid: 'a', state: 'locked' },
      { id: 2, tid: 'b', state: 'pending' },
      { id: 3, tid: 'c', state: 'pending' },
    ];
    const done: string[] = [];
    const ipc = {
      _nodeLocker: {
        list: () => locks,
        _rejectLock: ({ tid }: { tid: string }) => done.push(`refused ${tid}`),
        _processLockQueue: () => done.push('queue'),
      },
    } as unknown as RemoteIPCPeer;
    const info = (tid: string, lock: IPCLock | null) => ({
      tid,
      granted: lock !== null,
      request: { path: '', tid, write: true },
      lock,
    });
    revoke(ipc, info('a', { id: 1 } as IPCLock));
    revoke(ipc, info('b', null));
    expect([locks[0]?.state, done]).toEqual(['expired', ['queue', 'refused b', 'queue']]);
  });
});

describe('a master that comes back', () => {
  it('does not go on with a file that has lost its name to another one', async () => {
    const folder = await temporaryDirectory('reopened');
    try {
      const fileName = join(folder, 'data.db');
      await writeFile(fileName, 'the one');
      const file = await promisify(fs.open)(fileName, 'r+');
      const loaded: string[] = [];
      const storage = {
        file,
        fileName,
        KIT: { keys: [], load: async () => loaded.push('keys') },
        FST: { load: async () => loaded.push('free space') },
        indexes: { list: () => [], load: async () => loaded.push('indexes') },
      };
      const it = new StorageFile(
        { storage } as unknown as RemoteIPCPeer,
        () => undefined,
        {
          prepare: () => void loaded.push('what a crash has left'),
          opened: () => void loaded.push('opened'),
        },
        { take: async () => void loaded.push('the folder') },
      );
      await it.reopen();
      expect(loaded).toEqual([
        'the folder',
        'what a crash has left',
        'keys',
        'free space',
        'indexes',
        'opened',
      ]);
      await writeFile(`${fileName}.new`, 'another one');
      await rename(`${fileName}.new`, fileName);
      await expect(it.reopen()).rejects.toThrow('another file has its name by now');
      await promisify(fs.close)(file);
    } finally {
      await removeDirectory(folder);
    }
  });
});
