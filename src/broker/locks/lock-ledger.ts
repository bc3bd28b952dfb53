/**
 * Who holds which lock (docs/PROTOCOL.md, section 12). The ledger reads what the master grants and what workers give
 * back as it passes; the locks that a master takes for itself never pass, and are not in it.
 */

import { keptCopy } from '../messages/kept-copy.js';
import { describeLock, type GrantedLock } from '../messages/message.js';
import type { Peer } from '../peers/peer.js';

/** A lock that a worker believes to hold. */
export interface Lock {
  readonly id: number;
  readonly holder: Peer;
  readonly tid: string;
  readonly isWrite: boolean;
  /** When the grant was passed on, by the broker's clock. */
  readonly since: number;
  /** The grant, for people who ask. */
  readonly grant: Uint8Array;
  /** How often its holder gave back a lock of this number, while it held several that have it. */
  returns: number;
  /** The session of the master that granted it, if its holder told it after a restart of the server. */
  readonly epoch?: string | undefined;
}

/** A lock that is held, for people to read. */
export interface HeldLock {
  /** The number that the master gave it. */
  readonly id: number;
  /** The worker that holds it. */
  readonly holder: string;
  /** Its transaction. */
  readonly tid: string;
  readonly path: string;
  readonly write: boolean;
  readonly comment: string;
  /** Milliseconds since the grant was passed on. */
  readonly heldFor: number;
  /** `orphaned`: its master is gone, and the next one does not know it; `expired`: it has run out at the master. */
  readonly state: 'held' | 'orphaned' | 'expired';
}

/** A lock that somebody waits for, for people to read. */
export interface WaitingLock {
  /** The worker that asked for it. */
  readonly requester: string;
  /** Its transaction. */
  readonly tid: string;
  readonly path: string;
  readonly write: boolean;
  readonly comment: string;
  /** Milliseconds since the request came. */
  readonly waitingFor: number;
}

/** The locks of one database, oldest first, without those that the master takes for itself. */
export interface LockTable {
  readonly held: readonly HeldLock[];
  readonly waiting: readonly WaitingLock[];
}

/** How many locks there are. */
export type LockCounts = Readonly<Record<HeldLock['state'], number>>;

/** Is told of locks, to count them. */
export interface LockObserver {
  /** A lock is not held any more. */
  released(lock: Lock): void;
  /** So many locks lost their master. */
  orphaned(locks: number): void;
}

const NONE: readonly Lock[] = [];

/** The locks of one database. */
export class LockLedger {
  /** Of the master that is there, by the numbers that it gave them. */
  #held = new Map<number, Lock>();
  /** Of masters that are gone. */
  readonly #orphans = new Set<Lock>();
  readonly #locksByTid = new Map<string, number>();
  readonly #observer: LockObserver;

  constructor(observer: LockObserver) {
    this.#observer = observer;
  }

  /** Whether no lock is held. */
  get isEmpty(): boolean {
    return this.#held.size === 0 && this.#orphans.size === 0;
  }

  /** The locks of masters that are gone, oldest first. */
  get orphans(): ReadonlySet<Lock> {
    return this.#orphans;
  }

  /** The locks of the master that is there. */
  get held(): Iterable<Lock> {
    return this.#held.values();
  }

