import { describe, expect, it } from 'vitest';
import { ROOT_LINGER_MS } from '../../../src/broker/limits.js';
import { LockClaims } from '../../../src/broker/locks/lock-claims.js';
import type { Outbox } from '../../../src/broker/peers/outbox.js';
import { Peer } from '../../../src/broker/peers/peer.js';
import type { ArrivalRequest } from '../../../src/broker/ports.js';
import { encode } from '../../../src/protocol/frames.js';
import type { RecordAddress } from '../../../src/protocol/messages.js';
import { type ClaimedLock, claimOf, Session } from '../../../src/protocol/session.js';
import { BrokerLab, type ScriptedPeer } from '../../support/broker-lab.js';
import { VirtualClock } from '../../support/virtual-clock.js';

const GRACE = 10_000;
const LONGEST_AT_DOOR = 13_000;
const lock = (id: number, write = true): ClaimedLock => ({
  id,
  tid: `tid${id}`,
  path: 'a',
  write,
  comment: 'x',
});

function clientOf(id: string, received: number | undefined, since?: number, grace?: number) {
  return { name: 'test/1', session: `session-of-${id}`, received, since, grace, abilities: new Set<never>() };
}

function arrivalOf(peerId: string, received: number | undefined): ArrivalRequest {
  return {
    database: 'mydb_data',
    peerId,
    address: '10.0.0.1:1000',
    client: clientOf(peerId, received),
    process: undefined,
  };
}

/** The claims of one database, whether something is held back for them, and the locks that were taken for held. */
function lab(grace = GRACE, wasServed = false) {
  const clock = new VirtualClock();
  const state = { hasRoom: true, isAnyoneAtDoor: false, isGranted: false };
  const taken: { worker: string; lock: ClaimedLock }[] = [];
  const roots: RecordAddress[] = [];
  const lost: string[] = [];
  const claims = new LockClaims({
    clock,
    limits: { reconnectGrace: grace },
    server: 'this run',
    servedSince: clock.wallTime(),
    isAnyoneAtDoor: () => state.isAnyoneAtDoor,
    isAnyInTheWayOf: () => state.isGranted,
    wasServed,
    longestAtDoor: LONGEST_AT_DOOR,
    news: { rootIsClaimed: (root) => roots.push(root) },
    claim: (worker, lock) => {
      if (!state.hasRoom) return false;
      taken.push({ worker: worker.id, lock });
      return true;
    },
    placeIsLost: ({ id }, cause) => lost.push(`${id}: ${cause}`),
  });
  const connect = (id: string, session?: Session): Peer => {
    const connection = { address: '10.0.0.1:1000', connectedAt: 0 };
    const peer = new Peer(id, connection, undefined as unknown as Outbox, session);
    claims.came(peer);
    return peer;
  };
  return {
    clock,
    claims,
    state,
    taken,
    roots,
    lost,
    /** A client connects that was at another server before. @param lastGrace how long that would have waited */
    returns: (id: string, lastGrace?: number) =>
      connect(id, new Session(clientOf(id, 3, undefined, lastGrace), 0)),
    /** A client connects that is a new process. */
    starts: (id: string) => connect(id, new Session(clientOf(id, undefined), 0)),
    stock: (id: string) => connect(id),
    tells: (
      peer: Peer,
      peers: readonly string[] = [],
      held: readonly ClaimedLock[] = [],
      root?: RecordAddress,
    ) => claims.claim(peer, encode(claimOf({ held, peers, root }))),
  };
}

