import { describe, expect, it } from 'vitest';
import { GoneIds } from '../../../src/broker/peers/membership.js';
import { BrokerLab, type ScriptedPeer } from '../../support/broker-lab.js';

const newKey = (index: number, key: string) => ({
  type: 'notification',
  data: { type: 'kit.new_key', key, index },
});
const hello = (from: string) => `{"type":"hello","from":"${from}"}`;
const keysOf = (peer: ScriptedPeer) =>
  peer.messages('notification').map((message) => (message['data'] as { key: string }).key);

describe('presence', () => {
  it('starts with the welcome, then brings every pair together by a hello without `to`', () => {
    const lab = new BrokerLab({ maxPayload: 1234 });
    const a = lab.connect('peerA');
    const b = lab.connect('peerB');
    expect(a.received).toEqual(['welcome:{"maxPayload":1234}', 'connect:peerB', hello('peerB')]);
    expect(b.received).toEqual(['welcome:{"maxPayload":1234}', hello('peerA')]);
  });

  it('tells the others when a peer goes, however it went', () => {
    const lab = new BrokerLab();
    const a = lab.connect('peerA').clear();
    lab.connect('peerB').leaves();
    const c = lab.connect('peerC');
    a.clear();
    c.tells({ type: 'bye' });
    expect(a.received).toEqual(['{"type":"bye","from":"peerC"}', 'disconnect:peerC']);
    expect(lab.events).toEqual([
      '+peerA',
      '+peerB',
      '-peerB: the line broke',
      '+peerC',
      '-peerC: said goodbye',
    ]);
  });

  it('ends the connection of a peer that says goodbye, and does not let its id back in', () => {
    const lab = new BrokerLab();
    lab.connect('other');
    const a = lab.connect('peerA');
    a.tells({ type: 'bye' });
    expect(a.closedWith).toBe('IPC_CLOSED_GOODBYE');
    a.leaves();
    expect(lab.connect('peerA').refusedWith).toBe('IPC_REFUSED_PEER_GONE');
    expect(lab.connect('peerA', 'another_data').isIn).toBe(true);
  });

  it('forgets the oldest of too many ids that said goodbye', () => {
    const ids = new GoneIds();
    for (let n = 0; n <= 10_000; n++) ids.add(`peer${n}`);
    expect(['peer0', 'peer1', 'peer10000'].map((id) => ids.has(id))).toEqual([false, true, true]);
  });

  it('replaces the connection of a worker that connects again: no disconnect for the others, but introductions', () => {
    const lab = new BrokerLab({ reconnectGrace: 10_000 });
    const a = lab.connect('peerA');
    const old = lab.connect('peerB');
    a.clear();
    const again = lab.connect('peerB');
    expect(old.closedWith).toBe('IPC_CLOSED_REPLACED');
    expect(a.received).toEqual(['connect:peerB', hello('peerB')]);
    expect(again.received).toContain(hello('peerA'));
    old.leaves();
    expect(lab.broker.peers('mydb_data').map(({ id }) => id)).toEqual(['peerA', 'peerB']);
    expect(a.received).toHaveLength(2);
  });

  it('does not take a late goodbye on a replaced connection for the process that is back', () => {
    const lab = new BrokerLab();
    const other = lab.connect('other');
    const old = lab.connect('peerA');
    const again = lab.connect('peerA');
    other.clear();
    old.tells({ type: 'bye' });
    expect(other.received).toEqual([]);
    expect(again.closedWith).toBeUndefined();
    again.leaves();
    expect(lab.connect('peerA').isIn).toBe(true);
  });

  it('tells a master that comes back who has gone meanwhile', () => {
    const lab = new BrokerLab();
    const master = lab.connectMaster();
    const [a] = [lab.connect('peerA'), lab.connect('peerB')];
    master.leaves();
    a.leaves();
    const again = lab.connectMaster();
    expect(again.received).toContain('disconnect:peerA');
    expect(again.received).toContain(hello('peerB'));
    again.leaves();
    expect(lab.connectMaster().received).not.toContain('disconnect:peerA');
  });

  it('introduces a master and workers to each other, whoever came first', () => {
    const lab = new BrokerLab();
    const before = lab.connect('before');
    const master = lab.connect('[master]');
    const during = lab.connect('during');
    lab.clock.advance(1_000);
    const after = lab.connect('after1');
    for (const id of ['before', 'during', 'after1']) expect(master.received).toContain(hello(id));
    for (const worker of [before, during, after]) expect(worker.received).toContain(hello('[master]'));
    expect(master.messages('hello')).toHaveLength(3);
    const unsettled = new BrokerLab({ masterSettle: 0 });
    unsettled.connect('before');
    expect(unsettled.connect('[master]').messages('hello')).toHaveLength(1);
  });
});

