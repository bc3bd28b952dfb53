import { describe, expect, it } from 'vitest';
import { LAST_SAFE_KEY_INDEX, WAITING_REQUEST_BYTES } from '../../../src/broker/limits.js';
import { BrokerLab, type ScriptedPeer } from '../../support/broker-lab.js';

const request = (id: string, type: string, more = {}) => ({ type: 'request', id, data: { type, ...more } });
const lockRequest = (id: string, tid: string, write = true) => ({
  type: 'lock-request',
  id,
  data: { path: 'a', tid, write, comment: 'x' },
});
const ids = (peer: ScriptedPeer, type = 'request') => peer.messages(type).map(({ id }) => id);
const numbered = (count: number) => Array.from({ length: count }, (_, n) => `${n}`);

function cluster(limits = {}) {
  const lab = new BrokerLab({ maxOutstandingRequests: 2, ...limits });
  const master = lab.connectMaster();
  const [worker, other] = [lab.connectWorker('peerA'), lab.connectWorker('peerB')];
  const asks = (id: string, type: string, more = {}) => worker.tells(request(id, type, more), '[master]');
  const answers = (id: string, to = 'peerA') =>
    master.tells({ type: 'result', id, ok: true, data: { ok: true } }, to);
  for (const peer of [master, worker, other]) peer.clear();
  return { lab, master, worker, other, asks, answers };
}

describe('requests of one worker [PROTOCOL-6.7]', () => {
  it('go to the master a few at a time, in order, and none is refused', () => {
    const { lab, master, worker, asks, answers } = cluster();
    for (const id of numbered(5)) asks(id, 'fst.allocate');
    expect(ids(master)).toEqual(['0', '1']);
    answers('1');
    expect(ids(master)).toEqual(['0', '1', '2']);
    for (const id of ['0', '2', '3', '4']) answers(id);
    expect(ids(master)).toEqual(numbered(5));
    expect(ids(worker, 'result').sort()).toEqual(numbered(5));
    expect(lab.count('answered-for-master')).toBe(0);
    expect(lab.broker.bufferedBytes).toBe(0);
  });

  it('do not keep those of another worker waiting', () => {
    const { master, other, asks } = cluster();
    for (const id of numbered(1_000)) asks(id, 'fst.allocate');
    other.tells(request('other', 'fst.allocate'), '[master]');
    other.tells(lockRequest('lock', 't'), '[master]');
    expect(ids(master)).toEqual(['0', '1', 'other']);
    expect(ids(other, 'lock-result')).toEqual(['lock']);
  });

  it('that wait do not keep back what gives locks back, or what is no request', () => {
    const { lab, worker, other, asks } = cluster();
    lab.askForLock(worker, { write: true });
    lab.askForLock(other, { requestId: 'next', write: true });
    for (const id of numbered(5)) asks(id, 'fst.allocate');
    worker.tells({ type: 'notification', data: { type: 'cache.update' } });
    lab.giveBack(worker, lab.lockOf(worker));
    expect(ids(other, 'lock-result')).toEqual(['next']);
    expect(other.messages('notification')).toHaveLength(1);
  });

  it('for what waits for locks take no place, but keep their order', () => {
    const { master, asks, answers } = cluster({ maxOutstandingRequests: 1 });
    asks('0', 'index.update');
    asks('1', 'index.update');
    asks('2', 'index.create');
    asks('3', 'index.update');
    expect(ids(master)).toEqual(['0']);
    answers('0');
    expect(ids(master)).toEqual(['0', '1', '2']);
    answers('1');
    expect(ids(master)).toEqual(['0', '1', '2', '3']);
  });

  it('that are many cost no more each than a few do', () => {
    const { lab, master, asks, answers } = cluster({
      maxOutstandingRequests: 100,
      maxMailPerPeer: 10_000_000,
      maxTotalBuffered: 20_000_000,
    });
    master.onMessage = (text) => {
      const { id, type } = JSON.parse(text) as { id: string; type: string };
      if (type === 'request') waiting.push(id);
    };
    const waiting: string[] = [];
    for (const id of numbered(5_000)) asks(id, 'fst.allocate');
    expect(waiting).toHaveLength(100);
    let answered = 0;
    for (let id = waiting.shift(); id !== undefined; id = waiting.shift()) {
      answers(id);
      answered++;
    }
    expect(answered).toBe(5_000);
    expect(lab.broker.bufferedBytes).toBe(0);
  });
});

