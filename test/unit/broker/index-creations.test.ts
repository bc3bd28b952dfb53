import { describe, expect, it } from 'vitest';
import { INDEX_NEWS_MS, OLD_MASTER_RETURN_MS } from '../../../src/broker/limits.js';
import { BrokerLab, LIMITS, type ScriptedPeer } from '../../support/broker-lab.js';

const create = (id: string) => ({
  type: 'request',
  id,
  data: { type: 'index.create', path: 'people', key: 'name' },
});
const result = (id: string) => ({ type: 'result', id, ok: true, data: { ok: true } });
const asked = (master: ScriptedPeer) => master.messages('request').map(({ id }) => id);

describe('requests for a new index', () => {
  it('are passed on one at a time, in order; other requests do not wait', () => {
    const lab = new BrokerLab();
    const master = lab.connectMaster();
    const [a, b] = [lab.connect('peerA'), lab.connect('peerB')];
    a.tells(create('1'), '[master]');
    b.tells(create('2'), '[master]');
    a.tells(create('3'), '[master]');
    b.tells({ type: 'request', id: 'kit', data: { type: 'kit.add' } }, '[master]');
    expect(asked(master)).toEqual(['1', 'kit']);
    master.tells(result('kit'), 'peerB');
    expect(asked(master)).toEqual(['1', 'kit']);
    master.tells(result('1'), 'peerA');
    expect(asked(master)).toEqual(['1', 'kit', '2']);
    b.leaves();
    master.tells(result('2'), 'peerB');
    expect(asked(master)).toEqual(['1', 'kit', '2', '3']);
    master.tells(result('3'), 'peerA');
    expect(a.messages('result').map(({ id }) => id)).toEqual(['1', '3']);
    lab.clock.advance(200);
    expect(lab.timers).toBe(0);
  });

  it('are passed on after a minute, if the master does not answer', () => {
    const lab = new BrokerLab();
    const master = lab.connectMaster();
    const a = lab.connect('peerA');
    a.tells(create('1'), '[master]');
    a.tells(create('2'), '[master]');
    lab.clock.advance(60_000);
    expect(asked(master)).toEqual(['1', '2']);
  });

  it('wait for the next master when this one goes, and are passed on one at a time there, too', () => {
    const lab = new BrokerLab();
    const first = lab.connectMaster();
    const [a, b] = [lab.connect('peerA'), lab.connect('peerB')];
    a.tells(create('1'), '[master]');
    a.tells(create('2'), '[master]');
    b.tells(create('3'), '[master]');
    first.leaves();
    const second = lab.connectMaster();
    expect(asked(second)).toEqual(['1']);
    second.tells(result('1'), 'peerA');
    second.tells(result('2'), 'peerA');
    expect(asked(second)).toEqual(['1', '2', '3']);
    second.tells(result('3'), 'peerB');
    lab.clock.advance(200);
    expect(lab.timers).toBe(0);
  });

  it('that nobody can be answered for are dropped, and hold nobody up', () => {
    const lab = new BrokerLab();
    const master = lab.connectMaster();
    const a = lab.connect('peerA');
    a.tells({ type: 'request', data: { type: 'index.create' } }, '[master]');
    a.tells(create('1'), '[master]');
    expect(asked(master)).toEqual(['1']);
    expect(lab.count('malformed-frame')).toBe(1);
  });

  it('that wait give their memory back when the last peer goes', () => {
    const lab = new BrokerLab({ maxTotalBuffered: 2_000 });
    for (let n = 0; n < 10; n++) {
      const master = lab.connectMaster();
      const a = lab.connect('peerA');
      for (const id of ['1', '2', '3']) a.tells({ ...create(id), pad: 'x'.repeat(200) }, '[master]');
      master.leaves();
      a.leaves();
      // A master that was asked something may come back that long.
      lab.clock.advance(OLD_MASTER_RETURN_MS);
      expect(lab.broker.databases).toEqual([]);
    }
    expect(lab.timers).toBe(0);
    expect(lab.count('mailbox-full')).toBe(0);
  });

  it('of a worker that is gone are forgotten', () => {
    const lab = new BrokerLab();
    const master = lab.connectMaster();
    const [a, b] = [lab.connect('peerA'), lab.connect('peerB')];
    a.tells(create('1'), '[master]');
    b.tells(create('2'), '[master]');
    b.leaves();
    master.tells(result('1'), 'peerA');
    expect(asked(master)).toEqual(['1']);
    lab.clock.advance(200);
    expect(lab.timers).toBe(0);
  });

  it('are answered with an error when too many wait', () => {
    const lab = new BrokerLab({ maxMailPerPeer: 100 });
    lab.connectMaster();
    const a = lab.connect('peerA');
    a.tells(create('1'), '[master]');
    a.tells(create('2'), '[master]');
    expect(a.messages('result')).toMatchObject([{ id: '2', ok: false }]);
  });
});