  /** The first of those that were granted; `undefined` if there is none. */
  get oldest(): Lock | undefined {
    for (const lock of this.#held.values()) return lock;
    return undefined;
  }

  /** The highest number of a lock that the last masters are known to have given. */
  highestId = 0;

  /** A grant is passed on. A number that is given anew replaces the lock that had it. */
  grant(holder: Peer, granted: GrantedLock, since: number, message: Uint8Array): void {
    const former = this.#held.get(granted.id);
    if (former !== undefined) this.release(former);
    const grant = keptCopy(message);
    const { id, tid, isWrite } = granted;
    // Named one by one: a spread costs more than all else here.
    this.#held.set(id, { id, holder, tid, isWrite, since, grant, returns: 0 });
    this.#locksByTid.set(granted.tid, this.#countOf(granted.tid) + 1);
    if (granted.id > this.highestId) this.highestId = granted.id;
  }

  /** A worker tells of a lock that was granted before the server was started: an orphan, until its master is known. */
  claim(
    holder: Peer,
    granted: GrantedLock,
    since: number,
    grant: Uint8Array,
    epoch: string | undefined,
  ): void {
    this.#orphans.add({ ...granted, holder, since, grant, returns: 0, epoch });
    this.#locksByTid.set(granted.tid, this.#countOf(granted.tid) + 1);
  }

  /** The master that is there is the one that granted the locks of this epoch. */
  adopt(epoch: string): void {
    for (const lock of this.#orphans) {
      if (lock.epoch !== epoch || this.#held.has(lock.id)) continue;
      this.#orphans.delete(lock);
      this.#held.set(lock.id, lock);
      this.highestId = Math.max(this.highestId, lock.id);
    }
  }

  /** A lock is given back, by whomever. */
  release(lock: Lock): void {
    const wasHeld = this.#orphans.delete(lock) || this.#held.get(lock.id) === lock;
    if (!wasHeld) return;
    if (this.#held.get(lock.id) === lock) this.#held.delete(lock.id);
    const count = this.#countOf(lock.tid) - 1;
    if (count > 0) this.#locksByTid.set(lock.tid, count);
    else this.#locksByTid.delete(lock.tid);
    this.#observer.released(lock);
  }

  /** The lock of the present master under that number, whoever holds it. */
  lockWith(id: number): Lock | undefined {
    return this.#held.get(id);
  }

  /** The locks of former masters that this worker holds under that number, oldest first. */
  orphansOf(holder: Peer, id: number): readonly Lock[] {
    if (this.#orphans.size === 0) return NONE;
    return [...this.#orphans].filter((lock) => lock.holder === holder && lock.id === id);
  }

  /** The locks of one worker: those of the present master, and those of former ones. */
  locksOf(holder: Peer): { readonly held: readonly Lock[]; readonly orphans: readonly Lock[] } {
    const isIts = (lock: Lock): boolean => lock.holder === holder;
    return { held: [...this.#held.values()].filter(isIts), orphans: [...this.#orphans].filter(isIts) };
  }

  /** The workers that hold any lock. */
  holders(): ReadonlySet<Peer> {
    const holders = new Set<Peer>();
    for (const { holder } of this.#held.values()) holders.add(holder);
    for (const { holder } of this.#orphans) holders.add(holder);
    return holders;
  }

  /** Whether this transaction holds any lock. */
  hasLocks(tid: string): boolean {
    return this.#locksByTid.has(tid);
  }

  /** The master is gone: what its workers hold, no other master knows. */
  orphanAll(): void {
    this.#observer.orphaned(this.#held.size);
    for (const lock of this.#held.values()) this.#orphans.add(lock);
    this.#held = new Map();
  }

  /** Nobody holds anything any more. */
  clear(): void {
    this.#held.clear();
    this.#orphans.clear();
    this.#locksByTid.clear();
  }

  /** A new master begins to count. */
  beginEpoch(): void {
    this.highestId = 0;
  }

  /** What is held, for people to read, oldest first, `most` at most. */
  describe(now: number, lockTimeout: number, most = Number.POSITIVE_INFINITY): HeldLock[] {
    const locks = [...this.#orphans, ...this.#held.values()].sort((a, b) => a.since - b.since);
    return locks.slice(0, most).map((lock) => {
      const { id, holder, tid, isWrite, since, grant } = lock;
      const state = this.#stateOf(lock, now, lockTimeout);
      const heldFor = Math.round(now - since);
      return { id, holder: holder.id, tid, ...describeLock(grant), write: isWrite, heldFor, state };
    });
  }

  /** How many locks are held. */
  counts(now: number, lockTimeout: number): LockCounts {
    const counts = { held: 0, orphaned: this.#orphans.size, expired: 0 };
    for (const lock of this.#held.values()) counts[this.#stateOf(lock, now, lockTimeout)]++;
    return counts;
  }

  #stateOf(lock: Lock, now: number, lockTimeout: number): HeldLock['state'] {
    if (this.#orphans.has(lock)) return 'orphaned';
    return now - lock.since > lockTimeout ? 'expired' : 'held';
  }

  #countOf(tid: string): number {
    return this.#locksByTid.get(tid) ?? 0;
  }
}
