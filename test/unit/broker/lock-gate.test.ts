import { describe, expect, it } from 'vitest';
import { BrokerLab, type LockDetails, type ScriptedPeer } from '../../support/broker-lab.js';

const lockRequest = (id: string, tid: string, write: boolean) => ({
  type: 'lock-request',
  id,
  data: { path: '', tid, write },
});
const passed = (master: ScriptedPeer) =>
  master
    .messages('lock-request')
    .filter(({ from }) => from !== '[server]')
    .map(({ id }) => id);

/** A cluster whose first master went while peerA held these locks of it, and whose second one has settled. */
function afterMaster(...locks: Partial<LockDetails>[]) {
  const lab = new BrokerLab();
  const first = lab.connectMaster();
  const [a, b] = [lab.connectWorker('peerA', first), lab.connectWorker('peerB', first)];
  for (const lock of locks) lab.grantLock(a, first, lock);
  first.leaves();
  const master = lab.connectMaster();
  for (const peer of [a, b, master]) peer.clear();
  return { lab, master, a, b };
}

describe('the fence around locks of a master that is gone [PROTOCOL-12.4]', () => {
  it('keeps back what conflicts with them, in order, until they are given back', () => {
    const { master, a, b } = afterMaster({ lockId: 5, tid: 'tA', write: true });
    b.tells(lockRequest('1', 'tB', true), '[master]');
    b.tells(lockRequest('2', 'tC', false), '[master]');
    expect(passed(master)).toEqual([]);
    a.tells(lockRequest('3', 'tA', false), '[master]');
    expect(passed(master)).toEqual(['3']);
    a.tells({ type: 'unlock-request', id: 'u', data: { id: 5 } }, '[master]');
    expect(a.messages('unlock-result')).toMatchObject([{ id: 'u', ok: true, data: { id: 5 } }]);
    expect(master.messages('unlock-request')).toEqual([]);
    expect(passed(master).slice(0, 2)).toEqual(['3', '1']);
  });

  it('lets readers pass beside orphaned readers, but not behind a writer that waits', () => {
    const { master, b } = afterMaster({ tid: 'tA', write: false });
    b.tells(lockRequest('1', 'tB', false), '[master]');
    expect(passed(master)).toEqual(['1']);
    b.tells(lockRequest('2', 'tC', true), '[master]');
    b.tells(lockRequest('3', 'tD', false), '[master]');
    expect(passed(master)).toEqual(['1']);
  });

  it('has all forget what they have cached when one for writing has run out: its write may be cut short', () => {
    for (const write of [true, false]) {
      const { lab, b, master } = afterMaster({ write });
      b.tells(lockRequest('1', 'tB', true), '[master]');
      lab.clock.advance(111_100);
      expect(passed(master)).toEqual(['1']);
      const said = b.messages('notification').map(({ data }) => data);
      expect(said).toMatchObject(write ? [{ type: 'cache.invalidate', path: '', recursive: true }] : []);
    }
  });

  it('opens when their holder is gone, or when they have run out', () => {
    const gone = afterMaster({ write: true });
    gone.b.tells(lockRequest('1', 'tB', true), '[master]');
    gone.a.leaves();
    expect(passed(gone.master)).toEqual(['1']);

    const late = afterMaster({ write: true });
    late.b.tells(lockRequest('1', 'tB', true), '[master]');
    late.lab.clock.advance(110_000);
    expect(passed(late.master)).toEqual([]);
    late.lab.clock.advance(1_100);
    expect(passed(late.master)).toEqual(['1']);
  });

  it('ends two locks of one number with the second one that is given back', () => {
    const { lab, master, a, b } = afterMaster({ lockId: 1, tid: 'tA', write: true });
    lab.grantLock(a, master, { lockId: 1, tid: 'tA', write: true });
    b.tells(lockRequest('w', 'tB', true), '[master]');
    master.clear();
    const unlock = (id: string) => a.tells({ type: 'unlock-request', id, data: { id: 1 } }, '[master]');
    unlock('first');
    expect([master.received, a.messages('unlock-result').length]).toEqual([[], 1]);
    unlock('second');
    expect(master.messages('unlock-request')).toMatchObject([{ id: 'second' }]);
    expect(passed(master)).toEqual(['w']);
    expect(lab.broker.locks('mydb_data').held).toEqual([]);
  });

  it('ends them also when the second master, too, goes before both were given back', () => {
    const { lab, master, a, b } = afterMaster({ lockId: 1, tid: 'tA', write: true });
    lab.grantLock(a, master, { lockId: 1, tid: 'tA', write: true });
    const unlock = (id: string) => a.tells({ type: 'unlock-request', id, data: { id: 1 } }, '[master]');
    unlock('first');
    master.leaves();
    const third = lab.connectMaster();
    b.tells(lockRequest('w', 'tB', true), '[master]');
    expect(passed(third)).toEqual([]);
    unlock('second');
    expect(a.messages('unlock-result').map(({ id }) => id)).toEqual(['first', 'second']);
    expect(passed(third)).toEqual(['w']);
    expect(lab.broker.locks('mydb_data').held).toEqual([]);
  });

  it('moves an orphan without asking the new master', () => {
    const { master, a } = afterMaster({ lockId: 5, tid: 'tA', write: true });
    a.tells({ type: 'move-lock-request', id: 'm', data: { id: 5, move_to: 'parent' } }, '[master]');
    expect(a.messages('lock-result')).toMatchObject([
      { id: 'm', ok: true, data: { id: 5, tid: 'tA', path: 'a', write: true } },
    ]);
    expect(master.messages('move-lock-request')).toEqual([]);
  });
});

