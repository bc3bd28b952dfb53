import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { IPCLock } from '../../../../src/client/core/host.js';
import { OPEN_GATE } from '../../../../src/client/journal/journal.js';
import type { InnerStorage } from '../../../../src/client/journal/storage.js';
import { Transaction } from '../../../../src/client/journal/transaction.js';
import { TransactionLocks } from '../../../../src/client/journal/transaction-locks.js';

const LASTS = 120_000;

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] }));
afterEach(() => void vi.useRealTimers());

/** A worker, whose locks are granted when the test says so. */
function lab() {
  const asked: { tid: string; grant(): void }[] = [];
  const released: string[] = [];
  const lock = (path: string, tid: string, forWriting: boolean): Promise<IPCLock> =>
    new Promise((resolve) => {
      const release = async (): Promise<void> => void released.push(tid);
      const grant = (): void =>
        resolve({
          id: asked.length,
          tid,
          path,
          forWriting,
          state: 'locked',
          expires: Date.now() + LASTS,
          comment: '',
          release,
          moveToParent: async () => Promise.reject(new Error('not moved here')),
        });
      asked.push({ tid, grant });
    });
  const ipc = { isMaster: false, sendRequest: async () => undefined };
  const storage = { ipc, nodeLocker: { lock } } as unknown as InnerStorage;
  const dropped: (string | undefined)[] = [];
  const locks: TransactionLocks = new TransactionLocks({
    storage,
    surroundings: { isInForce: true, gate: OPEN_GATE, losses: 0 },
    drop(transaction) {
      dropped.push(transaction.tid);
      locks.settle(transaction);
    },
  });
  locks.hold();
  const begin = (tid: string) => {
    const transaction = new Transaction(() => undefined);
    const granted = locks.begin(transaction, () => storage.nodeLocker.lock('', tid, true, ''));
    granted.catch(() => undefined);
    return { transaction, granted };
  };
  return { storage, locks, asked, released, dropped, begin };
}

it('nothing is committed at the end of a lock: what is said of it would come when others have got theirs', async () => {
  const { asked, begin, locks } = lab();
  const { transaction, granted } = begin('t1');
  asked[0]?.grant();
  await granted;
  const gate = locks.gateOf(transaction);
  vi.advanceTimersByTime(LASTS * 0.875 - 1);
  expect(gate.isOpen).toBe(true);
  vi.advanceTimersByTime(1);
  expect(gate.isOpen).toBe(false);
  await expect(gate.wait()).rejects.toThrow('IPC_CLIENT_LOCK_EXPIRED');
});

it('a transaction whose lock has expired is granted none any more, also one that it waits for', async () => {
  const { storage, asked, released, dropped, begin, locks } = lab();
  const first = begin('t1');
  asked[0]?.grant();
  await first.granted;
  const nested = storage.nodeLocker.lock('child', 't1', true, '');
  const second = begin('t2');
  vi.advanceTimersByTime(LASTS);
  asked[2]?.grant();
  // It hangs, as far as others can see, as long as nothing comes.
  await vi.advanceTimersByTimeAsync(2_000);
  await second.granted;
  expect([dropped, locks.writer]).toEqual([['t1'], second.transaction]);
  expect(locks.isAnyHanging).toBe(true);
  asked[1]?.grant();
  await expect(nested).rejects.toThrow('IPC_CLIENT_LOCK_EXPIRED');
  await expect(storage.nodeLocker.lock('child', 't1', true, '')).rejects.toThrow('IPC_CLIENT_LOCK_EXPIRED');
  expect([released, asked.length]).toEqual([['t1'], 3]);
  locks.end(first.transaction);
  expect(locks.isAnyHanging).toBe(false);
});
