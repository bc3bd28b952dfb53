import { describe, expect, it } from 'vitest';
import { BrokerLab, type ScriptedPeer } from '../../support/broker-lab.js';

const request = (id: string, type: string, more = {}) => ({ type: 'request', id, data: { type, ...more } });
const cluster = (limits = {}) => {
  const lab = new BrokerLab(limits);
  const master = lab.connectMaster();
  const worker = lab.connectWorker('peerA', master);
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

  it('that grants a lock nobody waits for gives it back', () => {
    const { master, worker } = cluster();
    master.tells({ type: 'lock-result', id: 'x', ok: true, data: { id: 40, tid: 't' } }, 'peerA');
    expect(worker.received).toEqual([]);
    expect(master.messages('unlock-request')).toMatchObject([{ from: '[server]', data: { id: 40 } }]);
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
    worker.tells({ type: 'lock-request', id: '1', data: { tid: 't' } }, '[master]');
    lab.clock.advance(100_000);
    master.leaves();
    lab.clock.advance(4_999);
    expect(answers(worker)).toEqual([]);
    lab.clock.advance(1);
    expect(answers(worker)).toMatchObject([{ id: '1', ok: false }]);
  });

  it('waits for a master that settles, however long that takes', () => {
    const lab = new BrokerLab({ masterTimeout: 1_000, masterSettle: 5_000 });
    const worker = lab.connect('peerA');
    worker.tells({ type: 'lock-request', id: '1', data: { tid: 't' } }, '[master]');
    lab.clock.advance(500);
    const master = lab.connectMaster();
    expect(answers(worker)).toEqual([]);
    expect(master.messages('lock-request')).toMatchObject([{ id: '1' }]);
  });
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
    lab.grantLock(worker, master, { lockId: 50, tid: 'held' });
    const subjects = [
      'kit.add',
      'fst.allocate',
      'fst.release',
      'index.create',
      'index.update',
      'index.delete',
    ];
    worker.tells({ type: 'lock-request', id: 'lock', data: { tid: 'held' } }, '[master]');
    worker.tells({ type: 'move-lock-request', id: 'move', data: { id: 50, move_to: 'parent' } }, '[master]');
    for (const subject of subjects) worker.tells(request(subject, subject), '[master]');
    worker.clear();
    master.leaves();
    expect(worker.messages('result')).toMatchObject([
      { id: 'fst.release', ok: true },
      { id: 'index.delete', ok: false },
    ]);
    expect(worker.messages('lock-result')).toMatchObject([
      { id: 'move', ok: true, data: { id: 50, path: 'a', tid: 'held', write: false } },
    ]);
    const next = lab.connectMaster();
    const own = next.messages('lock-request').filter(({ from }) => from === 'peerA');
    expect(own.map(({ id }) => id)).toEqual(['lock']);
    expect(next.messages('request').map(({ id }) => id)).toEqual([
      'kit.add',
      'fst.allocate',
      'index.create',
      'index.update',
    ]);
  });

  it('is not asked again for a worker that went away meanwhile', () => {
    const { lab, master, worker } = cluster();
    worker.tells({ type: 'lock-request', id: '1', data: { tid: 't' } }, '[master]');
    worker.leaves();
    master.leaves();
    lab.connect('peerB');
    const asked = lab.connectMaster().messages('lock-request');
    expect(asked.filter(({ from }) => from !== '[server]')).toEqual([]);
  });
});