describe('the key table', () => {
  it('is told again to a worker just before its first granted lock, and only then', () => {
    const lab = new BrokerLab();
    const master = lab.connectMaster();
    const a = lab.connectWorker('peerA');
    master.tells(newKey(0, 'first'));
    master.tells(newKey(1, 'second'));
    const late = lab.connect('late1');
    expect(keysOf(late)).toEqual([]);
    late.tells({ type: 'move-lock-request', id: 'x', data: { id: 99 } }, '[master]');
    expect(late.messages('lock-result')).toMatchObject([{ id: 'x', ok: false }]);
    expect(keysOf(late)).toEqual([]);
    late.clear();
    lab.askForLock(late);
    expect(keysOf(late)).toEqual(['first', 'second']);
    expect(late.received.at(-1)).toContain('"lock-result"');
    late.clear();
    lab.askForLock(late);
    expect(keysOf(late)).toEqual([]);
    expect(keysOf(a)).toEqual(['first', 'second']);
  });

  it('is told to a new master when it has settled, before its requests, and once more two seconds later', () => {
    const lab = new BrokerLab();
    const old = lab.connectMaster();
    const worker = lab.connectWorker('peerA');
    old.tells(newKey(0, 'first'));
    old.leaves();
    worker.tells({ type: 'request', id: 'q', data: { type: 'fst.allocate' } }, '[master]');
    const master = lab.connect('[master]').clear();
    lab.clock.advance(1_000);
    const types = master.received.map((text) => (JSON.parse(text) as { type: string }).type);
    expect(types).toEqual(['hello', 'request', 'notification', 'request']);
    expect(master.messages('request')).toMatchObject([
      { from: '[server]', data: { type: 'kit.add', key: 'first' } },
      { from: 'peerA', id: 'q' },
    ]);
    master.clear();
    lab.clock.advance(2_000);
    expect(keysOf(master)).toEqual(['first']);
    expect(lab.timers).toBe(0);
  });

  it('is the master’s alone to announce', () => {
    const lab = new BrokerLab();
    const master = lab.connectMaster();
    lab.connectWorker('peerA').tells(newKey(0, 'forged'));
    master.tells(newKey(1, 'x'.repeat(600)));
    expect(keysOf(lab.connectWorker('late1'))).toEqual([]);
  });

  it('is completed by what a new master answers to a worker, before the worker hears of it', () => {
    const lab = new BrokerLab();
    const master = lab.connectMaster();
    const [a, b] = [lab.connectWorker('peerA'), lab.connectWorker('peerB')];
    a.tells({ type: 'request', id: 'k', data: { type: 'kit.add', key: 'found' } }, '[master]');
    for (const peer of [a, b, master]) peer.clear();
    master.tells({ type: 'result', id: 'k', ok: true, data: { ok: true, index: 3 } }, 'peerA');
    expect([keysOf(a), keysOf(b), keysOf(master)]).toEqual([['found'], ['found'], []]);
    expect(a.received.at(-1)).toContain('"result"');
    // Once is enough.
    b.tells({ type: 'request', id: 'k', data: { type: 'kit.add', key: 'found' } }, '[master]');
    master.tells({ type: 'result', id: 'k', ok: true, data: { ok: true, index: 3 } }, 'peerB');
    master.tells(newKey(3, 'found'));
    expect([keysOf(a), keysOf(b)]).toEqual([
      ['found', 'found'],
      ['found', 'found'],
    ]);
  });

  it('is completed by a key that a worker that is gone had asked the last master for', () => {
    const lab = new BrokerLab();
    const master = lab.connectMaster();
    const [a, b] = [lab.connectWorker('peerA'), lab.connectWorker('peerB')];
    a.tells({ type: 'request', id: 'k', data: { type: 'kit.add', key: 'told' } }, '[master]');
    a.leaves();
    master.leaves();
    const next = lab.connectMaster();
    const request = next.messages('request')[0] as { id: string };
    expect(request).toMatchObject({ from: '[server]', data: { type: 'kit.add', key: 'told' } });
    b.clear();
    next.tells({ type: 'result', id: request.id, ok: true, data: { ok: true, index: 0 } }, '[server]');
    expect(keysOf(b)).toEqual(['told']);
  });

  it('is completed by one that a worker had asked for which went between two masters', () => {
    const lab = new BrokerLab();
    const master = lab.connectMaster();
    const a = lab.connectWorker('peerA');
    lab.connectWorker('peerB');
    a.tells({ type: 'request', id: 'k', data: { type: 'kit.add', key: 'told' } }, '[master]');
    master.leaves();
    a.leaves();
    expect(lab.connectMaster().messages('request')).toMatchObject([
      { from: '[server]', data: { type: 'kit.add', key: 'told' } },
    ]);
  });

  it('is completed by one that two masters were asked for, of which neither has answered', () => {
    const lab = new BrokerLab();
    const master = lab.connectMaster();
    const [a] = [lab.connectWorker('peerA'), lab.connectWorker('peerB')];
    a.tells({ type: 'request', id: 'k', data: { type: 'kit.add', key: 'told' } }, '[master]');
    a.leaves();
    master.leaves();
    lab.connectMaster().leaves();
    expect(lab.connectMaster().messages('request')).toMatchObject([
      { from: '[server]', data: { type: 'kit.add', key: 'told' } },
    ]);
  });

  it('is completed by one that was asked for when all lost their lines, if one who was there comes back', () => {
    const lab = new BrokerLab({ reconnectGrace: 10_000 });
    const master = lab.connectMaster();
    const [a, b] = [lab.connectWorker('peerA'), lab.connectWorker('peerB')];
    a.tells({ type: 'request', id: 'k', data: { type: 'kit.add', key: 'told' } }, '[master]');
    a.tells({ type: 'bye' });
    master.tells({ type: 'bye' });
    for (const peer of [master, b]) peer.leaves();
    lab.connect('peerB');
    expect(lab.connectMaster().messages('request')).toMatchObject([
      { from: '[server]', data: { type: 'kit.add', key: 'told' } },
    ]);
  });

  it('takes no more keys when it may be full: one too many kills the master', () => {
    const lab = new BrokerLab();
    const master = lab.connectMaster();
    const worker = lab.connectWorker('peerA');
    master.tells(newKey(4_000, 'last'));
    worker.tells({ type: 'request', id: 'k', data: { type: 'kit.add', key: 'more' } }, '[master]');
    expect(master.messages('request')).toEqual([]);
    expect(worker.messages('result')).toMatchObject([{ id: 'k', ok: true, data: { ok: true, index: -1 } }]);
  });

  it('is forgotten when nobody is connected: the file may be another one then', () => {
    const lab = new BrokerLab();
    const master = lab.connectMaster();
    master.tells(newKey(0, 'first'));
    master.leaves();
    const next = lab.connectMaster();
    expect(keysOf(lab.connectWorker('peerA'))).toEqual([]);
    expect(keysOf(next)).toEqual([]);
  });
});
