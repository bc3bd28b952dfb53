import { describe, expect, it } from 'vitest';
import { MASTER_READY_MS } from '../../../src/broker/limits.js';
import { claimOf, MAX_CLAIMED_LOCKS, parseAnnouncement } from '../../../src/broker/peers/session.js';
import { BrokerLab, type ScriptedPeer } from '../../support/broker-lab.js';

const A = 'session-of-peer-a';
const B = 'session-of-peer-b';
const M = 'session-of-master';
const event = (n: number) => ({ type: 'event', n });
const numbers = (peer: ScriptedPeer) => peer.messages('event').map(({ n }) => n);
const welcomeOf = (peer: ScriptedPeer) =>
  (JSON.parse(peer.received[0]?.slice('welcome:'.length) ?? '') as { session?: object }).session;
/** How many frames a client has received that count. */
const counted = (peer: ScriptedPeer) =>
  peer.received.filter((text) => !/^((welcome|stable):|yield$)/.test(text)).length;

function cluster() {
  const lab = new BrokerLab({ reconnectGrace: 10_000 });
  const master = lab.connectClient('[master]', M);
  master.says('ready');
  const [a, b] = [lab.connectClient('peerA', A), lab.connectClient('peerB', B)];
  return { lab, master, a, b };
}

const lock = (id: number, epoch?: string, write = true) => ({
  id,
  tid: `tid${id}`,
  path: 'a',
  write,
  comment: 'x',
  epoch,
});

describe('the announcement [PROTOCOL-14.1]', () => {
  const of = (query: Record<string, string>) => parseAnnouncement((name) => query[name]);

  it('is read from the query, and words that are not known are ignored', () => {
    expect(of({ client: 'x/1', session: A, can: 'resume,fly', received: '7', folderSince: '5' })).toEqual({
      name: 'x/1',
      session: A,
      abilities: new Set(['resume']),
      received: 7,
      folderSince: 5,
    });
  });

  it.each([
    { client: 'x/1' },
    { session: A },
    { client: 'x 1', session: A },
    { client: 'x/1', session: 'short' },
  ])('is none if it is malformed: %j', (query) => expect(of(query)).toBeUndefined());
});

