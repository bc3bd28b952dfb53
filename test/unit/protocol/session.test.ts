import { describe, expect, it } from 'vitest';
import { MASTER_READY_MS, ROOT_LINGER_IF_TOLD_MS } from '../../../src/broker/limits.js';
import {
  claimOf,
  MAX_CLAIMED_LOCKS,
  parseAnnouncement,
  parseReady,
  readyWord,
} from '../../../src/protocol/session.js';
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
  peer.received.filter((text) => !/^(welcome|stable):/.test(text)).length;

function cluster() {
  const lab = new BrokerLab({ reconnectGrace: 10_000, lease: 7_000 });
  const master = lab.connectClient('[master]', M);
  lab.letGrant(master);
  master.says('ready');
  const [a, b] = [lab.connectClient('peerA', A), lab.connectClient('peerB', B)];
  return { lab, master, a, b };
}

const request = (id: string) => ({ type: 'request', id, data: { type: 'fst.allocate' } });
const lock = (id: number) => ({ id, tid: `tid${id}`, path: 'a', write: true, comment: 'x' });

describe('the announcement [PROTOCOL-14.1]', () => {
  const of = (query: Record<string, string>) => parseAnnouncement((name) => query[name]);

  it('is read from the query, and words that are not known are ignored', () => {
    expect(of({ client: 'x/1', session: A, can: 'resume,fly', received: '7', folderSince: '5' })).toEqual({
      name: 'x/1',
      session: A,
      abilities: new Set(['resume']),
      received: 7,
      folderSince: 5,
      isJournalOn: false,
      isFolderInUse: false,
    });
    expect(of({ client: 'x/1', session: A, other: '1' })?.isFolderInUse).toBe(true);
  });

  it('says at which run of which server it was', () => {
    const serverOf = (server: string) => of({ client: 'x/1', session: A, server })?.server;
    expect([serverOf('run-1'), serverOf('run 1'), serverOf(''), serverOf('x'.repeat(65))]).toEqual([
      'run-1',
      undefined,
      undefined,
      undefined,
    ]);
  });

  it('says whether the journal is in force [PROTOCOL-16.1]', () => {
    const isOn = (journal: string) => of({ client: 'x/1', session: A, journal })?.isJournalOn;
    expect([isOn('on'), isOn('off'), isOn('')]).toEqual([true, false, false]);
  });

  it.each([
    { client: 'x/1' },
    { session: A },
    { client: 'x 1', session: A },
    { client: 'x/1', session: 'short' },
  ])('is none if it is malformed: %j', (query) => expect(of(query)).toBeUndefined());
});