describe('while clients come back to a new server [PROTOCOL-14.6]', () => {
  it('nothing is held back where nobody was there before', () => {
    const { starts, stock, claims, clock } = lab();
    starts('new');
    claims.isGone(stock('stock'));
    expect([claims.isHolding, clock.pending]).toEqual([false, 0]);
  });

  it('if one of them goes before anybody has told who else was there, all are waited for, until somebody tells', () => {
    const { claims, returns, starts, tells, clock } = lab();
    claims.isGone(returns('[master]'));
    starts('[master]');
    expect(claims.isHolding).toBe(true);
    const [a, b] = [returns('a'), returns('b')];
    tells(a, ['b']);
    expect(claims.isHolding).toBe(true);
    tells(b, ['a']);
    expect([claims.isHolding, clock.pending]).toEqual([false, 0]);
  });

  it('locks are held back until all who were there have told, and those whom they name', () => {
    const { claims, returns, tells, clock } = lab();
    const a = returns('a');
    expect(claims.isHolding).toBe(true);
    expect(tells(a, ['b', 'c'])).toBe(true);
    expect(claims.isHolding).toBe(true);
    expect(tells(returns('b'), ['a', 'd'])).toBe(true);
    expect(tells(returns('c'), ['a', 'b'])).toBe(true);
    expect(claims.isHolding).toBe(true);
    expect(tells(returns('d'))).toBe(true);
    expect([claims.isHolding, clock.pending]).toEqual([false, 0]);
  });

  it('those who are missing are waited for as long as the last server would have, if that is longer, and 10 minutes at most', () => {
    for (const [lastGrace, waits] of [
      [GRACE / 2, GRACE],
      [GRACE * 3, GRACE * 3],
      [1e12, 600_000],
    ] as const) {
      const { returns, tells, clock, claims } = lab();
      tells(returns('a', lastGrace), ['b']);
      clock.advance(waits - 1);
      expect(claims.isHolding).toBe(true);
      clock.advance(1);
      expect([claims.isHolding, clock.pending]).toEqual([false, 0]);
      // Who comes later is too late: others are served by now.
      tells(returns('c', lastGrace * 2), ['d']);
      expect(claims.isHolding).toBe(false);
    }
  });

  it('they are so again when a later one names somebody else, or is one whom nobody named', () => {
    const { claims, returns, tells } = lab();
    tells(returns('a'));
    expect(claims.isHolding).toBe(false);
    const b = returns('b');
    expect(claims.isHolding).toBe(true);
    tells(b, ['a', 'c']);
    expect(claims.isHolding).toBe(true);
    tells(returns('c'), ['a', 'b']);
    expect(claims.isHolding).toBe(false);
  });

  it('a stock client or a new process has nothing to tell, and is not waited for once it is there', () => {
    const { claims, returns, starts, stock, tells } = lab();
    stock('s1');
    tells(returns('a'), ['s1', 's2', 'n1', '[master]']);
    expect(claims.isHolding).toBe(true);
    stock('s2');
    expect(claims.isHolding).toBe(true);
    starts('n1');
    expect(claims.isHolding).toBe(false);
  });

  it('one that is gone for good is not waited for', () => {
    const { returns, tells, claims } = lab();
    const b = returns('b');
    tells(returns('a'), ['b', 'c']);
    claims.isGone(b);
    expect(claims.isHolding).toBe(true);
    claims.isGone({ id: 'c', session: undefined } as Peer);
    expect(claims.isHolding).toBe(false);
  });

  it('one that stays away is waited for until the grace is over, counted from the start of the server', () => {
    const { claims, returns, tells, clock } = lab();
    clock.advance(GRACE - 1_000);
    tells(returns('a'), ['b']);
    clock.advance(999);
    expect(claims.isHolding).toBe(true);
    clock.advance(1);
    expect([claims.isHolding, clock.pending]).toEqual([false, 0]);
    // Nothing is held back any more, whoever is named or comes.
    tells(returns('c'), ['d']);
    expect(claims.isHolding).toBe(false);
  });

  it('one at the door is waited for before it is let in', () => {
    const { claims, returns, tells } = lab();
    claims.isAtDoor(arrivalOf('b', 3));
    expect(claims.isHolding).toBe(true);
    tells(returns('a'));
    expect(claims.isHolding).toBe(true);
    tells(returns('b'));
    expect(claims.isHolding).toBe(false);
  });

  it('those who came in time and are kept at the door are waited for longer, and have time to tell what they hold', () => {
    const { state, claims, returns, tells, clock, lost, taken } = lab();
    tells(returns('a'));
    claims.isAtDoor(arrivalOf('b', 3));
    state.isAnyoneAtDoor = true;
    clock.advance(GRACE + 5_000);
    expect([claims.isHolding, claims.isTooLate(arrivalOf('b', 3))]).toEqual([true, false]);
    state.isAnyoneAtDoor = false;
    tells(returns('b'), ['a'], [lock(7)]);
    expect([claims.isHolding, lost, taken.length]).toEqual([false, [], 1]);
    expect([claims.isTooLate(arrivalOf('c', 3)), clock.pending]).toEqual([true, 0]);
  });

  it('but no longer than those can be there who came in time', () => {
    const { clock, claims, state, returns } = lab();
    returns('a');
    state.isAnyoneAtDoor = true;
    clock.advance(GRACE + LONGEST_AT_DOOR - 1);
    expect(claims.isHolding).toBe(true);
    clock.advance(2_001);
    expect(claims.isHolding).toBe(false);
  });

  it('more than it has room to note are waited for until the grace is over', () => {
    const most = 10_000;
    for (const count of [most, most + 1]) {
      const { claims, clock } = lab();
      const many = Array.from({ length: count }, (_, n) => ({ id: `m${n}` }));
      for (const { id } of many) claims.isAtDoor(arrivalOf(id, 3));
      for (const peer of many) claims.isGone(peer as Peer);
      expect(claims.isHolding).toBe(count > most);
      clock.advance(GRACE);
      expect([claims.isHolding, clock.pending]).toEqual([false, 0]);
    }
  });

  it('leaves no timer behind when the server stops', () => {
    const { claims, returns, clock } = lab();
    returns('a');
    claims.stop();
    expect(clock.pending).toBe(0);
  });
});

