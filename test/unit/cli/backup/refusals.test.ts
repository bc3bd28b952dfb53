import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { backUp } from '../../../../src/cli/backup/backup.js';
import {
  type ClusterAccess,
  type LoadAceBase,
  whileNobodyWrites,
} from '../../../../src/cli/backup/member.js';
import type { InstallOptions } from '../../../../src/client/install-options.js';
import { systemClock } from '../../../../src/platform/clock.js';
import { removeDirectory, temporaryDirectory } from '../../../support/temporary-directory.js';

/** An AceBase with these parts. */
function aceBaseOf(
  storage: object,
  ready: (onStatus: InstallOptions['onStatus']) => Promise<void>,
): LoadAceBase {
  const load = (_package: unknown, { onStatus }: InstallOptions) => ({
    AceBase: class {
      readonly api = { storage };
      ready = () => ready(onStatus);
      close = async () => undefined;
    },
  });
  return load as unknown as LoadAceBase;
}

class RemotePeer {}
class LocalPeer {}

const locker = { lock: async () => ({ release: async () => undefined }) };

function access(logsTransactions: boolean): ClusterAccess {
  return {
    database: 'mydb',
    path: '/srv/mydb',
    url: 'http://localhost:1',
    token: undefined,
    acebase: { folder: '/srv/acebase', entry: '/srv/acebase/index.js', version: '1.18.0' },
    logsTransactions,
    wait: 1_000,
    since: systemClock.now(),
    lockTimeout: 1_000,
  };
}

describe('a backup', () => {
  it('to a folder that cannot be made asks nobody anything', async () => {
    const path = await temporaryDirectory('no-place-for-copies');
    try {
      await mkdir(join(path, 'mydb.acebase'));
      await writeFile(join(path, 'mydb.acebase', 'data.db'), '');
      const to = join(path, 'mydb.acebase', 'data.db', 'copies');
      const elsewhere = join(path, 'file', 'copies');
      await writeFile(join(path, 'file'), '');
      const ask = vi.fn(() => Promise.reject(new Error('asked')));
      const words = { database: 'mydb', path, keep: undefined, wait: 0, url: undefined, json: false };
      const surroundings = { folder: path, url: 'http://localhost:1', token: undefined, lockTimeout: 1_000 };
      const now = (): string => '2001-02-03T04:05:06.000Z';
      for (const [folder, message] of [
        [to, `${to} is in the folder that is to be copied`],
        [elsewhere, `ENOTDIR: not a directory, mkdir '${elsewhere}'`],
      ] as const)
        await expect(backUp({ ...words, to: folder }, { ...surroundings, ask, now })).rejects.toMatchObject({
          code: 'IPC_BACKUP_FOLDER',
          message,
        });
      expect(ask).not.toHaveBeenCalled();
    } finally {
      await removeDirectory(path);
    }
  });

  it('copies nothing with an acebase whose transaction log no lock of the cluster covers', async () => {
    const act = vi.fn(async () => undefined);
    const txStorage = { ipc: new LocalPeer(), nodeLocker: locker };
    const load = aceBaseOf({ ipc: new RemotePeer(), nodeLocker: locker, txStorage }, async () => undefined);
    await expect(whileNobodyWrites(access(true), act, load)).rejects.toMatchObject({
      code: 'IPC_BACKUP_OLD_ACEBASE',
      message: 'acebase 1.18.0 in /srv/acebase cannot lock the transaction log of a cluster',
    });
    expect(act).not.toHaveBeenCalled();
  });

  it('that the server refuses says why by its code, and what to do once', async () => {
    const load = aceBaseOf({ ipc: new RemotePeer(), nodeLocker: locker }, async (onStatus) => {
      const remedy =
        'Give all processes of a database the same folder. Give another database another name, or an IPC server of its own.';
      const reason = `IPC_CLOSED_OTHER_FILE: The file is another one. ${remedy}`;
      onStatus?.({ kind: 'gave-up', database: 'mydb_data', reason, code: 'IPC_CLOSED_OTHER_FILE' });
      await new Promise(() => undefined);
    });
    await expect(whileNobodyWrites(access(false), async () => undefined, load)).rejects.toMatchObject({
      code: 'IPC_CLOSED_OTHER_FILE',
      message: 'mydb: The file is another one.',
      remedy: expect.stringContaining('the same folder'),
    });
  });
});