describe('the word that the file is open [PROTOCOL-14.5]', () => {
  const read = (word: string) => parseReady(new TextEncoder().encode(word));
  const root = { pageNr: 65_536, recordNr: 7 };

  it('says where the root is, or nothing of it', () => {
    expect([read(readyWord(root)), read(readyWord(undefined))]).toEqual([{ root }, { root: undefined }]);
  });

  it.each([
    'ready:',
    'ready:7',
    'ready:null',
    'ready:{"pageNr":0}',
    'ready:{"pageNr":-1,"recordNr":7}',
    'ready:{"pageNr":0,"recordNr":"7"}',
    'ready:{"pageNr":0,"recordNr":1.5}',
    `ready:{"pageNr":0,"recordNr":7${' '.repeat(64)}}`,
  ])('is nothing if it is malformed: %s', (word) => expect(read(word)).toBeUndefined());

  it('is refused if it is malformed, or from a client without a session', () => {
    const lab = new BrokerLab();
    const client = lab.connectClient('peerA', A);
    client.says('ready:{}');
    const stock = lab.connect('peerB');
    stock.says('ready');
    expect(lab.count('malformed-frame')).toBe(2);
  });
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
    expect(welcomeOf(a)).toEqual({
      resumed: false,
      since: expect.any(Number),
      received: 0,
      server: 'this-server',
      grace: 10_000,
      lease: 7_000,
      patience: 60_000,
      turns: true,
      slice: 20,
    });
    expect(lab.connect('stock').received[0]).toBe('welcome:{"maxPayload":10000}');
    expect(lab.broker.peers('mydb_data').map(({ client }) => client)).toEqual([
      'test/1',
      'test/1',
      'test/1',
      undefined,
    ]);
  });

  it('is resumed exactly, with a lock held, and nobody is told', () => {
    const { lab, a, b } = cluster();
    lab.askForLock(b, { write: true });
    const lockId = lab.lockOf(b);
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
      server: 'this-server',
      grace: 10_000,
      lease: 7_000,
      patience: 60_000,
      turns: true,
      slice: 20,
    });
    expect(numbers(again)).toEqual([2, 3]);
    expect(again.messages('hello')).toEqual([]);
    expect(a.received).toEqual([]);
    expect(lab.overview.locks('mydb_data').held).toMatchObject([{ id: lockId, state: 'held' }]);
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
    const other = new BrokerLab({ reconnectGrace: 10_000 });
    const first = other.connectClient('[master]', M, 3, 1);
    first.isReading = false;
    first.leaves();
    expect(welcomeOf(other.connectClient('[master]', M, 3, 1))).toMatchObject({
      resumed: false,
      received: 0,
    });

    const lab = new BrokerLab({ reconnectGrace: 10_000 });
    const early = lab.connectClient('peerA', A, 1, 1);
    early.isReading = false;
    early.leaves();
    const worker = lab.connectClient('peerA', A, 1, 1);
    expect(welcomeOf(worker)).toMatchObject({ resumed: false, received: 0 });
    worker.says(claimOf({ held: [], peers: [] }));
    lab.askForLock(worker, { requestId: 'r', write: true });
    const master = lab.connectClient('[master]', M);
    lab.letGrant(master);
    master.says('ready');
    expect(master.messages('lock-request')).toHaveLength(1);
    expect(worker.messages('lock-result')).toMatchObject([{ id: 'r', ok: true }]);
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
    worker.tells(request('r1'), '[master]');
    lab.askForLock(worker, { write: true });
    const asked = (peer: ScriptedPeer) =>
      ['request', 'lock-request'].flatMap((type) => peer.messages(type).map(({ from }) => from));
    const master = lab.connectClient('[master]', M);
    lab.clock.advance(MASTER_READY_MS - 1);
    expect(asked(master)).toEqual([]);
    lab.clock.advance(1);
    expect(asked(master)).toEqual(['worker', '[server]']);
    master.leaves();
    const next = lab.connectClient('[master]', `${M}2`);
    next.says('ready');
    expect(asked(next)).toEqual(['worker', '[server]']);
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
    a.tells(request('r1'), '[master]');
    lab.askForLock(a, { write: true });
    const again = lab.connectClient('[master]', M, counted(master));
    expect(welcomeOf(again)).toMatchObject({ resumed: true });
    expect(again.messages('request')).toMatchObject([{ id: 'r1' }]);
    expect(again.messages('lock-request')).toMatchObject([{ from: '[server]', data: { write: true } }]);
  });

  it('makes room for another process when its time to come back is over, and is not let in any more', () => {
    const { lab, master, a } = cluster();
    const received = counted(master);
    master.leaves();
    lab.clock.advance(10_000);
    a.tells(request('r1'), '[master]');
    lab.askForLock(a, { requestId: 'lock', write: true });
    const next = lab.connectClient('[master]', 'session-of-next-one');
    lab.letGrant(next);
    next.says('ready');
    expect(next.messages('request')).toMatchObject([{ id: 'r1' }]);
    // The last one was asked for the root lock, too: what it says does not count any more.
    expect(next.messages('lock-request')).toMatchObject([{ from: '[server]' }]);
    expect(a.messages('lock-result')).toMatchObject([{ id: 'lock', ok: true }]);
    next.leaves();
    lab.clock.advance(10_000);
    expect(lab.connectClient('[master]', M, received).refusedWith).toBe('IPC_REFUSED_OLD_MASTER');
  });
});

