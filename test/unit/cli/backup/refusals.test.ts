import { describe, expect, it, vi } from 'vitest';
import {
  type ClusterAccess,
  type LoadAceBase,
  whileNobodyWrites,
} from '../../../../src/cli/backup/member.js';
import type { InstallOptions } from '../../../../src/client/install-options.js';
import { systemClock } from '../../../../src/platform/clock.js';

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