describe('a worker from before the restart that is late', () => {
  it('comes too late as soon as the others do not wait for it any more', () => {
    const { claims, clock } = lab();
    clock.advance(GRACE - 1);
    expect(claims.isTooLate(arrivalOf('a', 3))).toBe(false);
    clock.advance(1);
    expect(claims.isTooLate(arrivalOf('a', 3))).toBe(true);
    expect(claims.isTooLate(arrivalOf('a', undefined))).toBe(false);
    expect(claims.isTooLate(arrivalOf('[master]', 3))).toBe(false);
    expect(claims.isTooLate({ ...arrivalOf('stock', 3), client: undefined })).toBe(false);
  });

  it('comes too late if its session began here: it was given up, and forgotten with all others', () => {
    const { claims, clock } = lab();
    const of = (since: number) => ({ ...arrivalOf('a', 3), client: clientOf('a', 3, since) });
    expect(claims.isTooLate(of(clock.wallTime() - 1))).toBe(false);
    expect(claims.isTooLate(of(clock.wallTime()))).toBe(true);
  });

  it('does not if it began at another server, whose clock was ahead', () => {
    const { claims, clock } = lab();
    const of = (server: string) => {
      const client = { ...clientOf('a', 3, clock.wallTime() + 3_600_000), server };
      return { ...arrivalOf('a', 3), client };
    };
    expect(['this run', 'the last one'].map((server) => claims.isTooLate(of(server)))).toEqual([true, false]);
  });

  it('never does so where nobody is waited for at all', () => {
    const { claims, clock, returns } = lab(0);
    clock.advance(1);
    expect(claims.isTooLate(arrivalOf('a', 3))).toBe(false);
    returns('a');
    expect([claims.isHolding, clock.pending]).toEqual([false, 0]);
  });
});