describe('requests for locks [PROTOCOL-6.7]', () => {
  it('take no place of other requests, and wait for none, however many there are', () => {
    const { lab, master, worker, other, asks } = cluster();
    lab.askForLock(other, { write: true });
    for (const id of numbered(100)) worker.tells(lockRequest(`w${id}`, `t${id}`), '[master]');
    for (const id of numbered(3)) asks(id, 'fst.allocate');
    expect(ids(master)).toEqual(['0', '1']);
    expect(ids(worker, 'lock-result')).toEqual([]);
    lab.giveBack(other, lab.lockOf(other));
    expect(ids(worker, 'lock-result')).toEqual(['w0']);
  });
});

describe('requests that wait for their turn', () => {
  it('are refused when there is no room to keep them, for one worker or for all, and all is given back', () => {
    const room = WAITING_REQUEST_BYTES + 100;
    const { lab, master, worker, asks, answers } = cluster({ maxMailPerPeer: 2 * room });
    for (const id of numbered(5)) asks(id, 'fst.allocate');
    expect(worker.messages('result')).toMatchObject([{ id: '4', ok: false }]);
    expect(worker.messages('result')[0]?.['reason']).toMatch(/^IPC_REQUEST_TOO_MANY: /);
    expect(lab.count('too-many-requests')).toBe(1);
    expect(lab.warnings()).toContainEqual(expect.stringMatching(/^no room to keep more requests/));
    answers('0');
    asks('5', 'fst.release');
    for (const id of ['1', '2', '3', '5']) answers(id);
    expect(ids(master)).toEqual(['0', '1', '2', '3', '5']);
    expect(lab.broker.bufferedBytes).toBe(0);

    const all = cluster({ maxTotalBuffered: 2 * 3 * room });
    for (const id of numbered(20)) all.asks(id, 'fst.release');
    expect(all.worker.messages('result').length).toBeGreaterThan(10);
    expect(all.lab.broker.bufferedBytes).toBeLessThanOrEqual(3 * room);
  });

  it('are kept for the next master, in order', () => {
    const { lab, master, asks, answers } = cluster();
    for (const id of numbered(6)) asks(id, 'fst.allocate');
    answers('0');
    master.leaves();
    asks('6', 'fst.allocate');
    const next = lab.connectMaster();
    expect(ids(next)).toEqual(['1', '2']);
    for (const id of ['1', '2', '3', '4', '5', '6'])
      next.tells({ type: 'result', id, ok: true, data: {} }, 'peerA');
    expect(ids(next)).toEqual(['1', '2', '3', '4', '5', '6']);
  });

  it('come behind what waited for the next master, though some of that is answered by the server', () => {
    const lab = new BrokerLab({ maxOutstandingRequests: 2 });
    const worker = lab.connect('peerA');
    worker.tells(request('0', 'kit.add', { key: 'k' }), '[master]');
    for (const id of ['1', '2', '3']) worker.tells(request(id, 'index.update'), '[master]');
    const master = lab.connect('[master]');
    master.tells({
      type: 'notification',
      data: { type: 'kit.new_key', index: LAST_SAFE_KEY_INDEX, key: 'z' },
    });
    lab.clock.advance(10_000);
    expect(ids(master).filter((id) => String(id).length === 1)).toEqual(['1', '2']);
    expect(worker.messages('result')).toMatchObject([{ id: '0', data: { index: -1 } }]);
  });

  it('are failed when no master comes for them in time, however many there are', () => {
    const { lab, master, worker, asks } = cluster({ masterTimeout: 20_000, maxMailPerPeer: 1_000_000 });
    master.leaves();
    for (const id of numbered(2_500)) asks(id, 'fst.allocate');
    lab.clock.advance(20_000);
    expect(ids(worker, 'result')).toEqual(numbered(2_500));
    expect(
      worker.messages('result').every(({ reason }) => /^IPC_REQUEST_NO_MASTER/.test(String(reason))),
    ).toBe(true);
    expect(lab.broker.bufferedBytes).toBe(0);
    expect(lab.timers).toBe(0);
  });

  it('are dropped when their worker is gone, but for what it gives back', () => {
    const { lab, master, worker, other, asks, answers } = cluster();
    for (const id of numbered(4)) asks(id, 'fst.allocate');
    asks('back', 'fst.release');
    worker.tells({ type: 'bye' });
    expect(ids(master)).toEqual(['0', '1', 'back']);
    expect(lab.log.find(({ message }) => message.includes('who asked is gone'))?.fields).toMatchObject({
      count: 2,
    });
    expect(lab.broker.bufferedBytes).toBe(0);
    for (const id of ['0', '1', 'back']) answers(id);
    other.tells(request('other', 'fst.allocate'), '[master]');
    expect(ids(master)).toEqual(['0', '1', 'back', 'other']);
  });

  it('go on while their worker is away, and their answers wait for it', () => {
    const { master, worker, asks, answers, lab } = cluster({ reconnectGrace: 10_000 });
    for (const id of numbered(4)) asks(id, 'fst.allocate');
    worker.leaves();
    for (const id of numbered(4)) answers(id);
    expect(ids(master)).toEqual(numbered(4));
    expect(ids(lab.connect('peerA'), 'result')).toEqual(numbered(4));
  });

  it('are answered when the server drains, and the master gets no more of them', () => {
    const { lab, master, worker, asks } = cluster();
    for (const id of numbered(5)) asks(id, 'fst.allocate');
    lab.broker.drain(1_000, () => undefined);
    lab.clock.advance(1_000);
    expect(ids(master)).toEqual(['0', '1']);
    expect(ids(worker, 'result')).toEqual(['2', '3', '4']);
    expect(worker.messages('result')[0]?.['reason']).toMatch(/^IPC_REQUEST_DRAINING/);
  });
});

