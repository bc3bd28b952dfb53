import { describe, expect, it } from 'vitest';
import {
  INDEX_NEWS_KEPT_MS,
  INDEX_NEWS_MS,
  MAX_REPLAYED_INDEXES,
  OLD_MASTER_RETURN_MS,
} from '../../../src/broker/limits.js';
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
    data: { type: 'index.created', fileName, path: 'people', key: 'name' },
  });
  const deleted = { type: 'notification', data: { type: 'index.deleted', fileName: 'people-name.idx' } };
  const news = (peer: ScriptedPeer) =>
    peer
      .messages('notification')
      .map(({ data }) => data as { type: string; fileName: string })
      .filter(({ type }) => type === 'index.created')
      .map(({ fileName }) => fileName);
  const granted = (peer: ScriptedPeer) => peer.messages('lock-result').length;
  const cluster = () => {
    const lab = new BrokerLab({ reconnectGrace: 2 * INDEX_NEWS_KEPT_MS });
    const master = lab.connectMaster();
    const worker = lab.connectWorker('peerA');
    return { lab, master, worker };
  };

  it('is told to a stock worker that comes later, before it is granted its first lock: when it has had the time to open it', () => {
    const { lab, master } = cluster();
    master.tells(created());
    lab.clock.advance(INDEX_NEWS_KEPT_MS - 1);
    const late = lab.connect('peerB');
    expect(news(late)).toEqual([]);
    lab.askForLock(late, { write: true });
    lab.askForLock(late);
    expect([news(late), granted(late)]).toEqual([['people-name.idx'], 0]);
    expect(lab.overview.locks('mydb_data').waiting.map(({ reason }) => reason)).toEqual([
      'an index is made',
      'an index is made',
    ]);
    lab.clock.advance(INDEX_NEWS_MS - 1);
    expect(granted(late)).toBe(0);
    lab.clock.advance(1);
    expect(granted(late)).toBeGreaterThan(0);
    expect(news(late)).toEqual(['people-name.idx']);
  });

  it('is not when it was removed, after a minute, or to a client of ours, which looks by itself', () => {
    const { lab, master } = cluster();
    master.tells(created());
    const ours = lab.connectClient('peerO', 'session-of-peer-o');
    lab.askForLock(ours, { write: true });
    expect([news(ours), granted(ours)]).toEqual([[], 1]);
    lab.giveBack(ours, lab.lockOf(ours));
    const early = lab.connect('peerB');
    master.tells(deleted);
    lab.askForLock(early, { write: true });
    expect([news(early), granted(early)]).toEqual([[], 1]);
    lab.giveBack(early, lab.lockOf(early));
    master.tells(created());
    lab.clock.advance(INDEX_NEWS_KEPT_MS);
    const late = lab.connect('peerC');
    lab.askForLock(late, { write: true });
    expect([news(late), granted(late)]).toEqual([[], 1]);
  });

  it('is told again to one whose file was not open when it was told of, and no more than the last ones', () => {
    const { lab, master } = cluster();
    const opening = lab.connect('peerB');
    const all = Array.from({ length: MAX_REPLAYED_INDEXES + 1 }, (_, n) => `people-${n}.idx`);
    for (const name of all) master.tells(created(name));
    opening.clear();
    lab.askForLock(opening, { write: true });
    expect(news(opening)).toEqual(all.slice(1));
  });

  it('is not told to those who come when all had left: the file may be another one', () => {
    const { lab, master, worker } = cluster();
    master.tells(created());
    for (const peer of [worker, master]) {
      peer.tells({ type: 'bye' });
      peer.leaves();
    }
    lab.connectMaster();
    const late = lab.connect('peerB');
    lab.askForLock(late);
    expect([news(late), granted(late)]).toEqual([[], 1]);
  });

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
    expect([news(again), granted(again)]).toEqual([['people-name.idx'], 0]);
    lab.clock.advance(INDEX_NEWS_MS);
    expect(granted(again)).toBe(1);
  });
});