describe('a claim [PROTOCOL-14.6]', () => {
  it('is taken for held, with what people are told of it', () => {
    const { returns, tells, taken } = lab();
    tells(returns('a'), [], [lock(7), lock(8, false)]);
    const first = { id: 7, path: 'a', tid: 'tid7', write: true, comment: 'x' };
    expect(taken).toEqual([
      { worker: 'a', lock: first },
      { worker: 'a', lock: { ...first, id: 8, tid: 'tid8', write: false } },
    ]);
  });

  it('says where the root is, if a lock is held: nobody else has moved it since', () => {
    const { returns, tells, roots } = lab();
    const root = { pageNr: 0, recordNr: 7 };
    tells(returns('a'), [], [], root);
    expect(roots).toEqual([]);
    tells(returns('b'), [], [lock(7)], root);
    tells(returns('c'), [], [lock(8)]);
    expect(roots).toEqual([root]);
  });

  it('says so only if its lock is younger than that of who has said it: that of the other one may have run out before', () => {
    const { returns, tells, roots } = lab();
    const [older, newer] = [
      { pageNr: 0, recordNr: 7 },
      { pageNr: 0, recordNr: 9 },
    ];
    tells(returns('a'), [], [lock(3)], older);
    tells(returns('b'), [], [lock(7), lock(8)], newer);
    tells(returns('c'), [], [lock(7)], older);
    expect(roots).toEqual([older, newer]);
  });

  it('may be made once, by a client that was at another server', () => {
    const { returns, starts, stock, tells, taken } = lab();
    expect(tells(stock('s'), [], [lock(1)])).toBe(false);
    expect(tells(starts('n'), [], [lock(2)])).toBe(false);
    const a = returns('a');
    expect(tells(a)).toBe(true);
    expect(tells(a, [], [lock(3)])).toBe(false);
    expect(taken).toEqual([]);
  });

  it('of a master says who was there; that it holds a lock of this server cannot be', () => {
    const { claims, returns, tells, taken } = lab();
    expect(tells(returns('[master]'), [], [lock(1)])).toBe(false);
    expect([taken, claims.isHolding]).toEqual([[], false]);
    expect(tells(returns('[master]'), ['b'])).toBe(true);
    expect(claims.isHolding).toBe(true);
    tells(returns('b'), ['[master]']);
    expect(claims.isHolding).toBe(false);
  });

  it('that is malformed tells nothing: who sent it must not go on with what it holds', () => {
    const { claims, returns, lost } = lab();
    expect(claims.claim(returns('a'), encode('locks:[{'))).toBe(false);
    expect([claims.isHolding, lost]).toEqual([true, ['a: it did not say properly which locks it holds']]);
    expect(claims.claim(returns('[master]'), encode('locks:[{'))).toBe(false);
    expect(lost).toHaveLength(1);
  });

  it('for which there is no room tells not all: its worker must not go on, and others are not served before the grace is over', () => {
    const { claims, returns, tells, state, clock, lost } = lab();
    state.hasRoom = false;
    tells(returns('a'), [], [lock(1)]);
    expect([claims.isHolding, lost]).toEqual([true, ['a: there is no room for the locks that it holds']]);
    clock.advance(GRACE);
    expect(claims.isHolding).toBe(false);
  });

  it('of what others were given here before it came must not be gone on with', () => {
    const { returns, tells, state, lost, taken } = lab();
    state.isGranted = true;
    tells(returns('a'), [], [lock(1)]);
    expect([lost, taken]).toEqual([['a: others were given what it holds before it came'], []]);
    tells(returns('b'));
    expect(lost).toHaveLength(1);
  });

  it('must not be gone on with where others have been of whom nothing is known any more', () => {
    const { returns, tells, lost, taken } = lab(GRACE, true);
    tells(returns('a'), [], [lock(1)]);
    expect([lost, taken]).toEqual([['a: others were given what it holds before it came'], []]);
    tells(returns('b'));
    expect(lost).toHaveLength(1);
  });

  it('of one that waited for longer has those waited for that are gone and have not said what they hold', () => {
    const { returns, tells, clock, claims } = lab();
    tells(returns('a', GRACE * 3), ['b']);
    claims.isGone(returns('b'));
    expect(claims.isHolding).toBe(true);
    clock.advance(GRACE * 3);
    expect([claims.isHolding, clock.pending]).toEqual([false, 0]);
  });

  it('whose time would be over is waited for no longer, and closes nothing', () => {
    const { returns, tells, clock, lost } = lab(0);
    clock.advance(GRACE);
    tells(returns('a', GRACE), ['b'], [lock(1)]);
    tells(returns('c'), [], [lock(2)]);
    expect([lost, clock.pending]).toEqual([[], 0]);
  });

  it('that names a lock when others may have been given it is too late; one that names none, or where nobody is waited for, is not', () => {
    const { returns, tells, clock, lost, taken } = lab();
    const [a, b] = [returns('a'), returns('b')];
    clock.advance(GRACE);
    expect([tells(a, [], [lock(1)]), tells(b)]).toEqual([true, true]);
    expect([lost, taken]).toEqual([['a: it said too late which locks it holds'], []]);
    const impatient = lab(0);
    impatient.clock.advance(GRACE);
    impatient.tells(impatient.returns('a'), [], [lock(1)]);
    expect([impatient.lost, impatient.taken]).toMatchObject([[], [{ lock: { id: 1 } }]]);
  });

  it('of a client whose last server waited is waited for by one that does not', () => {
    const { claims, returns, tells, clock, lost } = lab(0);
    tells(returns('a', GRACE), ['b', 'c']);
    expect(claims.isHolding).toBe(true);
    tells(returns('b'), [], [lock(1)]);
    clock.advance(GRACE);
    expect([claims.isHolding, lost]).toEqual([false, []]);
    tells(returns('c'), [], [lock(2)]);
    expect(lost).toHaveLength(1);
  });
});