describe('fairness [PROTOCOL-12.5]', () => {
  const cluster = (limits = {}) => {
    const lab = new BrokerLab(limits);
    const master = lab.connectMaster();
    const [a, b] = [lab.connectWorker('peerA', master), lab.connectWorker('peerB', master)];
    master.clear();
    return { lab, master, a, b };
  };

  it('keeps a read back while a write waits, and no longer than readerDelay', () => {
    const { lab, master, a, b } = cluster();
    a.tells(lockRequest('w', 'tA', true), '[master]');
    b.tells(lockRequest('r', 'tB', false), '[master]');
    expect(passed(master)).toEqual(['w']);
    lab.clock.advance(99);
    expect(passed(master)).toEqual(['w']);
    lab.clock.advance(1);
    expect(passed(master)).toEqual(['w', 'r']);
  });

  it('lets a read go as soon as the write has its answer', () => {
    const { master, a, b } = cluster();
    a.tells(lockRequest('w', 'tA', true), '[master]');
    b.tells(lockRequest('r', 'tB', false), '[master]');
    master.tells({ type: 'lock-result', id: 'w', ok: false, reason: 'no' }, 'peerA');
    expect(passed(master)).toEqual(['w', 'r']);
  });

  it('keeps back nobody who holds a lock already, and nobody with readerDelay 0', () => {
    const held = cluster();
    held.lab.grantLock(held.b, held.master, { tid: 'tB' });
    held.a.tells(lockRequest('w', 'tA', true), '[master]');
    held.b.tells(lockRequest('r', 'tB', false), '[master]');
    expect(passed(held.master).slice(-2)).toEqual(['w', 'r']);

    const off = cluster({ readerDelay: 0 });
    off.a.tells(lockRequest('w', 'tA', true), '[master]');
    off.b.tells(lockRequest('r', 'tB', false), '[master]');
    expect(passed(off.master)).toEqual(['w', 'r']);
  });

  it('lets nobody begin to write from the request for an index until 200 ms after its answer', () => {
    const { lab, master, a, b } = cluster();
    lab.grantLock(b, master, { tid: 'tB', write: true });
    master.clear();
    a.tells({ type: 'request', id: 'i', data: { type: 'index.create' } }, '[master]');
    a.tells(lockRequest('w', 'tA', true), '[master]');
    b.tells(lockRequest('mine', 'tB', true), '[master]');
    a.tells(lockRequest('r', 'tC', false), '[master]');
    master.tells({ type: 'result', id: 'i', ok: true, data: {} }, 'peerA');
    lab.clock.advance(199);
    expect(passed(master)).toEqual(['mine', 'r']);
    lab.clock.advance(1);
    expect(passed(master)).toEqual(['mine', 'r', 'w']);
  });
});
