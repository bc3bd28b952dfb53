import type { IPCPeer, Message } from '../../src/client/core/host.js';
import { WorkerLocks } from '../../src/client/core/locks.js';
import { LostTransactions } from '../../src/client/core/lost-transactions.js';
import { VirtualClock } from './virtual-clock.js';

/**
 * A worker whose master answers when it is told to.
 *
 * @param areShared whether locks are granted without asking the master
 * @param slice milliseconds for which a lock for writing serves several transactions
 */
export function lab(areShared = true, slice?: number) {
  const clock = new VirtualClock();
  const asked: Message[] = [];
  const open: { resolve: (lock: unknown) => void; reject: (error: Error) => void }[] = [];
  const events: string[] = [];
  const requests = new Map<string, { request: Message; reject: (error: Error) => void }>();
  const forgotten: string[] = [];
  const ipc = {
    id: 'worker',
    masterPeerId: '[master]',
    _exiting: false,
    _locks: [],
    _requests: requests,
    emit: (event: string) => events.push(event),
    request: (message: Message) => {
      asked.push(message);
      if (message.type === 'unlock-request') return Promise.resolve();
      return new Promise((resolve, reject) => open.push({ resolve, reject }));
    },
  } as unknown as IPCPeer;
  let ids = 0;
  let makeReady: () => unknown = () => undefined;
  const lost = new LostTransactions();
  const ended: unknown[] = [];
  const locks = new WorkerLocks({
    ipc,
    file: { lockTimeout: 120_000 },
    log: { warn: () => undefined },
    clock,
    createId: () => `id${++ids}`,
    exitingError: (text) => new Error(`Exiting: ${text}`),
    granted: async () => void (await makeReady()),
    forget: (id) => forgotten.push(id),
    lost,
    ends: (tid) => ended.push(tid),
    areShared,
    slice: () => slice,
    flush: () => void asked.push({ type: 'flush', from: 'worker' }),
  });
  const grant = (index: number, id: number, expiresIn = 120_000) => {
    const data = asked.filter(({ type }) => type === 'lock-request')[index]?.data as object;
    open[index]?.resolve({ ...data, id, expires: clock.wallTime() + expiresIn });
  };
  return {
    clock,
    makeReady: (act: () => unknown) => {
      makeReady = act;
    },
    locks,
    lost,
    ended,
    asked,
    grant,
    open,
    ipc,
    events,
    requests,
    forgotten,
    types: () => asked.map(({ type }) => type),
  };
}

/** What a transaction asks for. */
export const want = (tid: string, write: boolean, path = 'a/b') => ({ path, tid, write, comment: 'test' });
