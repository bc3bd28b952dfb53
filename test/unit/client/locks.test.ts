import { describe, expect, it } from 'vitest';
import { lab, want } from '../../support/locks-lab.js';

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
    // Before code of the user goes on, which may take long.
    expect(types()).toEqual(['lock-request', 'unlock-request', 'flush']);
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
    const claim = { id: 7, tid: 't', path: 'a/b', write: true, comment: 'test' };
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

  it('that are lost are not waited for while their transactions are in code of the user, which may never end', async () => {
    const { locks, grant, lost } = lab();
    const first = locks.lock(want('t', true));
    grant(0, 7);
    const lock = await first;
    lost.entersUserCode('t');
    await locks.lose();
    lost.leavesUserCode('t');
    await expect(locks.lock(want('t', true))).rejects.toMatchObject({ code: 'IPC_CLIENT_LEASE_LOST' });
    await lock.release();
    // It has ended: nothing of it is remembered.
    void locks.lock(want('t', true));
    grant(1, 8);
  });

  it('that are lost are waited for no longer when their transactions enter code of the user', async () => {
    const { locks, grant, lost } = lab();
    for (const [index, tid] of ['t', 'u'].entries()) {
      void locks.lock(want(tid, false));
      grant(index, index + 1);
    }
    await new Promise(setImmediate);
    let isOver = false;
    const over = locks.lose().then(() => {
      isOver = true;
    });
    lost.entersUserCode('t');
    await new Promise(setImmediate);
    expect(isOver).toBe(false);
    lost.entersUserCode('u');
    await over;
  });

  it('that are lost are not waited for by what waits for a part of itself: that is refused, too', async () => {
    const { locks, grant, ipc, requests } = lab();
    const refused: string[] = [];
    const ask = ipc.request.bind(ipc);
    ipc.request = (request) => {
      const answer = ask(request);
      return new Promise((resolve, reject) => {
        requests.set(request.id ?? '', { request, reject });
        answer.then(resolve, reject);
      });
    };
    const scan = locks.lock(want('scan', false));
    grant(0, 1);
    const scanning = await scan;
    // Another one wants to write: the part asks for itself.
    const write = locks.lock(want('w', true));
    const part = locks.lock(want('part', false)).catch((error: Error) => refused.push(error.message));
    const over = locks.lose();
    await part;
    expect(refused).toMatchObject([expect.stringContaining('IPC_CLIENT_LEASE_LOST')]);
    await scanning.release();
    await over;
    grant(1, 2);
    expect(await write).toMatchObject({ id: 2 });
  });

  it('that are lost, though none is, end requests for space: another peer would ask for it again', async () => {
    const { locks, requests, forgotten } = lab();
    const failed: string[] = [];
    for (const [id, type] of [
      ['space', 'fst.allocate'],
      ['key', 'kit.add'],
    ] as const) {
      const reject = (): void => void failed.push(id);
      requests.set(id, { request: { type: 'request', id, from: 'worker', data: { type } }, reject });
    }
    await locks.lose();
    expect([failed, forgotten]).toEqual([['space'], ['space']]);
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

describe('transactions of a worker that read', () => {
  /** The names under which the master is asked, and whether for writing. */
  const asks = ({ asked }: ReturnType<typeof lab>) =>
    asked
      .filter(({ type }) => type === 'lock-request')
      .map(({ data }) => data as { tid: string; write: boolean });
  const turnOfTheLoop = () => new Promise(setImmediate);
  /** One that reads, as the transaction t. */
  async function reader() {
    const it = lab();
    const first = it.locks.lock(want('t', false));
    it.grant(0, 1);
    return { ...it, first: await first };
  }
  /** One that has read, and has just read once more, under lock 2. What was asked before that is left out. */
  async function oneAfterTheOther() {
    const it = await reader();
    await it.first.release();
    const left = it.types().length;
    const asked = it.open.length;
    const second = it.locks.lock(want('u', false));
    it.grant(asked, 2);
    await (await second).release();
    return {
      ...it,
      types: () => it.types().slice(left),
      grant: (index: number, id: number) => it.grant(asked + index, id),
    };
  }

  it('at one time do so under one lock, which goes back before code of the user goes on', async () => {
    const { locks, first, types } = await reader();
    const second = await locks.lock(want('u', false, 'c'));
    expect(second).toMatchObject({ id: 1, tid: 'u', path: 'c', forWriting: false, state: 'locked' });
    await first.release();
    expect(types()).toEqual(['lock-request']);
    await second.release();
    expect(types()).toEqual(['lock-request', 'unlock-request', 'flush']);
  });

  it('one right after the other do so under one lock, from the second one on, and it goes back at the end of the turn', async () => {
    const { locks, types } = await oneAfterTheOther();
    const third = await locks.lock(want('v', false));
    expect(third.id).toBe(2);
    await third.release();
    expect([types(), locks.claims().length]).toEqual([['lock-request'], 1]);
    await turnOfTheLoop();
    expect(types()).toEqual(['lock-request', 'unlock-request']);
  });

  it('after a pause give it back at once', async () => {
    const { locks, clock, types, grant } = await oneAfterTheOther();
    await turnOfTheLoop();
    clock.advance(1);
    const third = locks.lock(want('v', false));
    grant(1, 3);
    await (await third).release();
    expect(types().slice(2)).toEqual(['lock-request', 'unlock-request', 'flush']);
  });

  it('wait for the one that is asked for, and are refused with it', async () => {
    const { locks, open, grant, types, ipc } = lab();
    const all = ['t', 'u', 'u', 'u', 'v'].map((tid) => locks.lock(want(tid, false)));
    expect(types()).toEqual(['lock-request']);
    open[0]?.reject(new Error('denied'));
    for (const one of all) await expect(one).rejects.toThrow('denied');
    expect([types(), ipc._locks]).toEqual([['lock-request'], []]);
    const again = ['t', 'u'].map((tid) => locks.lock(want(tid, false)));
    grant(1, 2);
    expect(await Promise.all(again)).toMatchObject([{ id: 2 }, { id: 2 }]);
  });

  it('several times in one transaction wait for one lock, if they cannot use that of another one', async () => {
    const it = lab();
    it.makeReady(() => it.clock.advance(5));
    const all = ['t', 'u', 'u', 'u'].map((tid) => it.locks.lock(want(tid, false)));
    it.grant(0, 1);
    await turnOfTheLoop();
    it.makeReady(() => undefined);
    it.grant(1, 2);
    expect(await Promise.all(all)).toMatchObject([{ id: 1 }, { id: 2 }, { id: 2 }, { id: 2 }]);
    expect(asks(it)).toHaveLength(2);
  });

  it('behind one that writes read under a lock of their own, all under one; those before it do not wait for them', async () => {
    const it = lab();
    const before = ['t', 'u'].map((tid) => it.locks.lock(want(tid, false)));
    void it.locks.lock(want('w', true));
    const behind = ['x', 'y', 'z'].map((tid) => it.locks.lock(want(tid, false)));
    expect(asks(it)).toHaveLength(3);
    it.grant(0, 1);
    expect(await Promise.all(before)).toMatchObject([{ id: 1 }, { id: 1 }]);
    await turnOfTheLoop();
    for (const lock of before) await (await lock).release();
    it.grant(2, 3);
    expect(await Promise.all(behind)).toMatchObject([{ id: 3 }, { id: 3 }, { id: 3 }]);
    await turnOfTheLoop();
    // Nobody joins them while the writer waits.
    void it.locks.lock(want('v', false));
    expect(asks(it)).toHaveLength(4);
  });

  it('several times in one transaction, when each lock is near its end, get one each', async () => {
    const it = lab();
    const all = [1, 2, 3].map(() => it.locks.lock(want('t', false)));
    for (const [index] of all.entries()) {
      it.grant(index, index, 1_000);
      await turnOfTheLoop();
    }
    expect(await Promise.all(all)).toMatchObject([{ id: 0 }, { id: 1 }, { id: 2 }]);
  });

  it('of a process that has begun to close meanwhile are refused', async () => {
    const { locks, open, ipc } = lab();
    const all = ['t', 't'].map((tid) => locks.lock(want(tid, false)));
    Object.assign(ipc, { _exiting: true });
    open[0]?.reject(new Error('gave up'));
    await expect(all[0]).rejects.toThrow('gave up');
    await expect(all[1]).rejects.toThrow('Exiting');
    expect(ipc._locks).toEqual([]);
  });

  it('get nothing by a lock that was lost before they could use it', async () => {
    const it = lab();
    let goOn = (): void => undefined;
    it.makeReady(() => new Promise<void>((resolve) => (goOn = resolve)));
    const first = it.locks.lock(want('t', true));
    it.grant(0, 1);
    await turnOfTheLoop();
    const over = it.locks.lose();
    goOn();
    await expect(first).rejects.toThrow('was lost');
    await over;
    expect(it.types()).toEqual(['lock-request']);
  });

  it('ask themselves after 5 ms, and near the end of the lock', async () => {
    const late = await reader();
    late.clock.advance(5);
    void late.locks.lock(want('u', false));
    expect(late.types()).toEqual(['lock-request', 'lock-request']);
    await late.first.release();
    expect(late.types()).toEqual(['lock-request', 'lock-request', 'unlock-request', 'flush']);

    const short = lab();
    const first = short.locks.lock(want('t', false));
    short.grant(0, 1, 50_000);
    await first;
    void short.locks.lock(want('u', false));
    expect(short.types()).toEqual(['lock-request', 'lock-request']);
  });

  it('ask themselves while a writer waits here, and give back at once what nobody uses', async () => {
    const { locks, types } = await oneAfterTheOther();
    void locks.lock(want('w', true));
    expect(types()).toEqual(['lock-request', 'unlock-request', 'lock-request']);
    void locks.lock(want('u', false));
    expect(types().slice(3)).toEqual(['lock-request']);
  });

  it('may write next: the master knows the lock that others read under by a number of its own', async () => {
    const it = await reader();
    const others = await it.locks.lock(want('u', false));
    await it.first.release();
    void it.locks.lock(want('t', true));
    const [common, mine] = asks(it);
    expect(mine).toMatchObject({ tid: 't', write: true });
    expect(common?.tid).not.toBe('t');
    await others.release();
  });

  it('and write meanwhile have to wait for the others, and are then granted it beside their own', async () => {
    const it = await reader();
    const others = await it.locks.lock(want('u', false));
    const write = it.locks.lock(want('t', true));
    await turnOfTheLoop();
    expect(asks(it)).toHaveLength(1);
    // Nobody else joins them now.
    void it.locks.lock(want('v', false));
    expect(asks(it)).toHaveLength(2);
    await others.release();
    await turnOfTheLoop();
    const [common, , upgrade] = asks(it);
    expect(upgrade).toMatchObject({ tid: common?.tid, write: true });
    it.grant(2, 3);
    expect(await write).toMatchObject({ id: 3, tid: 't', forWriting: true });
    expect(await it.locks.lock(want('t', true))).toMatchObject({ id: 3 });
  });

  it('and write meanwhile are joined by nobody', async () => {
    const it = await reader();
    const write = it.locks.lock(want('t', true));
    it.grant(1, 2);
    await write;
    void it.locks.lock(want('u', false));
    expect(asks(it).map(({ write }) => write)).toEqual([false, true, false]);
  });

  it('and write have to wait for all who read under that name, on an older lock too', async () => {
    const it = await reader();
    const others = await it.locks.lock(want('u', false));
    it.clock.advance(61_000);
    const second = it.locks.lock(want('t', false));
    it.grant(1, 2);
    await second;
    void it.locks.lock(want('t', true));
    await turnOfTheLoop();
    expect(asks(it)).toHaveLength(2);
    await others.release();
    await turnOfTheLoop();
    const [common, , upgrade] = asks(it);
    expect(upgrade).toMatchObject({ tid: common?.tid, write: true });
  });

  it('and want to write while they wait for a lock, ask for that behind it', async () => {
    const it = lab();
    const [read, write] = [it.locks.lock(want('t', false)), it.locks.lock(want('t', true))];
    await turnOfTheLoop();
    expect(asks(it)).toHaveLength(1);
    it.grant(0, 1);
    await read;
    await turnOfTheLoop();
    const [first, second] = asks(it);
    expect(second).toMatchObject({ tid: first?.tid, write: true });
    it.grant(1, 2);
    expect(await write).toMatchObject({ id: 2 });
  });

  it('and wait for one another to write, end when the lock runs out', async () => {
    const { locks, first, clock } = await reader();
    const second = await locks.lock(want('u', false));
    const writes = ['t', 'u'].map((tid) => locks.lock(want(tid, true)));
    const failures = Promise.allSettled(writes);
    await turnOfTheLoop();
    clock.advance(120_000);
    expect(await failures).toMatchObject([
      { status: 'rejected', reason: { message: 'lock on tid t has expired, not allowed to continue' } },
      { status: 'rejected', reason: { message: 'lock on tid u has expired, not allowed to continue' } },
    ]);
    await first.release();
    await second.release();
    expect(clock.pending).toBe(0);
  });

  it('all lose the lock with the place', async () => {
    const { locks, first, types } = await reader();
    const second = await locks.lock(want('u', false));
    const over = locks.lose();
    expect([first.expires, second.expires]).toEqual([0, 0]);
    for (const tid of ['t', 'u']) await expect(locks.lock(want(tid, false))).rejects.toThrow('was lost');
    void locks.lock(want('v', false));
    expect(types()).toEqual(['lock-request', 'lock-request']);
    await first.release();
    let isOver = false;
    void over.then(() => {
      isOver = true;
    });
    await turnOfTheLoop();
    expect(isOver).toBe(false);
    await second.release();
    await over;
    expect(types()).toEqual(['lock-request', 'lock-request']);
  });

  it('give the lock back at once in a process that closes', async () => {
    const { ipc, first, types, events } = await reader();
    Object.assign(ipc, { _exiting: true });
    await first.release();
    expect(types()).toEqual(['lock-request', 'unlock-request', 'flush']);
    expect(events).toEqual(['locks-cleared']);
  });
});
