import { describe, expect, it } from 'vitest';
import { BrokerLab, isProof, type ScriptedPeer } from '../../support/broker-lab.js';

const request = (id: string, type: string, more = {}) => ({ type: 'request', id, data: { type, ...more } });
const cluster = (limits = {}) => {
  const lab = new BrokerLab(limits);
  const master = lab.connectMaster();
  const worker = lab.connectWorker('peerA');
  worker.clear();
  master.clear();
  return { lab, master, worker };
};
const answers = (peer: ScriptedPeer) =>
  ['lock-result', 'unlock-result', 'result'].flatMap((type) => peer.messages(type));

describe('an answer', () => {
  it('reaches a worker once, and only if it asked for it [PROTOCOL-6.1]', () => {
    const { lab, master, worker } = cluster();
    const result = { type: 'result', id: 'q', ok: true, data: {} };
    master.tells(result, 'peerA');
    expect(worker.received).toEqual([]);
    worker.tells(request('q', 'fst.allocate'), '[master]');
    master.tells({ ...result, type: 'unlock-result' }, 'peerA');
    expect(worker.received).toEqual([]);
    master.tells(result, 'peerA');
    master.tells(result, 'peerA');
    expect(answers(worker)).toHaveLength(1);
    expect(lab.count('unasked-answer')).toBe(3);
  });

  it('that grants the server a lock it does not wait for gives it back', () => {
    const { lab, master } = cluster();
    const answer = { type: 'lock-result', id: '[server]of-another-1', ok: true, data: { id: 40, tid: 't' } };
    master.tells(answer, '[server]');
    expect(master.messages('unlock-request')).toMatchObject([{ from: '[server]', data: { id: 40 } }]);
    expect(lab.count('unasked-answer')).toBe(0);
  });

  it('that grants a worker a lock is dropped, though the worker waits for one: the server grants them', () => {
    const { lab, master, worker } = cluster();
    lab.askForLock(lab.connectWorker('peerB'), { write: true });
    worker.clear();
    const id = lab.askForLock(worker, { tid: 't', write: true });
    master.tells({ type: 'lock-result', id, ok: true, data: { id: 40, tid: 't' } }, 'peerA');
    expect(worker.received).toEqual([]);
    expect(lab.count('unasked-answer')).toBe(1);
  });

  it('of somebody else than the master is dropped', () => {
    const { lab, worker } = cluster();
    worker.tells(request('q', 'fst.allocate'), '[master]');
    lab.connect('mallory').tells({ type: 'result', id: 'q', ok: true, data: {} }, 'peerA');
    expect(answers(worker)).toEqual([]);
  });
});

describe('a request that no master can answer', () => {
  it('is answered by the server after masterTimeout, by its kind', () => {
    const lab = new BrokerLab({ masterTimeout: 60_000 });
    const worker = lab.connect('peerA');
    worker.tells({ type: 'lock-request', id: '1', data: { tid: 't' } }, '[master]');
    lab.clock.advance(20_000);
    worker.tells(request('2', 'kit.add'), '[master]');
    worker.tells(request('3', 'fst.release'), '[master]');
    worker.tells(request('4', 'fst.allocate'), '[master]');
    lab.clock.advance(39_999);
    expect(answers(worker)).toEqual([]);
    lab.clock.advance(1);
    expect(answers(worker)).toMatchObject([{ id: '1', ok: false }]);
    expect(worker.messages('lock-result')[0]?.['reason']).toMatch(/^IPC_REQUEST_NO_MASTER: .*"mydb_data"/);
    lab.clock.advance(20_000);
    expect(worker.messages('result')).toMatchObject([
      { id: '2', ok: true, data: { ok: true, index: -1 } },
      { id: '3', ok: true, data: { ok: true } },
      { id: '4', ok: false },
    ]);
    expect(lab.warnings()[0]).toMatch(/^no master is connected, and the workers need one/);
    expect(lab.timers).toBe(0);
    expect(lab.connectMaster().messages('request')).toEqual([]);
  });

  it('has its full time from the loss of the master', () => {
    const { lab, master, worker } = cluster({ masterTimeout: 5_000 });
    lab.askForLock(lab.connectWorker('peerB'), { write: true });
    worker.clear().tells({ type: 'lock-request', id: '1', data: { tid: 't' } }, '[master]');
    worker.tells(request('2', 'fst.allocate'), '[master]');
    lab.clock.advance(100_000);
    master.leaves();
    lab.clock.advance(4_999);
    expect(answers(worker)).toEqual([]);
    lab.clock.advance(1);
    expect(answers(worker)).toMatchObject([
      { id: '1', ok: false },
      { id: '2', ok: false },
    ]);
  });

  it('waits for a master that settles, however long that takes', () => {
    const lab = new BrokerLab({ masterTimeout: 1_000, masterSettle: 5_000 });
    const worker = lab.connect('peerA');
    worker.tells({ type: 'lock-request', id: '1', data: { tid: 't' } }, '[master]');
    worker.tells(request('2', 'fst.allocate'), '[master]');
    lab.clock.advance(500);
    const master = lab.connectMaster();
    expect(answers(worker)).toMatchObject([{ id: '1', ok: true }]);
    expect(master.messages('request')).toMatchObject([{ id: '2' }]);
  });
});

it('under an id of the server is malformed: its answer would be taken for one that the server has asked for', () => {
  const lab = new BrokerLab();
  const master = lab.connectMaster();
  const worker = lab.connect('peerA');
  lab.askForLock(worker);
  const asked = master.messages('lock-request').find(({ from }) => from === '[server]');
  master.clear();
  worker.tells({ type: 'request', id: asked?.['id'], data: { type: 'kit.add', key: 'k' } }, '[master]');
  expect(master.messages('request')).toEqual([]);
  expect(lab.count('malformed-frame')).toBe(1);
});

it('an id that is open already is no new request', () => {
  const { lab, master, worker } = cluster();
  for (const _ of [1, 2]) worker.tells(request('1', 'fst.allocate'), '[master]');
  expect(master.messages('request')).toHaveLength(1);
  expect(lab.count('malformed-frame')).toBe(1);
});

describe('what a master left unanswered', () => {
  it('is asked again of the next one if that is safe, and answered by the server if not', () => {
    const { lab, master, worker } = cluster();
    lab.askForLock(worker, { tid: 'held' });
    const subjects = [
      'kit.add',
      'fst.allocate',
      'fst.release',
      'index.create',
      'index.update',
      'index.delete',
    ];
    for (const subject of subjects) worker.tells(request(subject, subject), '[master]');
    worker.clear();
    master.leaves();
    expect(worker.messages('result')).toMatchObject([
      { id: 'fst.release', ok: true },
      { id: 'index.delete', ok: false },
    ]);
    const next = lab.connectMaster();
    // What workers hold stays theirs: the next master is asked for the root lock, and for nothing else of it.
    expect(lab.overview.locks('mydb_data').held).toMatchObject([{ tid: 'held', state: 'held' }]);
    const [root, ...others] = next.messages('lock-request').filter((request) => !isProof(request));
    expect([root, others]).toMatchObject([{ from: '[server]', data: { path: '', write: false } }, []]);
    expect(next.messages('request').map(({ id }) => id)).toEqual([
      'kit.add',
      'fst.allocate',
      'index.create',
      'index.update',
    ]);
  });

  it('is not asked again for a worker that went away meanwhile', () => {
    const { lab, master, worker } = cluster();
    worker.tells(request('1', 'fst.allocate'), '[master]');
    worker.leaves();
    master.leaves();
    lab.connect('peerB');
    expect(lab.connectMaster().messages('request')).toEqual([]);
  });
});