describe('an index that was made', () => {
  const created = (fileName = 'people-name.idx') => ({
    type: 'notification',
    data: { type: 'index.created', fileName, path: 'people', key: 'name', options: {} },
  });
  const granted = (peer: ScriptedPeer) => peer.messages('lock-result').length;
  const cluster = () => {
    const lab = new BrokerLab({ reconnectGrace: 11_000 });
    const master = lab.connectMaster();
    const worker = lab.connectWorker('peerA');
    return { lab, master, worker };
  };

  it('a stock worker that does not read of it has no turn; others do not wait for it, nor does a transaction that holds a lock', () => {
    const { lab, master, worker } = cluster();
    const other = lab.connectWorker('peerB');
    worker.clear();
    lab.askForLock(worker, { tid: 'reads' });
    worker.isReading = false;
    master.tells(created());
    master.tells(created('people-age.idx'));
    lab.askForLock(worker, { tid: 'reads' });
    lab.askForLock(worker, { write: true });
    lab.clock.advance(2 * INDEX_NEWS_MS);
    other.clear();
    lab.askForLock(other);
    // The turn of the root lock is over.
    lab.clock.advance(LIMITS.readerDelay);
    expect(granted(other)).toBe(1);
    worker.isReading = true;
    worker.read();
    expect(granted(worker)).toBe(2);
    for (const { data } of worker.messages('lock-result')) lab.giveBack(worker, (data as { id: number }).id);
    lab.giveBack(other, lab.lockOf(other));
    lab.askForLock(other, { write: true });
    expect(granted(other)).toBe(2);
    lab.giveBack(other, lab.lockOf(other));
    lab.clock.advance(INDEX_NEWS_MS - 1);
    expect(granted(worker)).toBe(2);
    lab.clock.advance(1);
    expect(granted(worker)).toBe(3);
  });

  it('a client of ours does not wait for it, nor does anybody if a worker tells of one', () => {
    const { lab, master, worker } = cluster();
    const ours = lab.connectClient('peerO', 'session-of-peer-o');
    master.tells(created());
    lab.askForLock(ours, { write: true });
    expect(granted(ours)).toBe(1);
    lab.giveBack(ours, lab.lockOf(ours));
    lab.clock.advance(INDEX_NEWS_MS);
    lab.connect('peerB').tells(created());
    worker.clear();
    lab.askForLock(worker, { write: true });
    expect(granted(worker)).toBe(1);
  });

  it('with long settings is waited for as well', () => {
    const { lab, master, worker } = cluster();
    worker.clear();
    const { data } = created();
    master.tells({
      type: 'notification',
      data: { ...data, options: { config: { blacklist: ['word'.repeat(3_000)] } } },
    });
    lab.askForLock(worker, { write: true });
    lab.clock.advance(INDEX_NEWS_MS - 1);
    expect(granted(worker)).toBe(0);
    lab.clock.advance(1);
    expect(granted(worker)).toBe(1);
  });

  it('holds up a transaction that holds a lock only where that has to wait, and until it is read', () => {
    const { lab, master, worker } = cluster();
    const other = lab.connectWorker('peerB');
    for (const [peer, tid] of [
      [worker, 'mine'],
      [other, 'its'],
    ] as const)
      lab.askForLock(peer.clear(), { tid });
    master.tells(created());
    lab.askForLock(worker, { tid: 'mine', write: true });
    lab.giveBack(other, lab.lockOf(other));
    expect(granted(worker)).toBe(1);
    lab.clock.advance(INDEX_NEWS_MS);
    expect(granted(worker)).toBe(2);
  });

  it('a transaction that holds a lock is served as soon as it is read, also while others may not begin', () => {
    const lab = new BrokerLab({ masterSettle: 10 * INDEX_NEWS_MS });
    const master = lab.connectMaster();
    const [worker, other] = [lab.connectWorker('peerA'), lab.connectWorker('peerB')];
    lab.askForLock(worker.clear(), { tid: 'mine' });
    lab.askForLock(other, { tid: 'its' });
    master.tells(created());
    master.leaves();
    lab.askForLock(worker, { tid: 'mine' });
    const next = lab.connect('[master]');
    lab.letGrant(next);
    expect(granted(worker)).toBe(1);
    lab.clock.advance(INDEX_NEWS_MS);
    expect(granted(worker)).toBe(2);
  });

  it('one whose line breaks before it has read of it hears of it on the next one, and has no turn until then', () => {
    const { lab, master, worker } = cluster();
    worker.isReading = false;
    master.tells(created());
    worker.leaves();
    const again = lab.connect('peerA', 'mydb_data', { isReading: false });
    lab.askForLock(again, { write: true });
    lab.clock.advance(INDEX_NEWS_MS);
    again.isReading = true;
    again.read();
    expect([again.messages('notification').length, granted(again)]).toEqual([1, 0]);
    lab.clock.advance(INDEX_NEWS_MS);
    expect(granted(again)).toBe(1);
  });
});
