import { describe, expect, it } from 'vitest';
import {
  DEAD_ROOT_MS,
  ROOT_LINGER_IF_TOLD_MS,
  ROOT_LINGER_MS,
  ROOT_TURN_MS,
} from '../../../src/broker/limits.js';
import { BrokerLab, type ScriptedPeer } from '../../support/broker-lab.js';
import { grantedTo, lockCluster, refusedTo } from '../../support/lock-cluster.js';

/** Milliseconds: the server gives the root lock back a second before it expires, and locks of workers last no longer. */
const ROOT_LASTS = 119_000;
/** What a master was asked for, and what it was given back, in order. */
const rootOf = (master: ScriptedPeer) =>
  master.received
    .filter((text) => /^\{"type":"(un)?lock-request"/.test(text))
    .map((text) => {
      const { type, data } = JSON.parse(text) as { type: string; data: { id?: number; write?: boolean } };
      return type === 'unlock-request' ? `back ${data.id}` : data.write === true ? 'write' : 'read';
    });

/** A cluster whose master grants the root lock only when it is told to. */
const slowCluster = (limits = {}) => {
  const scene = lockCluster(limits);
  scene.master.onMessage = () => undefined;
  let last = 100;
  const answer = (ok = true, lasts = 120_000) => {
    const request = scene.master.messages('lock-request').at(-1) as { id: string; data: object };
    const data = { ...request.data, id: ++last, expires: scene.lab.clock.wallTime() + lasts };
    const result = ok ? { ok, data } : { ok, reason: 'it exits' };
    scene.master.tells({ type: 'lock-result', id: request.id, ...result }, '[server]');
    return last;
  };
  return { ...scene, answer };
};

describe('a lock of a worker [PROTOCOL-12.2]', () => {
  it('is granted in the form in which a master grants it, and never known to the master', () => {
    const { lab, master, a } = lockCluster();
    const data = { path: 'x/y', tid: 'tA', write: true, comment: 'why' };
    a.tells({ type: 'lock-request', id: 'r1', data }, '[master]');
    expect(a.messages('lock-result')).toEqual([
      {
        type: 'lock-result',
        id: 'r1',
        from: '[master]',
        to: 'peerA',
        ok: true,
        data: { ...data, id: lab.lockOf(a), expires: lab.clock.wallTime() + ROOT_LASTS },
      },
    ]);
    lab.giveBack(a, lab.lockOf(a));
    const said = master.received.map((text) => JSON.parse(text) as { from: string; data: object });
    expect(new Set(said.map(({ from }) => from))).toEqual(new Set(['[server]']));
    expect(JSON.stringify(said)).not.toContain('tA');
  });

  it('has a number that no other lock has, whoever the master is', () => {
    const { lab, master, a, b } = lockCluster();
    const ids = [];
    for (const worker of [a, b]) {
      lab.askForLock(worker);
      ids.push(lab.lockOf(worker));
    }
    master.leaves();
    for (const worker of [a, b]) lab.giveBack(worker, ids.shift() ?? 0);
    lab.connectMaster();
    const before = [lab.lockOf(a), lab.lockOf(b)];
    lab.askForLock(a);
    expect(lab.lockOf(a)).toBeGreaterThan(Math.max(...before));
    const later = new BrokerLab();
    later.clock.advance(60_000);
    later.connectMaster();
    expect(later.lockOf(later.connectWorker('peerA'))).toBeGreaterThan(lab.lockOf(a));
  });

  it('is read whatever the order of its keys, and is for writing unless it says otherwise', () => {
    const { a, locks } = lockCluster();
    a.says('to:[master];{"data":{"tid":"t\\u0031"},"id":"r","from":"peerA","type":"lock-request"}');
    expect(a.messages('lock-result')).toMatchObject([{ id: 'r', ok: true, data: { write: true } }]);
    expect(locks().held).toMatchObject([{ holder: 'peerA', tid: 't1', write: true }]);
  });

  it('is not granted before its holder was told where the root is', () => {
    const { lab, a, b } = lockCluster();
    a.tells({
      type: 'notification',
      data: { type: 'root.update', address: { path: '', pageNr: 0, recordNr: 7 } },
    });
    lab.askForLock(b);
    const types = b.received.map((text) => (JSON.parse(text) as { type: string }).type);
    expect(types).toEqual(['notification', 'lock-result']);
  });

  it('is shown with who holds it, and who waits for it and why', () => {
    const { lab, a, b, locks } = lockCluster();
    lab.askForLock(a, { tid: 'tA', write: true });
    lab.clock.advance(1_000);
    lab.askForLock(b, { tid: 'tB' });
    lab.clock.advance(500);
    const common = { path: 'a/b', comment: 'test' };
    const id = lab.lockOf(a);
    expect(locks()).toEqual({
      root: { state: 'write', heldFor: 1_500 },
      held: [{ ...common, id, holder: 'peerA', tid: 'tA', write: true, heldFor: 1_500, state: 'held' }],
      waiting: [
        {
          ...common,
          requester: 'peerB',
          tid: 'tB',
          write: false,
          waitingFor: 500,
          reason: 'locks of others',
        },
      ],
    });
    lab.giveBack(a, id);
    expect(locks()).toMatchObject({ root: { state: 'read' }, held: [{ holder: 'peerB' }], waiting: [] });
    expect(new BrokerLab().overview.locks('none')).toEqual({ root: undefined, held: [], waiting: [] });
  });

  it('is given back with an answer that is always ok, and only by its holder', () => {
    const { lab, a, b, locks } = lockCluster();
    lab.askForLock(a, { write: true });
    const id = lab.lockOf(a);
    const wanted = lab.askForLock(b, { write: true });
    lab.giveBack(b, id);
    lab.giveBack(b, 99);
    b.tells({ type: 'unlock-request', id: 'none', data: {} }, '[master]');
    expect(b.messages('unlock-result')).toMatchObject([
      { id: `unlock${id}`, from: '[master]', ok: true, data: { id } },
      { id: 'unlock99', ok: true },
      { id: 'none', ok: true },
    ]);
    expect(locks().held).toMatchObject([{ id, holder: 'peerA' }]);
    lab.giveBack(a, id);
    expect(a.messages('unlock-result')).toMatchObject([{ id: `unlock${id}`, ok: true, data: { id } }]);
    expect(grantedTo(b)).toEqual([wanted]);
  });

  it('has the answer to its unlock at once while its transaction holds others: a write waits for that [PROTOCOL-5.3]', () => {
    const { lab, a } = lockCluster();
    const locks = [true, false].map((write) => {
      lab.askForLock(a, { tid: 'tA', write });
      return lab.lockOf(a);
    });
    const mayWait = locks.reverse().map((lockId) => {
      lab.giveBack(a, lockId);
      return a.patient.includes(a.received.at(-1) ?? '');
    });
    expect(mayWait).toEqual([false, true]);
  });

  it('is moved under the same number to the parent of its path, if it is held', () => {
    const { lab, a, b, locks } = lockCluster();
    const move = (worker: ScriptedPeer, id: number) => {
      worker
        .clear()
        .tells({ type: 'move-lock-request', id: 'm', data: { id, move_to: 'parent' } }, '[master]');
      return worker.messages('lock-result');
    };
    lab.askForLock(a, { tid: 'tA', write: true });
    const id = lab.lockOf(a);
    expect(move(a, id)).toMatchObject([
      { id: 'm', from: '[master]', ok: true, data: { id, tid: 'tA', path: 'a', write: true } },
    ]);
    for (const [worker, lockId] of [
      [b, id],
      [a, 99],
    ] as const) {
      move(worker, lockId);
      expect(refusedTo(worker)).toEqual([['m', 'IPC_REQUEST_LOCK_LOST']]);
    }
    expect(locks().held).toHaveLength(1);
    lab.clock.advance(120_000);
    move(a, id);
    expect(refusedTo(a)).toEqual([['m', 'IPC_REQUEST_LOCK_LOST']]);
  });

  it('expires: all forget what they have cached, others are served, its transaction is refused until it lets go', () => {
    const { lab, a, b, locks } = lockCluster({ lockTimeout: 30_000 });
    lab.askForLock(a, { tid: 'tA', write: true });
    const id = lab.lockOf(a);
    const nested = lab.askForLock(a, { tid: 'tA' });
    const wanted = lab.askForLock(b, { write: true });
    lab.clock.advance(28_999);
    expect(grantedTo(b)).toEqual([]);
    b.clear();
    lab.clock.advance(1);
    expect(b.received.map((text) => JSON.parse(text))).toMatchObject([
      { from: 'peerA', data: { type: 'cache.invalidate', path: '', recursive: true } },
      { type: 'lock-result', id: wanted, ok: true },
    ]);
    expect(locks().held).toMatchObject([{ state: 'expired' }, { state: 'expired' }, { holder: 'peerB' }]);
    expect(grantedTo(a)).toContain(nested);
    const further = lab.askForLock(a, { tid: 'tA' });
    expect(refusedTo(a)).toEqual([[further, 'IPC_REQUEST_LOCK_LOST']]);
    for (const lockId of [lab.lockOf(a), id]) lab.giveBack(a, lockId);
    expect(a.messages('unlock-result').map(({ ok }) => ok)).toEqual([true, true]);
    lab.giveBack(b, lab.lockOf(b));
    const again = lab.askForLock(a, { tid: 'tA' });
    expect(grantedTo(a)).toContain(again);
  });

  it('that was only read under tells nobody to forget anything when it expires', () => {
    const { lab, a, b } = lockCluster({ lockTimeout: 30_000 });
    lab.askForLock(a);
    lab.clock.advance(30_000);
    expect(b.messages('notification')).toEqual([]);
  });
});

describe('a worker that is gone [PROTOCOL-12.3]', () => {
  it('has its locks free at once; all forget what they have cached if it wrote, before the next one is granted', () => {
    for (const write of [true, false]) {
      const { lab, a, b, locks } = lockCluster();
      lab.askForLock(a, { write });
      lab.askForLock(a, { write: true });
      const wanted = lab.askForLock(b, { write: true });
      b.clear();
      a.leaves();
      const types = b.received
        .filter((text) => text.startsWith('{'))
        .map((text) => (JSON.parse(text) as { type: string }).type);
      expect(types).toEqual(write ? ['notification', 'lock-result'] : ['lock-result']);
      expect(grantedTo(b)).toEqual([wanted]);
      expect(locks()).toMatchObject({ held: [{ holder: 'peerB' }], waiting: [] });
      expect([lab.count('locks-recovered'), lab.count('orphaned-request')]).toEqual([1, 1]);
    }
  });

  it('keeps them for as long as it may come back, and is granted nothing meanwhile', () => {
    const { lab, a, b, locks } = lockCluster({ reconnectGrace: 10_000 });
    lab.askForLock(b, { write: true });
    const first = lab.askForLock(a, { write: true });
    a.leaves();
    expect(locks().waiting).toMatchObject([{ requester: 'peerA', reason: 'its process is disconnected' }]);
    lab.giveBack(b, lab.lockOf(b));
    expect(locks().held).toEqual([]);
    const back = lab.connect('peerA');
    expect(grantedTo(back)).toEqual([first]);
    back.leaves();
    const wanted = lab.askForLock(b, { write: true });
    lab.clock.advance(9_999);
    expect(grantedTo(b)).not.toContain(wanted);
    lab.clock.advance(1);
    expect(grantedTo(b)).toContain(wanted);
  });
});

describe('the root lock at the master [PROTOCOL-12.1]', () => {
  it('is asked for by the server, upgraded for the transaction that reads alone, and given back when nobody needs it', () => {
    const { lab, master, a, answer } = slowCluster();
    lab.askForLock(a, { tid: 'tA' });
    const requests = () =>
      master.messages('lock-request') as {
        id: string;
        data: { path: string; tid: string; write: boolean };
      }[];
    expect(requests()).toMatchObject([
      { from: '[server]', to: '[master]', data: { path: '', write: false } },
    ]);
    expect(grantedTo(a)).toEqual([]);
    const first = answer();
    lab.askForLock(a, { tid: 'tA', write: true });
    expect(grantedTo(a)).toHaveLength(1);
    const second = answer();
    expect(grantedTo(a)).toHaveLength(2);
    for (const { data } of a.messages('lock-result')) lab.giveBack(a, (data as { id: number }).id);
    lab.clock.advance(ROOT_LINGER_MS);
    expect(rootOf(master)).toEqual(['read', 'write', `back ${first}`, `back ${second}`]);
    lab.askForLock(a, { tid: 'tA', write: true });
    const [one, two, three] = requests();
    expect(two?.data.tid).toBe(one?.data.tid);
    expect(three?.data.tid).not.toBe(one?.data.tid);
    expect(new Set(requests().map(({ id }) => id)).size).toBe(3);
  });

  it('goes back for the turn of the master as soon as nobody holds a lock, and is asked for again', () => {
    const { lab, master, a, b, locks, answer } = slowCluster();
    lab.askForLock(a, { tid: 'tA', write: true });
    const root = answer();
    lab.clock.advance(ROOT_TURN_MS);
    const wanted = lab.askForLock(b, { write: true });
    lab.askForLock(a, { tid: 'tA' });
    expect(grantedTo(a)).toHaveLength(2);
    for (const { data } of a.messages('lock-result')) lab.giveBack(a, (data as { id: number }).id);
    expect(rootOf(master)).toEqual(['write', `back ${root}`, 'write']);
    expect(locks()).toMatchObject({
      root: { state: 'asked' },
      waiting: [{ reason: 'the master has its turn' }],
    });
    expect(grantedTo(b)).toEqual([]);
    answer();
    expect(grantedTo(b)).toEqual([wanted]);
  });

  it('stays at a master that says when it wants its turn until it does [PROTOCOL-14.10]', () => {
    const lab = new BrokerLab();
    const master = lab.connectClient('[master]', 'session-of-master');
    lab.letGrant(master);
    master.says('ready');
    const worker = lab.connectWorker('peerA');
    lab.askForLock(worker);
    lab.clock.advance(10 * ROOT_TURN_MS);
    lab.giveBack(worker, lab.lockOf(worker));
    expect(rootOf(master)).toEqual(['read']);
    master.says('turn:wanted');
    expect(rootOf(master)).toEqual(['read', 'back 1']);
    master.says('turn:over');
    lab.askForLock(worker, { write: true });
    lab.giveBack(worker, lab.lockOf(worker));
    lab.clock.advance(ROOT_LINGER_IF_TOLD_MS - 1);
    expect(rootOf(master)).toEqual(['read', 'back 1', 'write']);
    lab.clock.advance(1);
    expect(rootOf(master)).toEqual(['read', 'back 1', 'write', 'back 2']);
    expect(lab.count('malformed-frame')).toBe(0);
  });

  it.each(['turn:wanted!', 'turn:', 'turn:wante'])('stays whatever else is said: %s', (word) => {
    const lab = new BrokerLab();
    const master = lab.connectClient('[master]', 'session-of-master');
    master.says(word);
    expect(lab.count('malformed-frame')).toBe(1);
  });

  it('is none of the business of a worker', () => {
    const lab = new BrokerLab();
    lab.connectClient('peerA', 'session-of-worker').says('turn:wanted');
    expect(lab.count('malformed-frame')).toBe(1);
  });

  it('is waited for until masterTimeout if no master is connected', () => {
    const { lab, master, a, b } = lockCluster({ masterTimeout: 5_000, reconnectGrace: 60_000 });
    lab.askForLock(a, { tid: 'tA', write: true });
    const waiting = lab.askForLock(b, { write: true });
    master.tells({ type: 'bye' });
    const nested = lab.askForLock(a, { tid: 'tA' });
    b.leaves();
    lab.clock.advance(4_999);
    expect(refusedTo(a)).toEqual([]);
    lab.clock.advance(1);
    expect(refusedTo(a)).toEqual([[nested, 'IPC_REQUEST_NO_MASTER']]);
    const back = lab.connect('peerB');
    expect(refusedTo(back)).toEqual([[waiting, 'IPC_REQUEST_NO_MASTER']]);
    // It is late only for those that asked before.
    lab.connectMaster();
    const again = lab.askForLock(a, { tid: 'tA' });
    expect(grantedTo(a)).toContain(again);
  });

  it('of a master that is gone is asked for at the next one: locks stay, and nothing is granted until then', () => {
    const { lab, master, a, b, locks } = lockCluster();
    lab.askForLock(a, { tid: 'tA', write: true });
    const held = lab.lockOf(a);
    master.leaves();
    const nested = lab.askForLock(a, { tid: 'tA', write: true });
    const other = lab.askForLock(b, { write: true });
    expect(locks()).toMatchObject({
      root: undefined,
      held: [{ id: held, state: 'held' }],
      waiting: [{ reason: 'no master' }, { reason: 'no master' }],
    });
    // A lock that goes back needs no master.
    a.tells({ type: 'move-lock-request', id: 'm', data: { id: held, move_to: 'parent' } }, '[master]');
    expect(grantedTo(a).at(-1)).toBe('m');
    const next = lab.connect('[master]');
    // It may be the last one, which still has the root lock of then.
    const [question] = next.messages('lock-request') as { id: string; data: object }[];
    next.tells(
      { type: 'lock-result', id: question?.id, ok: true, data: { ...question?.data, id: 1 } },
      '[server]',
    );
    expect(rootOf(next)).toEqual(['read', 'back 1', 'write']);
    expect([grantedTo(a).includes(nested), grantedTo(b)]).toEqual([false, []]);
    const request = next.messages('lock-request').at(-1) as { id: string; data: object };
    next.tells(
      { type: 'lock-result', id: request.id, ok: true, data: { ...request.data, id: 2 } },
      '[server]',
    );
    expect([grantedTo(a).includes(nested), grantedTo(b)]).toEqual([true, []]);
    for (const id of [lab.lockOf(a), held]) lab.giveBack(a, id);
    // Who begins something waits until that one has opened its file.
    lab.letGrant(next);
    expect(grantedTo(b)).toEqual([]);
    lab.clock.advance(1_000);
    expect(grantedTo(b)).toEqual([other]);
  });

  it('is not asked for again at a master that exits, and at the next one is', () => {
    const { lab, master, a, locks, answer } = slowCluster();
    const wanted = lab.askForLock(a, { write: true });
    answer(false);
    lab.askForLock(a, { write: true });
    expect(rootOf(master)).toEqual(['write']);
    expect(locks().waiting).toMatchObject([{ reason: 'no master' }, { reason: 'no master' }]);
    master.leaves();
    lab.connectMaster();
    expect(grantedTo(a)).toContain(wanted);
  });

  it('goes back if it is granted too late, or to a server that is gone; other answers are dropped', () => {
    const { lab, master, a } = lockCluster();
    const answer = (id: string, lockId: number) => {
      master.clear();
      const data = { id: lockId, path: '', tid: 't', write: true };
      master.tells({ type: 'lock-result', id, ok: true, data }, '[server]');
      return rootOf(master);
    };
    expect(answer('[server]formerone-7', 50)).toEqual(['back 50']);
    lab.askForLock(a);
    const [{ id } = { id: '' }] = master.messages('lock-request') as { id: string }[];
    expect(answer(id, 51)).toEqual(['back 51']);
    expect(lab.count('unasked-answer')).toBe(0);
    expect(answer('nobody', 52)).toEqual([]);
    expect(lab.count('unasked-answer')).toBe(1);
  });

  it('stays where it is when it is granted once more, and is not taken for refused by an answer that makes no sense', () => {
    const { lab, master, a, locks, answer } = slowCluster();
    const wanted = lab.askForLock(a, { write: true });
    const [{ id, data } = { id: '', data: {} }] = master.messages('lock-request').slice(-1) as {
      id: string;
      data: object;
    }[];
    for (const nonsense of ['x', -5, 1.5, 1e308, null]) {
      master.tells({ type: 'lock-result', id, ok: true, data: { ...data, id: nonsense } }, '[server]');
    }
    master.tells({ type: 'lock-result', id, ok: true }, '[server]');
    expect(locks()).toMatchObject({
      root: { state: 'asked' },
      waiting: [{ reason: 'the master has its turn' }],
    });
    expect(lab.count('unasked-answer')).toBe(6);
    const root = answer();
    expect(grantedTo(a)).toEqual([wanted]);
    master.tells({ type: 'lock-result', id, ok: true, data: { ...data, id: root } }, '[server]');
    expect(rootOf(master)).toEqual(['write']);
    expect(locks().root).toMatchObject({ state: 'write' });
  });

  it('tells when the master’s locks run out at another time than expected', () => {
    const warnings = (lasts: number) => {
      const { lab, a, answer } = slowCluster({ lockTimeout: 120_000 });
      lab.clock.advance(60_000);
      for (let locks = 0; locks < 2; locks++) {
        lab.askForLock(a);
        answer(true, lasts);
        lab.giveBack(a, lab.lockOf(a));
        lab.clock.advance(ROOT_LINGER_MS);
      }
      return lab.warnings().filter((it) => /lockTimeout/.test(it)).length;
    };
    expect([60_000, 114_999, 115_000, 120_000, 125_000, 125_001].map(warnings)).toEqual([1, 1, 0, 0, 0, 1]);
  });

  it('is given back when the server drains, and not asked for again', () => {
    const { lab, master, a, b, locks } = lockCluster();
    lab.askForLock(a, { tid: 'tA', write: true });
    lab.broker.drain(1_000, () => undefined);
    const wanted = lab.askForLock(b);
    expect(locks().waiting).toMatchObject([{ reason: 'draining' }]);
    lab.giveBack(a, lab.lockOf(a));
    lab.clock.advance(1_000);
    expect(refusedTo(b)).toEqual([[wanted, 'IPC_REQUEST_DRAINING']]);
    expect(rootOf(master)).toEqual(['write', expect.stringMatching(/^back /)]);
  });

  it('is kept when the server drains or stops while a worker holds a lock: that one goes on at the next server', () => {
    const drained = lockCluster();
    drained.lab.askForLock(drained.a, { write: true });
    drained.lab.broker.drain(1_000, () => undefined);
    drained.lab.clock.advance(10_000);
    const stopped = lockCluster();
    stopped.lab.askForLock(stopped.a, { write: true });
    stopped.lab.broker.stop();
    expect([drained, stopped].map(({ master }) => rootOf(master))).toEqual([['write'], ['write']]);
    expect(stopped.lab.clock.pending).toBe(0);
  });

  it('and all that is cached goes with the master: what it wrote last, it may not have told', () => {
    const { lab, master, a, b } = lockCluster({ reconnectGrace: 10_000 });
    for (const worker of [a, b]) worker.clear();
    master.leaves();
    expect(a.messages('notification')).toEqual([]);
    lab.clock.advance(10_000);
    for (const worker of [a, b]) {
      expect(worker.messages('notification')).toMatchObject([
        { from: '[master]', data: { type: 'cache.invalidate', path: '', recursive: true } },
      ]);
    }
  });
});

describe('a stock master that was there before the server', () => {
  const scene = ({ elapsed = 0, isReading = true, age = undefined as number | undefined } = {}) => {
    const lab = new BrokerLab({ reconnectGrace: 10_000 });
    lab.clock.advance(elapsed);
    const process = { pid: 1, isSought: false, databaseFiles: [], hasEnded: () => false, age };
    const master = lab.connect('[master]', 'mydb_data', { process });
    lab.clock.advance(1_000);
    master.isReading = isReading;
    const worker = lab.connect('peerA');
    return { lab, master, worker, wanted: lab.askForLock(worker) };
  };

  it.each([{ age: undefined }, { age: 60_000 }])(
    'and keeps the root lock of another one is closed once, and refused once: %j',
    ({ age }) => {
      const { lab, master, worker, wanted } = scene({ age });
      lab.clock.advance(DEAD_ROOT_MS - 1);
      expect(master.closedWith).toBeUndefined();
      lab.clock.advance(1);
      expect(master.closedWith).toBe('IPC_CLOSED_OLD_MASTER');
      master.leaves();
      expect(lab.connect('[master]').refusedWith).toBe('IPC_REFUSED_OLD_MASTER');
      const fresh = lab.connectMaster();
      lab.clock.advance(60_000);
      expect(grantedTo(worker)).toEqual([wanted]);
      expect(fresh.closedWith).toBeUndefined();
    },
  );

  it('stays if it grants the root lock, if it does not answer pings, if the server is not that new, or if it is newer', () => {
    const granting = scene();
    const later = [scene({ isReading: false }), scene({ elapsed: 10_000 }), scene({ age: 1_000 })];
    const { id, data } = granting.master.messages('lock-request')[0] as { id: string; data: object };
    granting.master.tells({ type: 'lock-result', id, ok: true, data: { ...data, id: 1 } }, '[server]');
    for (const { lab, master } of [granting, ...later]) {
      lab.clock.advance(60_000);
      expect(master.closedWith).toBeUndefined();
    }
  });
});

describe('fairness [PROTOCOL-12.5]', () => {
  it('keeps a read back while a write waits, and no longer than readerDelay; but nobody who holds a lock', () => {
    const { lab, a, b } = lockCluster();
    lab.askForLock(a, { tid: 'tA' });
    lab.askForLock(b, { tid: 'tW', write: true });
    const read = lab.askForLock(b, { tid: 'tB' });
    const nested = lab.askForLock(a, { tid: 'tA' });
    expect(grantedTo(a)).toContain(nested);
    lab.clock.advance(99);
    expect(grantedTo(b)).toEqual([]);
    lab.clock.advance(1);
    expect(grantedTo(b)).toEqual([read]);
    const off = lockCluster({ readerDelay: 0 });
    off.lab.askForLock(off.a);
    off.lab.askForLock(off.b, { write: true });
    const passed = off.lab.askForLock(off.b);
    expect(grantedTo(off.b)).toEqual([passed]);
  });

  it('lets nobody begin to write from the request for an index until 200 ms after its answer', () => {
    const { lab, master, a, b, locks } = lockCluster();
    lab.askForLock(b, { tid: 'tB', write: true });
    a.tells({ type: 'request', id: 'i', data: { type: 'index.create' } }, '[master]');
    const write = lab.askForLock(a, { write: true });
    const own = lab.askForLock(b, { tid: 'tB', write: true });
    expect(grantedTo(b)).toContain(own);
    for (const { data } of b.messages('lock-result')) lab.giveBack(b, (data as { id: number }).id);
    const read = lab.askForLock(a, { write: false });
    expect(grantedTo(a)).toEqual([read]);
    expect(locks().waiting).toMatchObject([{ requester: 'peerA', reason: 'locks of others' }]);
    lab.giveBack(a, lab.lockOf(a));
    expect(locks().waiting).toMatchObject([{ requester: 'peerA', reason: 'an index is made' }]);
    master.tells({ type: 'result', id: 'i', ok: true, data: {} }, 'peerA');
    lab.clock.advance(199);
    expect(grantedTo(a)).toEqual([read]);
    lab.clock.advance(1);
    expect(grantedTo(a)).toEqual([read, write]);
  });
});
