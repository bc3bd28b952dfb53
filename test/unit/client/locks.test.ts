import { describe, expect, it } from 'vitest';
import type { Message, RemoteIPCPeer } from '../../../src/client/acebase.js';
import { WorkerLocks } from '../../../src/client/locks.js';
import { VirtualClock } from '../../support/virtual-clock.js';

/** A worker whose master answers when it is told to. */
function lab(areShared = true) {
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
    storage: { settings: { lockTimeout: 120 }, logger: { warn: () => undefined } },
    emit: (event: string) => events.push(event),
    request: (message: Message) => {
      asked.push(message);
      if (message.type === 'unlock-request') return Promise.resolve();
      return new Promise((resolve, reject) => open.push({ resolve, reject }));
    },
  } as unknown as RemoteIPCPeer;
  let ids = 0;
  const locks = new WorkerLocks({
    ipc,
    clock,
    createId: () => `id${++ids}`,
    exitingError: (text) => new Error(`Exiting: ${text}`),
    granted: async () => undefined,
    forget: (id) => forgotten.push(id),
    areShared,
  });
  const grant = (index: number, id: number, expiresIn = 120_000) => {
    const data = asked.filter(({ type }) => type === 'lock-request')[index]?.data as object;
    open[index]?.resolve({ ...data, id, expires: clock.wallTime() + expiresIn, epoch: 'master-1' });
  };
  return {
    locks,
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

const want = (tid: string, write: boolean, path = 'a/b') => ({ path, tid, write, comment: 'test' });

describe('the locks of a worker', () => {
  it('are granted here while the transaction holds one for writing, and go back with the last', async () => {
    const { locks, grant, types, ipc, events } = lab();
    const first = locks.lock(want('t', true));
    grant(0, 7);
    const held = [await first, await locks.lock(want('t', false)), await locks.lock(want('t', true, 'c'))];
    expect(types()).toEqual(['lock-request']);
    expect(ipc._locks).toHaveLength(3);
    for (const lock of held.slice(0, 2)) await lock.release();
    expect(types()).toEqual(['lock-request']);
    await held[2]?.release();
    expect(types()).toEqual(['lock-request', 'unlock-request']);
    expect(events).toEqual(['locks-cleared']);
  });

  it('for writing are asked for though one for reading is held, and those of others always', async () => {
    const { locks, grant, types } = lab();
    const read = locks.lock(want('t', false));
    grant(0, 1);
    await read;
    await locks.lock(want('t', false));
    void locks.lock(want('t', true));
    void locks.lock(want('u', false));
    expect(types()).toEqual(['lock-request', 'lock-request', 'lock-request']);
  });

  it('wait for one that is under way, and ask themselves if that is refused', async () => {
    const { locks, open, grant, types } = lab();
    const [first, second] = [locks.lock(want('t', true)), locks.lock(want('t', false))];
    expect(types()).toEqual(['lock-request']);
    open[0]?.reject(new Error('denied'));
    await expect(first).rejects.toThrow('denied');
    await Promise.resolve();
    expect(types()).toEqual(['lock-request', 'lock-request']);
    grant(1, 2);
    expect(await second).toMatchObject({ id: 2, forWriting: false, state: 'locked' });
  });

  it('near their end are not extended by others', async () => {
    const { locks, grant, types } = lab();
    const first = locks.lock(want('t', true));
    grant(0, 1, 50_000);
    await first;
    void locks.lock(want('t', true));
    expect(types()).toEqual(['lock-request', 'lock-request']);
  });

  it('move to the parent without a question', async () => {
    const { locks, grant, types } = lab();
    const first = locks.lock(want('t', true, 'a/b[3]'));
    grant(0, 1);
    const moved = await (await (await first).moveToParent()).moveToParent();
    expect(moved.path).toBe('a');
    expect(types()).toEqual(['lock-request']);
  });

  it('are each asked for if that is switched off', async () => {
    const { locks, grant, types } = lab(false);
    const first = locks.lock(want('t', true));
    grant(0, 1);
    await first;
    void locks.lock(want('t', true));
    expect(types()).toEqual(['lock-request', 'lock-request']);
  });

  it('are told to a new server, with those that are going back', async () => {
    const { locks, grant } = lab();
    const first = locks.lock(want('t', true));
    grant(0, 7);
    await first;
    const claim = { id: 7, tid: 't', path: 'a/b', write: true, comment: 'test', epoch: 'master-1' };
    expect(locks.claims()).toEqual([claim]);
    void (await first).release();
    expect(locks.claims()).toEqual([claim]);
  });

  it('are worth nothing when their place is lost: the transaction ends, and is not granted more', async () => {
    const { locks, grant, types } = lab();
    const first = locks.lock(want('t', true));
    grant(0, 7);
    const lock = await first;
    const over = locks.lose();
    expect(lock.expires).toBe(0);
    await expect(locks.lock(want('t', false))).rejects.toThrow('was lost with the connection');
    await lock.release();
    await over;
    expect(types()).toEqual(['lock-request']);
  });

  it('that are lost end what was asked under them, and nothing else: nobody would ever answer it', async () => {
    const { locks, grant, requests, forgotten } = lab();
    const asked = locks.lock(want('t', true));
    grant(0, 1);
    const lock = await asked;
    const failed: string[] = [];
    const request = (id: string, type: string, data: object): void => {
      const reject = (): void => void failed.push(id);
      requests.set(id, { request: { type, id, from: 'worker', data }, reject });
    };
    request('space', 'request', { type: 'fst.allocate' });
    request('more', 'lock-request', want('t', false));
    request('other', 'lock-request', want('u', true));
    request('key', 'request', { type: 'kit.add', key: 'name' });
    const over = locks.lose();
    expect([failed, forgotten]).toEqual([
      ['space', 'more'],
      ['space', 'more'],
    ]);
    await lock.release();
    await over;
  });
});