describe('keys that many ask for at once [PROTOCOL-6.3]', () => {
  it('never are more than the table has room for, whether the master has answered or not', () => {
    const { lab, master, worker, asks, answers } = cluster({ maxOutstandingRequests: 100 });
    const index = LAST_SAFE_KEY_INDEX - 3;
    master.tells({ type: 'notification', data: { type: 'kit.new_key', index, key: 'z' } });
    worker.clear();
    for (const id of numbered(5)) asks(id, 'kit.add', { key: `key${id}` });
    expect(ids(master)).toEqual(['0', '1', '2']);
    expect(worker.messages('result')).toMatchObject([
      { id: '3', ok: true, data: { index: -1 } },
      { id: '4', ok: true, data: { index: -1 } },
    ]);
    answers('0');
    asks('5', 'kit.add', { key: 'key0' });
    expect(ids(master)).toEqual(['0', '1', '2', '5']);
    // The next master is asked by the server for what the last one had not answered for: until it has, that counts.
    master.leaves();
    const next = lab.connectMaster();
    const fromWorkers = () => next.messages('request').filter(({ from }) => from === 'peerA');
    expect(fromWorkers()).toEqual([]);
    next.messages('request').forEach(({ id }, known) => {
      next.tells({ type: 'result', id, ok: true, data: { ok: true, index: known } }, '[server]');
    });
    asks('6', 'kit.add', { key: 'key6' });
    expect(fromWorkers()).toMatchObject([{ id: '6' }]);
  });
});