describe('the locks that are claimed', () => {
  const cluster = (limits = {}) => {
    const it = new BrokerLab({ reconnectGrace: GRACE, ...limits });
    const worker = it.connectClient('peerA', 'session-of-peer-a', 3);
    const master = it.connectClient('[master]', 'session-of-master', 3);
    it.letGrant(master);
    master.says('ready');
    return { lab: it, worker, master };
  };
  const granted = (peer: ScriptedPeer) =>
    peer
      .messages('lock-result')
      .filter(({ ok }) => ok === true)
      .map(({ id }) => id);

  it('keep back what conflicts with them, and nothing else', () => {
    const { lab: it, worker } = cluster();
    worker.says(claimOf({ held: [lock(7, false)], peers: [] }));
    const other = it.connectClient('peerB', 'session-of-peer-b');
    it.askForLock(other, { requestId: 'read' });
    it.askForLock(other, { requestId: 'write', write: true });
    it.giveBack(other, it.lockOf(other));
    expect(granted(other)).toEqual(['read']);
    it.giveBack(worker, 7);
    expect(granted(other)).toEqual(['read', 'write']);
  });

  it('go when the worker does, as any others: what it wrote may be half done', () => {
    const { lab: it, worker } = cluster();
    worker.says(claimOf({ held: [lock(7)], peers: [] }));
    const other = it.connectClient('peerB', 'session-of-peer-b');
    it.askForLock(other, { requestId: 'write', write: true });
    worker.leaves();
    it.clock.advance(GRACE - 1);
    expect(granted(other)).toEqual([]);
    it.clock.advance(1);
    expect(granted(other)).toEqual(['write']);
    expect(other.messages('notification')).toMatchObject([{ data: { type: 'cache.invalidate' } }]);
    expect(it.count('locks-recovered')).toBe(1);
  });

  it('expire as if they had been granted when they were claimed: with the root lock at the latest', () => {
    const { lab: it, worker } = cluster({ lockTimeout: 20_000 });
    worker.says(claimOf({ held: [lock(7)], peers: [] }));
    it.clock.advance(18_999);
    expect(it.overview.locks('mydb_data').held).toMatchObject([{ id: 7, state: 'held' }]);
    it.clock.advance(1);
    expect(it.overview.locks('mydb_data').held).toMatchObject([{ id: 7, state: 'expired' }]);
  });

  it('take memory of those that wait, until they are given back or the worker is gone', () => {
    for (const end of ['given back', 'gone'] as const) {
      const { lab: it, worker } = cluster();
      worker.says(claimOf({ held: [lock(7), lock(8)], peers: [] }));
      expect(it.broker.bufferedBytes).toBeGreaterThan(0);
      if (end === 'gone') worker.tells({ type: 'bye' });
      else for (const id of [7, 8]) it.giveBack(worker, id);
      expect(it.broker.bufferedBytes).toBe(0);
    }
  });

  it('beyond maxMailPerPeer are not noted: their holder is closed, must come as a new one, and keeps those that are noted for the grace', () => {
    const { lab: it, worker } = cluster({ maxMailPerPeer: 1_000 });
    const held = Array.from({ length: 20 }, (_, n) => lock(n));
    worker.says(claimOf({ held, peers: [] }));
    expect(worker.closedWith).toBe('IPC_CLOSED_CONNECT_AGAIN');
    const noted = it.overview.locks('mydb_data').held.length;
    expect(noted).toBeGreaterThan(0);
    expect(noted).toBeLessThan(20);
    expect(it.broker.bufferedBytes).toBeLessThanOrEqual(1_000);
    expect(it.connectClient('peerA', 'session-of-peer-a', 3).refusedWith).toBe('IPC_REFUSED_UNSAFE_RETURN');
    const other = it.connectClient('peerB', 'session-of-peer-b');
    it.askForLock(other, { requestId: 'read' });
    it.clock.advance(GRACE - 1);
    expect(granted(other)).toEqual([]);
    it.clock.advance(1);
    expect(granted(other)).toEqual(['read']);
    expect(it.overview.locks('mydb_data').held).toMatchObject([{ holder: 'peerB' }]);
  });

  it('are not claimed when others may have been given them: who comes so late is closed, and must come as a new one', () => {
    const { lab: it, worker } = cluster();
    const other = it.connectClient('peerB', 'session-of-peer-b');
    it.askForLock(other, { write: true });
    it.clock.advance(GRACE);
    expect(granted(other)).toHaveLength(1);
    worker.says(claimOf({ held: [lock(1)], peers: [] }));
    expect(worker.closedWith).toBe('IPC_CLOSED_CONNECT_AGAIN');
    expect(it.overview.locks('mydb_data').held).toMatchObject([{ holder: 'peerB' }]);
    expect(it.connectClient('peerA', 'session-of-peer-a', 3).refusedWith).toBe('IPC_REFUSED_UNSAFE_RETURN');
    expect(it.connectClient('peerA2', 'session-of-another').isIn).toBe(true);
  });

  it('are not claimed when another one has written here meanwhile: what was read under them is not so any more', () => {
    const it = new BrokerLab({ reconnectGrace: 2 * GRACE });
    it.connectMaster();
    const other = it.connectClient('peerB', 'session-of-peer-b');
    it.askForLock(other, { write: true });
    expect(granted(other)).toHaveLength(1);
    it.giveBack(other, it.lockOf(other));
    const worker = it.connectClient('peerA', 'session-of-peer-a', 3);
    worker.says(claimOf({ held: [lock(7, false)], peers: [] }));
    expect([worker.closedWith, it.overview.locks('mydb_data').held]).toEqual([
      'IPC_CLOSED_CONNECT_AGAIN',
      [],
    ]);
    expect(it.connectClient('peerA', 'session-of-peer-a', 3).refusedWith).toBe('IPC_REFUSED_UNSAFE_RETURN');
  });

  it('nor when those have all left again, and the server has forgotten them', () => {
    const it = new BrokerLab({ reconnectGrace: 2 * GRACE });
    const master = it.connectMaster();
    const other = it.connectClient('peerB', 'session-of-peer-b');
    it.askForLock(other, { write: true });
    expect(granted(other)).toHaveLength(1);
    it.giveBack(other, it.lockOf(other));
    // So the root lock is given back.
    it.clock.advance(ROOT_LINGER_MS);
    for (const peer of [other, master]) {
      peer.tells({ type: 'bye' });
      peer.leaves();
    }
    expect(it.broker.databases).toEqual([]);
    const worker = it.connectClient('peerA', 'session-of-peer-a', 3);
    worker.says(claimOf({ held: [lock(7, false)], peers: [] }));
    expect(worker.closedWith).toBe('IPC_CLOSED_CONNECT_AGAIN');
    expect(it.connectClient('[master]', 'session-of-former', 3).refusedWith).toBe('IPC_REFUSED_OLD_MASTER');
  });

  it('but are claimed where a master has only come and gone again, and never opened its file', () => {
    const it = new BrokerLab({ reconnectGrace: 2 * GRACE });
    const master = it.connectClient('[master]', 'session-of-new');
    master.tells({ type: 'bye' });
    master.leaves();
    expect(it.broker.databases).toEqual([]);
    const worker = it.connectClient('peerA', 'session-of-peer-a', 3);
    worker.says(claimOf({ held: [lock(7, false)], peers: [] }));
    expect([worker.closedWith, it.overview.locks('mydb_data').held]).toMatchObject([undefined, [{ id: 7 }]]);
  });

  it("of a worker that has said goodbye are nobody's, and are not noted", () => {
    const { lab: it, worker } = cluster();
    worker.tells({ type: 'bye' });
    worker.says(claimOf({ held: [lock(7)], peers: [] }));
    expect(it.overview.locks('mydb_data').held).toEqual([]);
  });

  it('for reading do not become locks for writing while others may hold such, too', () => {
    const { lab: it, worker } = cluster();
    worker.says(claimOf({ held: [lock(7, false)], peers: ['peerB'] }));
    it.askForLock(worker, { requestId: 'more', tid: 'tid7', write: true });
    expect(granted(worker)).toEqual([]);
    it.clock.advance(GRACE);
    expect(granted(worker)).toEqual(['more']);
  });

  it('of a number that somebody else has are left to that one', () => {
    const { lab: it, worker } = cluster();
    worker.says(claimOf({ held: [lock(7)], peers: [] }));
    const other = it.connectClient('peerB', 'session-of-peer-b', 3);
    other.says(claimOf({ held: [lock(7)], peers: [] }));
    expect(it.overview.locks('mydb_data').held).toMatchObject([{ id: 7, holder: 'peerA' }]);
    it.giveBack(other, 7);
    expect(it.overview.locks('mydb_data').held).toMatchObject([{ id: 7, holder: 'peerA' }]);
    it.giveBack(worker, 7);
    expect(it.broker.bufferedBytes).toBe(0);
  });
});