describe('a new server [PROTOCOL-14.6]', () => {
  /** A worker that was at another server, and a master that was not. */
  const returned = () => {
    const lab = new BrokerLab({ reconnectGrace: 10_000 });
    const worker = lab.connectClient('peerA', A, 5);
    return { lab, worker };
  };
  const newMaster = (lab: BrokerLab, session = 'session-of-next-one') => {
    const master = lab.connectClient('[master]', session);
    lab.letGrant(master);
    master.says('ready');
    return master;
  };
  const granted = (peer: ScriptedPeer) => peer.messages('lock-result').filter(({ ok }) => ok === true);

  it.each([
    ['was there', M, 3],
    ['was not', `${M}2`, undefined],
  ])(
    'takes the locks that a worker claims for held, whether the master that comes was there or not: it %s',
    (_, session, received) => {
      const { lab, worker } = returned();
      worker.says(claimOf({ held: [lock(7)], peers: [] }));
      const held = [
        { id: 7, holder: 'peerA', tid: 'tid7', path: 'a', write: true, comment: 'x', state: 'held' },
      ];
      expect(lab.overview.locks('mydb_data').held).toMatchObject(held);
      const master = lab.connectClient('[master]', session, received);
      lab.letGrant(master);
      master.says('ready');
      expect(lab.overview.locks('mydb_data').held).toMatchObject(held);
      // It is kept from writing what the worker writes.
      expect(master.messages('lock-request')).toMatchObject([{ from: '[server]', data: { write: true } }]);
      lab.askForLock(worker, { requestId: 'further', tid: 'tid7', write: true });
      expect(granted(worker)).toMatchObject([{ id: 'further' }]);
      lab.giveBack(worker, lab.lockOf(worker));
      lab.giveBack(worker, 7);
      expect(worker.messages('unlock-result')).toMatchObject([{ ok: true }, { ok: true, data: { id: 7 } }]);
      expect(lab.overview.locks('mydb_data').held).toEqual([]);
      lab.clock.advance(ROOT_LINGER_IF_TOLD_MS);
      expect(master.messages('unlock-request')).toHaveLength(1);
    },
  );

  it('lets nobody in as what it was whom it has given up, though all have left since, and it has forgotten them', () => {
    const { lab, master, a, b } = cluster();
    for (const peer of [a, b, master]) peer.leaves();
    lab.clock.advance(60_000);
    expect(lab.broker.databases).toEqual([]);
    expect(lab.connectClient('peerA', A, counted(a)).refusedWith).toBe('IPC_REFUSED_PEER_GONE');
    expect(lab.connectClient('[master]', M, counted(master)).refusedWith).toBe('IPC_REFUSED_OLD_MASTER');
    // A new process, and one that lost its place, have been nowhere.
    expect([lab.connectClient('[master]', `${M}2`).isIn, lab.connectClient('peerC', `${A}2`).isIn]).toEqual([
      true,
      true,
    ]);
  });

  it('grants nothing until all may have come back, if a master says that it was not told who was there', () => {
    const { lab, worker } = returned();
    const master = lab.connectClient('[master]', M, 5);
    lab.letGrant(master);
    master.says(claimOf({ held: [], peers: ['peerA', '[server]'] }));
    master.says('ready');
    worker.says(claimOf({ held: [], peers: ['[master]'] }));
    lab.askForLock(worker);
    lab.clock.advance(9_000);
    expect(granted(worker)).toEqual([]);
    lab.clock.advance(1_000);
    expect(granted(worker)).toHaveLength(1);
  });

  it('counts a claim like any other frame', () => {
    const { lab, worker } = returned();
    worker.says(claimOf({ held: [lock(7)], peers: [] }));
    worker.tells(event(1));
    worker.leaves();
    expect(welcomeOf(lab.connectClient('peerA', A, counted(worker)))).toMatchObject({
      resumed: true,
      received: 2,
    });
  });

  it('does not let a worker in that comes so late that others do not wait for it any more', () => {
    const { lab, worker } = returned();
    lab.clock.advance(10_000);
    const late = lab.connectClient('peerB', B, 5);
    expect([worker.isIn, late.isIn, lab.connectClient('peerB', `${B}2`).isIn]).toEqual([true, false, true]);
  });

  it('grants nothing before those who were there have told what they hold, nor against that', () => {
    const { lab, worker } = returned();
    newMaster(lab);
    worker.says(claimOf({ held: [], peers: ['peerB', '[master]'] }));
    lab.askForLock(worker, { requestId: 'new', write: true });
    expect(granted(worker)).toEqual([]);
    const late = lab.connectClient('peerB', B, 5);
    late.says(claimOf({ held: [lock(7)], peers: ['peerA'] }));
    lab.clock.advance(10_000);
    expect(granted(worker)).toEqual([]);
    lab.giveBack(late, 7);
    expect(granted(worker)).toMatchObject([{ id: 'new' }]);
  });

  it('does not wait any longer than until all of them have told', () => {
    const { lab, worker } = returned();
    newMaster(lab);
    worker.says(claimOf({ held: [], peers: ['peerB'] }));
    lab.askForLock(worker, { requestId: 'new', write: true });
    const other = lab.connectClient('peerB', B, 5);
    expect(granted(worker)).toEqual([]);
    other.says(claimOf({ held: [], peers: ['peerA'] }));
    expect(granted(worker)).toMatchObject([{ id: 'new' }]);
  });

  it('waits for as long, whatever master comes or goes meanwhile', () => {
    const { lab, worker } = returned();
    worker.says(claimOf({ held: [], peers: ['peerB'] }));
    const master = lab.connectClient('[master]', M, 3);
    lab.letGrant(master);
    master.says('ready');
    master.tells({ type: 'bye' });
    lab.clock.advance(2_000);
    newMaster(lab);
    lab.askForLock(worker, { requestId: 'new', write: true });
    lab.clock.advance(7_999);
    expect(granted(worker)).toEqual([]);
    lab.clock.advance(1);
    expect(granted(worker)).toMatchObject([{ id: 'new' }]);
  });

  it('lets those who claimed a lock go on under it meanwhile', () => {
    const { lab, worker } = returned();
    newMaster(lab);
    worker.says(claimOf({ held: [lock(7)], peers: ['peerB'] }));
    lab.askForLock(worker, { requestId: 'other', write: true });
    lab.askForLock(worker, { requestId: 'further', tid: 'tid7', write: true });
    expect(granted(worker)).toMatchObject([{ id: 'further' }]);
  });

  it.each([
    ['not JSON', 'locks:{"held":[{'],
    ['a list', 'locks:[]'],
    ['null', 'locks:null'],
    ['no list of locks', 'locks:{"peers":[]}'],
    ['no list of peers', 'locks:{"held":[]}'],
    ['a lock without a number', 'locks:{"held":[{"tid":"x"}],"peers":[]}'],
    ['a lock with a number that is too long', 'locks:{"held":[{"id":1e15,"tid":"x"}],"peers":[]}'],
    ['a lock without a transaction', 'locks:{"held":[{"id":1}],"peers":[]}'],
    ['a peer whose id is too long', claimOf({ held: [], peers: ['x'.repeat(65)] })],
    ['a peer that is no text', 'locks:{"held":[],"peers":[1]}'],
    [
      'too many locks',
      claimOf({ held: Array.from({ length: MAX_CLAIMED_LOCKS + 1 }, (_, id) => lock(id)), peers: [] }),
    ],
    ['too long', claimOf({ held: [], peers: ['x'.repeat(4 * 1024 * 1024)] })],
  ])('drops a claim that is malformed: %s', (_what, claim) => {
    const { lab, worker } = returned();
    worker.says(claim);
    expect(lab.count('malformed-frame')).toBe(1);
    expect(lab.overview.locks('mydb_data').held).toEqual([]);
  });

  it('drops the claim of a stock client, of a new process, and a second one', () => {
    const { lab, worker } = returned();
    lab.connect('stock').says(claimOf({ held: [lock(1)], peers: [] }));
    lab.connectClient('peerB', B).says(claimOf({ held: [lock(2)], peers: [] }));
    worker.says(claimOf({ held: [], peers: [] }));
    worker.says(claimOf({ held: [lock(3)], peers: [] }));
    expect(lab.count('malformed-frame')).toBe(3);
    expect(lab.overview.locks('mydb_data').held).toEqual([]);
  });
});

describe('the word yield [PROTOCOL-14.8]', () => {
  const ask = (peer: ScriptedPeer, id: string, write: boolean) =>
    peer.tells({ type: 'lock-request', id, data: { path: 'a', tid: `tid-${id}`, write } }, '[master]');

  it('comes with the number of a lock for writing to a client that lets it serve several transactions [PROTOCOL-14.2]', () => {
    const { lab, a, b } = cluster();
    expect(JSON.parse((a.received[0] ?? '').slice('welcome:'.length))).toMatchObject({
      session: { slice: 20 },
    });
    const stock = lab.connect('stock');
    ask(a, 'w1', true);
    const lockId = lab.lockOf(a);
    ask(b, 'w2', true);
    lab.clock.advance(10);
    expect(a.received.filter((text) => text.startsWith('yield:'))).toEqual([`yield:${lockId}`]);
    lab.giveBack(a, lockId);
    ask(stock, 'w3', true);
    lab.giveBack(b, lab.lockOf(b));
    ask(a, 'w4', true);
    lab.clock.advance(100);
    expect(stock.received.filter((text) => text.startsWith('yield:'))).toEqual([]);
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