describe('a session [PROTOCOL-14.4]', () => {
  it('is asked what has arrived when it is convenient, or at once when much is on its way', () => {
    const lab = new BrokerLab({ maxBuffered: 8_000 });
    lab.connectClient('[master]', M).says('ready');
    const [a, b] = [lab.connectClient('peerA', A), lab.connectClient('peerB', B)];
    b.isReading = false;
    b.pings.length = 0;
    a.tells(event(1), 'peerB');
    expect(b.pings).not.toContain('prompt');
    for (let n = 0; n < 5; n++) a.tells({ type: 'event', text: 'x'.repeat(400) }, 'peerB');
    expect(b.pings.filter((kind) => kind === 'prompt')).toHaveLength(1);
    b.isReading = true;
    b.read();
    expect(b.bufferedBytes).toBe(0);
  });

  it('is welcomed; a stock client hears nothing of it', () => {
    const { lab, a } = cluster();
    expect(welcomeOf(a)).toEqual({ resumed: false, since: expect.any(Number), received: 0, grace: 10_000 });
    expect(lab.connect('stock').received[0]).toBe('welcome:{"maxPayload":10000}');
    expect(lab.broker.peers('mydb_data').map(({ client }) => client)).toEqual([
      'test/1',
      'test/1',
      'test/1',
      undefined,
    ]);
  });

  it('is resumed exactly, with a lock held, and nobody is told', () => {
    const { lab, master, a, b } = cluster();
    lab.grantLock(b, master, { lockId: 7, write: true });
    a.tells(event(1), 'peerB');
    b.leaves();
    a.clear();
    a.tells(event(2), 'peerB');
    a.tells(event(3), 'peerB');
    // It read the first event, but its pong did not arrive; nor did the lines of before.
    const again = lab.connectClient('peerB', B, counted(b));
    expect(welcomeOf(again)).toEqual({
      resumed: true,
      since: expect.any(Number),
      received: 1,
      grace: 10_000,
    });
    expect(numbers(again)).toEqual([2, 3]);
    expect(again.messages('hello')).toEqual([]);
    expect(a.received).toEqual([]);
    expect(lab.broker.locks('mydb_data').held).toMatchObject([{ id: 7, state: 'held' }]);
  });

  it('sends again what the client has not read, and not what it has', () => {
    const { lab, a, b } = cluster();
    b.isReading = false;
    for (const n of [1, 2, 3]) a.tells(event(n), 'peerB');
    const read = counted(b) + 2;
    b.leaves();
    expect(numbers(lab.connectClient('peerB', B, read))).toEqual([3]);
  });

  it('is resumed while the server has not noticed that the line broke', () => {
    const { lab, a, b } = cluster();
    const again = lab.connectClient('peerB', B, counted(b));
    expect(welcomeOf(again)).toMatchObject({ resumed: true });
    expect(b.closedWith).toBe('IPC_CLOSED_REPLACED');
    a.tells(event(1), 'peerB');
    expect(numbers(again)).toEqual([1]);
  });

  it('begins again if the client had not read the welcome: counts of another server mean nothing', () => {
    const lab = new BrokerLab({ reconnectGrace: 10_000 });
    const early = lab.connectClient('peerA', A, 1, 1);
    early.isReading = false;
    const first = lab.connectClient('[master]', M, 3, 1);
    first.leaves();
    early.leaves();
    const again = lab.connectClient('[master]', M, 3, 1);
    expect(welcomeOf(again)).toMatchObject({ resumed: false, received: 0 });
    const worker = lab.connectClient('peerA', A, 1, 1);
    expect(welcomeOf(worker)).toMatchObject({ resumed: false, received: 0 });
    worker.tells({ type: 'lock-request', id: 'r', data: { path: 'a', tid: 't', write: true } }, '[master]');
    again.says('ready');
    expect(again.messages('lock-request')).toHaveLength(1);
  });

  it('is not resumed with another session, a count that cannot be, or after its time', () => {
    const { lab, b } = cluster();
    b.leaves();
    expect(lab.connectClient('peerB', B, 10_000).refusedWith).toBe('IPC_REFUSED_UNSAFE_RETURN');
    lab.clock.advance(10_000);
    expect(lab.connectClient('peerB', B, counted(b)).refusedWith).toBe('IPC_REFUSED_PEER_GONE');
  });
});

describe('a master with a session [PROTOCOL-14.5]', () => {
  it('gets its mail when it is ready, or after a minute', () => {
    const lab = new BrokerLab();
    const worker = lab.connect('worker');
    worker.tells({ type: 'lock-request', id: 'r1', data: { path: 'a', tid: 't', write: true } }, '[master]');
    const master = lab.connectClient('[master]', M);
    lab.clock.advance(MASTER_READY_MS - 1);
    expect(master.messages('lock-request')).toEqual([]);
    lab.clock.advance(1);
    expect(master.messages('lock-request')).toHaveLength(1);
    master.leaves();
    const next = lab.connectClient('[master]', `${M}2`);
    next.says('ready');
    expect(next.messages('lock-request')).toHaveLength(1);
  });

  it('has to go at a new server when the one is there that had taken its place; what it granted, nobody else knows', () => {
    const lab = new BrokerLab();
    const replaced = lab.connectClient('[master]', M, 3, 1_000);
    const last = lab.connectClient('[master]', `${M}2`, 3, 2_000);
    expect([replaced.closedWith, last.refusedWith]).toEqual([
      'IPC_CLOSED_MASTER_REPLACED',
      'IPC_REFUSED_OLD_MASTER',
    ]);
    const fresh = lab.connectClient('[master]', `${M}3`);
    // One that came earlier, and one that was never here, are second masters like any other.
    const others = [lab.connectClient('[master]', M, 3, 1_000), lab.connectClient('[master]', `${M}4`)];
    lab.clock.advance(4_000);
    expect([fresh.refusedWith, fresh.closedWith]).toEqual([undefined, undefined]);
    for (const other of others) expect(other.refusedWith).toBe('IPC_REFUSED_SECOND_MASTER');
  });

  it('is waited for when its line breaks, and resumed', () => {
    const { lab, master, a } = cluster();
    master.leaves();
    a.tells({ type: 'lock-request', id: 'r1', data: { path: 'a', tid: 't', write: true } }, '[master]');
    const again = lab.connectClient('[master]', M, counted(master));
    expect(welcomeOf(again)).toMatchObject({ resumed: true });
    expect(again.messages('lock-request')).toMatchObject([{ id: 'r1' }]);
  });

  it('makes room at once for another process, and is not let in any more', () => {
    const { lab, master, a } = cluster();
    const received = counted(master);
    master.leaves();
    a.tells({ type: 'lock-request', id: 'r1', data: { path: 'a', tid: 't', write: true } }, '[master]');
    const next = lab.connectClient('[master]', 'session-of-next-one');
    next.says('ready');
    expect(next.messages('lock-request')).toMatchObject([{ id: 'r1' }]);
    next.leaves();
    lab.clock.advance(10_000);
    expect(lab.connectClient('[master]', M, received).refusedWith).toBe('IPC_REFUSED_OLD_MASTER');
  });
});

