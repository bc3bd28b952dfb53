import { expect, it } from 'vitest';
import type { IPCLock, IPCPeer, LockDetails, LockInfo } from '../../../src/client/core/host.js';
import { lockOfMaster } from '../../../src/client/core/master-locks.js';

const details: LockDetails = { path: 'a', tid: 'one', write: true };

/** A master that keeps its list of locks as AceBase does. */
function lab({ refuses = false, unreadable = false } = {}) {
  const locks: LockInfo[] = [];
  const events: string[] = [];
  const ipc = { _locks: locks, emit: (event: string) => events.push(event) } as unknown as IPCPeer;
  const masterLock = async (request: LockDetails) => {
    const info: LockInfo = { tid: request.tid, granted: false, request, lock: null };
    locks.push(info);
    if (refuses) throw new Error('lock on tid one has expired, not allowed to continue');
    info.granted = true;
    info.lock = {
      ...details,
      release: async () => void locks.splice(locks.indexOf(info), 1),
    } as unknown as IPCLock;
    return info.lock;
  };
  const granted = async () => {
    if (unreadable) throw new Error('EIO: i/o error, read');
  };
  return { locks, events, lock: () => lockOfMaster({ ipc, masterLock, granted }, details) };
}

it('is what AceBase grants', async () => {
  const { lock, locks } = lab();
  expect(await lock()).toBe(locks[0]?.lock);
});

it('goes back if the file cannot be read again', async () => {
  const { lock, locks } = lab({ unreadable: true });
  await expect(lock()).rejects.toThrow('EIO');
  expect(locks).toEqual([]);
});

it('leaves no entry that would keep the database from closing if AceBase does not grant it', async () => {
  const { lock, locks, events } = lab({ refuses: true });
  await expect(lock()).rejects.toThrow('has expired');
  expect([locks, events]).toEqual([[], ['locks-cleared']]);
});
