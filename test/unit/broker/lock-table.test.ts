import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Lock, LockTable } from '../../../src/broker/locks/lock-table.js';
import type { Peer } from '../../../src/broker/peers/peer.js';

const kept = { message: new Uint8Array(), keptBytes: 0 };
const expiresAt = 1_000;
const peers = ['one', 'two', 'three'].map((id) => ({ id }) as unknown as Peer);
const tids = ['a', 'b', 'c', 'd'];

/** AceBase's rule as it stands in its `node-lock.js`: over all locks, one after the other. */
function naiveRule(locks: readonly Lock[], tid: string, isWrite: boolean): boolean {
  return !locks.some((other) => other.tid !== tid && other.state === 'held' && (isWrite || other.isWrite));
}

describe('LockTable', () => {
  it('answers as the rule does that looks at every lock, after any sequence of grants, releases and expiries', () => {
    const step = fc.record({
      kind: fc.constantFrom('ask' as const, 'release' as const, 'expire' as const, 'leave' as const),
      who: fc.nat(peers.length - 1),
      tid: fc.nat(tids.length - 1),
      isWrite: fc.boolean(),
      which: fc.nat(20),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const table = new LockTable(1);
        let locks: Lock[] = [];
        for (const [since, { kind, who, tid: n, isWrite, which }] of steps.entries()) {
          const [holder, tid] = [peers[who] as Peer, tids[n] as string];
          if (kind === 'ask') {
            expect(table.allows(tid, isWrite)).toBe(naiveRule(locks, tid, isWrite));
            if (table.allows(tid, isWrite))
              locks.push(table.grant({ holder, tid, isWrite, since, expiresAt, ...kept }));
          } else if (kind === 'release') {
            const lock = locks[which % (locks.length || 1)];
            if (lock !== undefined) table.release(lock);
          } else if (kind === 'expire') {
            if (table.oldest !== undefined) table.expire(table.oldest);
          } else for (const lock of table.locksOf(holder)) table.release(lock);
          locks = locks.filter(({ state }) => state !== 'released');
          const held = locks.filter(({ state }) => state === 'held');
          expect(table.oldest).toBe(held[0]);
          expect([...table.all()]).toEqual(locks);
          expect([table.size, table.expiredCount]).toEqual([held.length, locks.length - held.length]);
          expect(table.hasWriter).toBe(held.some(({ isWrite: writes }) => writes));
          const holders = new Set(held.map(({ tid: its }) => its));
          expect(table.onlyHolder).toBe(holders.size === 1 ? [...holders][0] : undefined);
          for (const its of tids) {
            expect(table.isHolding(its)).toBe(holders.has(its));
            expect(table.hasExpired(its)).toBe(
              locks.some((lock) => lock.tid === its && lock.state === 'expired'),
            );
          }
          for (const peer of peers) {
            expect(table.locksOf(peer)).toEqual(locks.filter((lock) => lock.holder === peer));
            expect(table.isHolder(peer)).toBe(locks.some((lock) => lock.holder === peer));
          }
        }
      }),
    );
  });

  it('knows a lock by its number for its holder alone, and once', () => {
    const table = new LockTable(7);
    const [one, two] = peers as [Peer, Peer];
    const lock = table.grant({ holder: one, tid: 'a', isWrite: true, since: 0, expiresAt, ...kept });
    expect(lock.id).toBe(7);
    expect(table.find(two, 7)).toBeUndefined();
    expect(table.find(one, 7)).toBe(lock);
    table.release(lock);
    table.release(lock);
    expect(table.find(one, 7)).toBeUndefined();
    expect(table.allows('b', true)).toBe(true);
  });

  it('knows whether it has granted what is in the way of a lock that another server had granted', () => {
    const table = new LockTable(1);
    const [holder] = peers as [Peer];
    const asked = { holder, since: 0, expiresAt, ...kept };
    const ways = (): boolean[] => [false, true].map((isWrite) => table.hasGrantedInTheWayOf({ isWrite }));
    table.release(table.claim({ ...asked, id: 7, tid: 'a', isWrite: true }) as Lock);
    expect(ways()).toEqual([false, false]);
    const [reading, expired] = [false, false].map((isWrite) => table.grant({ ...asked, tid: 'a', isWrite }));
    expect(ways()).toEqual([false, true]);
    table.release(reading as Lock);
    table.expire(expired as Lock);
    expect(ways()).toEqual([false, false]);
    table.release(expired as Lock);
    expect(ways()).toEqual([false, false]);
    // What was read under the other lock is not so any more.
    table.release(table.grant({ ...asked, tid: 'a', isWrite: true }));
    expect(ways()).toEqual([true, true]);
  });

  it('gives no number again that a client claims from another server', () => {
    const table = new LockTable(7);
    const [one, two] = peers as [Peer, Peer];
    expect(
      table.claim({ id: 9, holder: one, tid: 'a', isWrite: false, since: 0, expiresAt, ...kept })?.state,
    ).toBe('held');
    expect(
      table.claim({ id: 9, holder: two, tid: 'b', isWrite: false, since: 0, expiresAt, ...kept }),
    ).toBeUndefined();
    const grant = () =>
      table.grant({ holder: two, tid: 'b', isWrite: false, since: 1, expiresAt, ...kept }).id;
    expect([grant(), grant(), grant()]).toEqual([7, 8, 10]);
  });
});