describe('a new server [PROTOCOL-14.6]', () => {
  const returned = () => {
    const lab = new BrokerLab({ reconnectGrace: 10_000 });
    return { lab, worker: lab.connectClient('peerA', A, 5) };
  };
  const ask = (peer: ScriptedPeer, tid: string) =>
    peer.tells({ type: 'lock-request', id: `ask-${tid}`, data: { path: 'a', tid, write: true } }, '[master]');

  it('takes the locks of a worker for held if their master is the one that comes', () => {
    const { lab, worker } = returned();
    worker.says(claimOf([lock(7, M)]));
    expect(lab.broker.locks('mydb_data').held).toMatchObject([{ id: 7, state: 'orphaned' }]);
    const master = lab.connectClient('[master]', M, 3);
    master.says('ready');
    expect(lab.broker.locks('mydb_data').held).toMatchObject([{ id: 7, state: 'held' }]);
    worker.tells({ type: 'unlock-request', id: 'u', data: { id: 7 } }, '[master]');
    expect(master.messages('unlock-request')).toMatchObject([{ data: { id: 7 } }]);
  });

  it('counts a claim like any other frame', () => {
    const { lab, worker } = returned();
    worker.says(claimOf([lock(7, M)]));
    worker.tells(event(1));
    worker.leaves();
    expect(welcomeOf(lab.connectClient('peerA', A, counted(worker)))).toMatchObject({
      resumed: true,
      received: 2,
    });
  });

  it('does not let a worker in that comes so late that others do not wait for it any more', () => {
    const { lab, worker } = returned();
    lab.clock.advance(10_001);
    const late = lab.connectClient('peerB', B, 5);
    expect([worker.isIn, late.isIn, lab.connectClient('peerB', `${B}2`).isIn]).toEqual([true, false, true]);
  });

  it('keeps an unlock for the master that granted the lock, though that is not back yet', () => {
    const { lab, worker } = returned();
    worker.says(claimOf([lock(7, M)]));
    worker.tells({ type: 'unlock-request', id: 'u', data: { id: 7 } }, '[master]');
    expect(worker.messages('unlock-result')).toEqual([]);
    const master = lab.connectClient('[master]', M, 3);
    master.says('ready');
    expect(master.messages('unlock-request')).toMatchObject([{ id: 'u', data: { id: 7 } }]);
  });

  it('lets no new master grant a lock before all have had the time to come back', () => {
    const { lab, worker } = returned();
    worker.says(claimOf([]));
    const master = lab.connectClient('[master]', 'session-of-next-one');
    master.says('ready');
    ask(worker, 'new');
    expect(master.messages('lock-request')).toEqual([]);
    const late = lab.connectClient('peerB', B, 5);
    late.says(claimOf([lock(7, M)]));
    lab.clock.advance(10_000);
    // The lock of the late one still stands against it.
    expect(master.messages('lock-request')).toEqual([]);
    late.tells({ type: 'unlock-request', id: 'u', data: { id: 7 } }, '[master]');
    expect(late.messages('unlock-result')).toMatchObject([{ ok: true }]);
    expect(master.messages('lock-request')).toMatchObject([{ data: { tid: 'new' } }]);
  });

  it('waits if the master that was there before leaves before all are back', () => {
    const { lab, worker } = returned();
    const master = lab.connectClient('[master]', M, 3);
    master.says('ready');
    master.tells({ type: 'bye' });
    lab.clock.advance(2_000);
    const next = lab.connectClient('[master]', `${M}2`);
    next.says('ready');
    ask(worker, 'new');
    expect(next.messages('lock-request')).toEqual([]);
    lab.clock.advance(8_000);
    expect(next.messages('lock-request')).toMatchObject([{ data: { tid: 'new' } }]);
  });

  it('does not wait if that one said that all its locks have ended', () => {
    const { lab, worker } = returned();
    const master = lab.connectClient('[master]', M, 3);
    master.says('ready');
    master.says('cleared');
    master.tells({ type: 'bye' });
    for (const session of [`${M}2`, `${M}3`]) {
      const next = lab.connectClient('[master]', session);
      next.says('ready');
      ask(worker, session);
      expect(next.messages('lock-request')).toMatchObject([{ data: { tid: session } }]);
      next.tells({ type: 'lock-result', id: `ask-${session}`, ok: false, reason: 'x' }, 'peerA');
      next.tells({ type: 'bye' });
    }
  });

  it('waits though one says so that was not there before: it does not know', () => {
    const { lab, worker } = returned();
    const fresh = lab.connectClient('[master]', `${M}2`);
    for (const word of ['ready', 'cleared']) fresh.says(word);
    fresh.tells({ type: 'bye' });
    const next = lab.connectClient('[master]', `${M}3`);
    next.says('ready');
    ask(worker, 'new');
    expect(next.messages('lock-request')).toEqual([]);
  });

  it('passes on at once what the master may have granted before, though an index is being made', () => {
    const { lab, worker } = returned();
    const master = lab.connectClient('[master]', M, 3);
    master.says('ready');
    const fresh = lab.connectClient('peerB', B);
    fresh.tells({ type: 'request', id: 'index', data: { type: 'index.create' } }, '[master]');
    ask(fresh, 'new');
    ask(worker, 'old');
    expect(master.messages('lock-request')).toMatchObject([{ id: 'ask-old' }]);
  });

  it('does not wait if the master was there before', () => {
    const { lab, worker } = returned();
    const master = lab.connectClient('[master]', M, 3);
    master.says('ready');
    ask(worker, 'new');
    expect(master.messages('lock-request')).toHaveLength(1);
  });

  it.each([
    ['not JSON', 'locks:[{'],
    ['no list', 'locks:{}'],
    ['a lock without a number', 'locks:[{"tid":"x"}]'],
    ['too many', claimOf(Array.from({ length: MAX_CLAIMED_LOCKS + 1 }, (_, id) => lock(id)))],
  ])('drops a claim that is malformed: %s', (_what, claim) => {
    const { lab, worker } = returned();
    worker.says(claim);
    expect(lab.count('malformed-frame')).toBe(1);
    expect(lab.broker.locks('mydb_data').held).toEqual([]);
  });

  it('drops the claim of a stock client, and a second one', () => {
    const { lab, worker } = returned();
    lab.connect('stock').says(claimOf([lock(1)]));
    worker.says(claimOf([]));
    worker.says(claimOf([lock(2)]));
    expect(lab.count('malformed-frame')).toBe(2);
  });
});

describe('the word yield [PROTOCOL-14.8]', () => {
  const words = (peer: ScriptedPeer) => peer.received.filter((text) => text === 'yield').length;
  const ask = (peer: ScriptedPeer, id: string, write: boolean) =>
    peer.tells({ type: 'lock-request', id, data: { path: 'a', tid: `tid-${id}`, write } }, '[master]');

  it('comes to those who may be reading when somebody wants to write, once', () => {
    const { lab, a, b } = cluster();
    const stock = lab.connect('stock');
    ask(a, 'r1', false);
    ask(stock, 'r2', false);
    expect(words(a)).toBe(0);
    ask(b, 'w1', true);
    ask(b, 'w2', true);
    expect([a, b, stock].map(words)).toEqual([1, 0, 0]);
    lab.clock.advance(100);
    ask(a, 'r3', false);
    lab.clock.advance(100);
    ask(stock, 'w3', true);
    expect([a, b, stock].map(words)).toEqual([2, 0, 0]);
  });

  it('comes though the one who wants to write has to wait for others first', () => {
    const { lab, master, a, b } = cluster();
    ask(a, 'r1', false);
    lab.grantLock(b, master, { lockId: 9, tid: 'orphan', write: false });
    master.leaves();
    lab.connectClient('[master]', 'another-session-of-master').says('ready');
    const before = words(a);
    ask(b, 'w1', true);
    expect(words(a) - before).toBe(1);
  });

  it('is not said to those who are gone', () => {
    const { a, b } = cluster();
    ask(a, 'r1', false);
    a.tells({ type: 'bye' });
    ask(b, 'w1', true);
    expect(words(a)).toBe(0);
  });
});

describe('what has arrived everywhere [PROTOCOL-14.7]', () => {
  const stable = (peer: ScriptedPeer) => peer.received.filter((text) => text.startsWith('stable:'));

  it('is told when all have read it, and no timer is left behind', () => {
    const { lab, a, b } = cluster();
    lab.clock.advance(3_000);
    expect(lab.timers).toBe(0);
    b.isReading = false;
    a.tells(event(1), 'peerB');
    a.tells(event(2), 'peerB');
    lab.clock.advance(1_000);
    expect(stable(a)).toEqual([]);
    b.isReading = true;
    b.read();
    lab.clock.advance(1_000);
    expect(stable(a)).toEqual(['stable:2']);
    expect(lab.timers).toBe(0);
  });

  it('waits for one that is away, until it is gone', () => {
    const { lab, a, b } = cluster();
    b.leaves();
    a.tells(event(1), 'peerB');
    lab.clock.advance(9_000);
    expect(stable(a)).toEqual([]);
    lab.clock.advance(2_000);
    expect(stable(a)).toEqual(['stable:1']);
  });

  it('waits for what is kept for a master that has not opened its file, until that has read it, or is gone', () => {
    const lab = new BrokerLab({ reconnectGrace: 10_000 });
    const a = lab.connectClient('peerA', A);
    const first = lab.connectClient('[master]', M);
    a.tells(event(1), '[master]');
    a.tells({ type: 'notification', data: { type: 'x' } });
    lab.clock.advance(1_000);
    expect(first.messages('event')).toEqual([]);
    expect(stable(a)).toEqual([]);
    first.isReading = false;
    first.says('ready');
    lab.clock.advance(1_000);
    expect(stable(a)).toEqual([]);
    first.isReading = true;
    first.read();
    lab.clock.advance(1_000);
    expect(numbers(first)).toEqual([1]);
    expect(stable(a)).toEqual(['stable:2']);

    first.tells({ type: 'bye' });
    const second = lab.connectClient('[master]', 'session-of-another');
    a.tells(event(2), '[master]');
    lab.clock.advance(1_000);
    expect(stable(a)).toEqual(['stable:2']);
    second.tells({ type: 'bye' });
    lab.clock.advance(1_000);
    expect(stable(a)).toEqual(['stable:2', 'stable:3']);
  });

  it('waits for a master that is away before it has opened its file', () => {
    const lab = new BrokerLab({ reconnectGrace: 10_000 });
    const a = lab.connectClient('peerA', A);
    const master = lab.connectClient('[master]', M);
    master.leaves();
    a.tells(event(1), '[master]');
    lab.clock.advance(1_000);
    expect(stable(a)).toEqual([]);
    const again = lab.connectClient('[master]', M, counted(master));
    again.says('ready');
    lab.clock.advance(1_000);
    expect(numbers(again)).toEqual([1]);
    expect(stable(a)).toEqual(['stable:1']);
  });

  it('waits for a long message that is to be picked up', () => {
    const lab = new BrokerLab({ reconnectGrace: 10_000, largeMessages: 'http', maxPayload: 100 });
    lab.connectClient('[master]', M).says('ready');
    const [a, b] = [lab.connectClient('peerA', A), lab.connectClient('peerB', B)];
    a.tells({ ...event(1), text: 'x'.repeat(100) }, 'peerB');
    a.tells(event(2), 'peerB');
    lab.clock.advance(1_000);
    expect(numbers(b)).toEqual([2]);
    expect(stable(a)).toEqual([]);
    const messageId = b.received.find((text) => text.startsWith('get:'))?.slice('get:'.length) ?? '';
    expect(lab.broker.pickUp('mydb_data', 'peerB', messageId)).toBeDefined();
    lab.clock.advance(1_000);
    expect(stable(a)).toEqual(['stable:2']);
  });
});
