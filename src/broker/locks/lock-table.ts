/**
 * Who holds which lock of one database, by AceBase's own rule (docs/PROTOCOL.md, section 12.1): paths are ignored, one
 * transaction writes alone, several may read together.
 */

import { LinkedQueue, type QueuePlace } from '../../linked-queue.js';
import type { AskedLock } from '../../protocol/lock-messages.js';
import { invariant } from '../invariants.js';
import type { Peer } from '../peers/peer.js';

/** A lock that a worker holds. */
export interface Lock {
  /** Its number, which no other lock of this database has, or had. */
  readonly id: number;
  readonly holder: Peer;
  /** The transaction that holds it. */
  readonly tid: string;
  readonly isWrite: boolean;
  /** When it was granted, and when it expires, by the broker's clock. */
  readonly since: number;
  readonly expiresAt: number;
  /** A message whose `data` says what it is for: that of the request for it, until its holder is told of it; then that. */
  message: Uint8Array;
  /** What is counted for it, in bytes. */
  readonly keptBytes: number;
  /** Whether another server granted it. */
  readonly isClaimed?: boolean;
  /** `expired`: its time has run out, others are served, and its transaction gets no further lock until it is released. */
  state: 'held' | 'expired' | 'released';
  /** Where it stands among all that have not expired, and among those of its holder. */
  places?: readonly [held: QueuePlace<Lock>, atHolder: QueuePlace<Lock>];
}

/** A lock that the table has not noted yet. */
export type NewLock = Omit<Lock, 'state' | 'places'>;

/** What one transaction holds. */
interface Holding {
  reads: number;
  writes: number;
  expired: number;
}

/** The locks of one database. Each operation is O(1), whatever is held. */
export class LockTable {
  readonly #all = new Map<number, Lock>();
  readonly #byHolder = new Map<Peer, LinkedQueue<Lock>>();
  readonly #byTid = new Map<string, Holding>();
  /** Those that have not expired, in the order in which they were granted, which is that in which they expire. */
  readonly #held = new LinkedQueue<Lock>();
  /** Transactions that hold locks, and that hold locks for writing, expired ones aside. */
  #holders = 0;
  #writers = 0;
  /** Those of {@link LockTable.#held} that no other server granted; and whether any lock for writing was among them, ever. */
  #granted = 0;
  #hasGrantedWrite = false;
  #nextId: number;

  /** @param firstId the number of the first lock; higher than any that another server gave a lock of this database */
  constructor(firstId: number) {
    this.#nextId = firstId;
  }

  /** How many locks are held, expired ones aside. */
  get size(): number {
    return this.#held.size;
  }

  /** How many have expired, and were not released. */
  get expiredCount(): number {
    return this.#all.size - this.#held.size;
  }

  /** Whether any transaction holds a lock for writing that has not expired. */
  get hasWriter(): boolean {
    return this.#writers > 0;
  }

  /** The lock that expires next. */
  get oldest(): Lock | undefined {
    return this.#held.first;
  }

  /** The transaction that alone holds locks; `undefined` if none does, or several do. */
  get onlyHolder(): string | undefined {
    return this.#holders === 1 ? this.#held.first?.tid : undefined;
  }

  /** Whether that transaction holds a lock that has not expired. */
  isHolding(tid: string): boolean {
    const holding = this.#byTid.get(tid);
    return holding !== undefined && holding.reads + holding.writes > 0;
  }

  /** Whether that transaction holds a lock for writing that has not expired. */
  isWriting(tid: string): boolean {
    return (this.#byTid.get(tid)?.writes ?? 0) > 0;
  }

  /** Whether a lock of that transaction has expired: it is refused further ones until it has released it. */
  hasExpired(tid: string): boolean {
    return (this.#byTid.get(tid)?.expired ?? 0) > 0;
  }

  /** Whether AceBase's rule lets that transaction have a lock now. */
  allows(tid: string, isWrite: boolean): boolean {
    const holding = this.#byTid.get(tid);
    const ownsWrites = holding !== undefined && holding.writes > 0;
    if (this.#writers > (ownsWrites ? 1 : 0)) return false;
    if (!isWrite) return true;
    const holds = holding !== undefined && holding.reads + holding.writes > 0;
    return this.#holders === (holds ? 1 : 0);
  }

  /**
   * Whether this server has granted what is in the way of a lock that another one had granted: anything for writing, be it over by now, for what was read
   * under the other lock is not so any more; or for one for writing, anything that is held.
   */
  hasGrantedInTheWayOf({ isWrite }: Pick<Lock, 'isWrite'>): boolean {
    return this.#hasGrantedWrite || (isWrite && this.#granted > 0);
  }

  /** Grants a lock, under a new number. Whether it may be granted was asked before. */
  grant(request: Omit<NewLock, 'id'>): Lock {
    invariant(this.allows(request.tid, request.isWrite), 'lock-conflict');
    // Only a claim can have taken it.
    while (this.#all.has(this.#nextId)) this.#nextId++;
    // No spreading here: it takes several times as long.
    const { holder, tid, isWrite, since, expiresAt, message, keptBytes } = request;
    const id = this.#nextId++;
    this.#granted++;
    if (isWrite) this.#hasGrantedWrite = true;
    return this.#add({ id, holder, tid, isWrite, since, expiresAt, message, keptBytes, state: 'held' });
  }

  /** Notes a lock that another server granted. @returns `undefined` if its number is taken */
  claim(claimed: NewLock): Lock | undefined {
    if (this.#all.has(claimed.id)) return undefined;
    return this.#add({ ...claimed, isClaimed: true, state: 'held' });
  }

  /** The lock with that number, if that peer holds it. */
  find(holder: Peer, id: number): Lock | undefined {
    const lock = this.#all.get(id);
    return lock?.holder === holder ? lock : undefined;
  }

  /** The locks that a peer holds, expired ones included. */
  locksOf(holder: Peer): readonly Lock[] {
    return [...(this.#byHolder.get(holder) ?? [])];
  }

  /** Since when that peer holds a lock without a break, by the broker's clock; `undefined` if it holds none. */
  holdsSince(holder: Peer): number | undefined {
    return this.#byHolder.get(holder)?.first?.since;
  }

  /** Whether that peer holds a lock, be it an expired one. */
  isHolder(peer: Peer): boolean {
    return this.#byHolder.has(peer);
  }

  /** Whether the transaction of a lock holds no other one. */
  isTheOnlyOne({ tid }: Lock): boolean {
    const { reads, writes, expired } = this.#holdingOf(tid);
    return reads + writes + expired === 1;
  }

  /** A lock is given back, by whomever. Does nothing if it was before. */
  release(lock: Lock): void {
    if (lock.state === 'released') return;
    const holding = this.#holdingOf(lock.tid);
    if (lock.state === 'expired') holding.expired--;
    else this.#uncount(lock, holding);
    if (holding.reads + holding.writes + holding.expired === 0) this.#byTid.delete(lock.tid);
    const siblings = this.#byHolder.get(lock.holder);
    if (lock.places !== undefined) siblings?.remove(lock.places[1]);
    if (siblings?.size === 0) this.#byHolder.delete(lock.holder);
    this.#all.delete(lock.id);
    lock.state = 'released';
  }

  /** The time of a lock has run out. */
  expire(lock: Lock): void {
    if (lock.state !== 'held') return;
    const holding = this.#holdingOf(lock.tid);
    this.#uncount(lock, holding);
    holding.expired++;
    lock.state = 'expired';
  }

  /** All of them. */
  all(): Iterable<Lock> {
    return this.#all.values();
  }

  /** Whether any lock is for writing, be it an expired one. Looks at all of them. */
  get isAnyForWriting(): boolean {
    for (const { isWrite } of this.all()) if (isWrite) return true;
    return false;
  }

  /** The transactions that hold any lock, be it an expired one. */
  get tids(): Iterable<string> {
    return this.#byTid.keys();
  }

  /** The workers that hold any lock. */
  get holders(): Iterable<Peer> {
    return this.#byHolder.keys();
  }

  #add(lock: Lock): Lock {
    let siblings = this.#byHolder.get(lock.holder);
    if (siblings === undefined) {
      siblings = new LinkedQueue();
      this.#byHolder.set(lock.holder, siblings);
    }
    this.#all.set(lock.id, lock);
    lock.places = [this.#held.push(lock), siblings.push(lock)];
    const holding = this.#holdingOf(lock.tid);
    if (holding.reads + holding.writes === 0) this.#holders++;
    if (!lock.isWrite) holding.reads++;
    else if (holding.writes++ === 0) this.#writers++;
    return lock;
  }

  /** A lock counts no more for the rule. */
  #uncount(lock: Lock, holding: Holding): void {
    if (lock.places !== undefined) this.#held.remove(lock.places[0]);
    if (lock.isClaimed !== true) this.#granted--;
    if (!lock.isWrite) holding.reads--;
    else if (--holding.writes === 0) this.#writers--;
    if (holding.reads + holding.writes === 0) this.#holders--;
  }

  #holdingOf(tid: string): Holding {
    let holding = this.#byTid.get(tid);
    if (holding === undefined) {
      holding = { reads: 0, writes: 0, expired: 0 };
      this.#byTid.set(tid, holding);
    }
    return holding;
  }
}

/** A request for a lock. */
export interface LockRequest {
  /** What came, for its answer and for people. */
  asked: AskedLock;
  readonly requester: Peer;
  /** The transaction that asks. */
  readonly tid: string;
  readonly isWrite: boolean;
  /** When it came, by the broker's clock. */
  readonly since: number;
  /** What is counted for it, in bytes. */
  readonly keptBytes: number;
  /** Where it waits among all, while it does, and among those that have a turn. */
  place?: QueuePlace<LockRequest> | undefined;
  turn?: QueuePlace<LockRequest> | undefined;
}

/**
 * The requests for locks that wait, of one database. Those for reading and those for writing each in the order in which they
 * came; all of a transaction, or of a peer, are found at once. Those of a peer that is disconnected stay, and have no turn
 * until it is back.
 */
export class LockQueue {
  readonly #all = new LinkedQueue<LockRequest>();
  readonly #reads = new LinkedQueue<LockRequest>();
  readonly #writes = new LinkedQueue<LockRequest>();
  /** Those that have a turn, by their transactions. */
  readonly #readsByTid = new Map<string, Set<LockRequest>>();
  readonly #writesByTid = new Map<string, Set<LockRequest>>();
  readonly #byPeer = new Map<Peer, Set<LockRequest>>();
  readonly #suspended = new WeakSet<Peer>();

  /** How many wait, those of disconnected peers included. */
  get size(): number {
    return this.#all.size;
  }

  /** How many wait for a lock for writing, and could be served. */
  get writeCount(): number {
    return this.#writes.size;
  }

  /** The read request, or the write request, that has waited for longest. */
  get firstRead(): LockRequest | undefined {
    return this.#reads.first;
  }
  get firstWrite(): LockRequest | undefined {
    return this.#writes.first;
  }

  /** Adds a request behind all others. */
  add(request: LockRequest): void {
    request.place = this.#all.push(request);
    if (!this.isSuspended(request.requester)) this.#enqueue(request);
    addTo(this.#byPeer, request.requester, request);
  }

  /** Takes a request out. @returns false if it is not here */
  remove(request: LockRequest): boolean {
    if (request.place === undefined) return false;
    this.#all.remove(request.place);
    request.place = undefined;
    this.#dequeue(request);
    removeFrom(this.#byPeer, request.requester, request);
    return true;
  }

  /** The requests of a transaction for reading, or for writing, that have a turn. They may be taken out meanwhile. */
  of(tid: string, isWrite: boolean): Iterable<LockRequest> {
    return this.#indexFor(isWrite).get(tid) ?? NO_REQUESTS;
  }

  /** Whether a transaction waits for a lock for reading, or for writing. */
  has(tid: string, isWrite: boolean): boolean {
    return this.#indexFor(isWrite).has(tid);
  }

  /** Whether a request has a turn: it waits, and its peer is not suspended. */
  hasTurn(request: LockRequest): boolean {
    return request.turn !== undefined;
  }

  /** Whether what a peer waits for has no turn. */
  isSuspended(peer: Peer): boolean {
    return this.#suspended.has(peer);
  }

  /** A peer is disconnected, or has something to read first: what it waits for has no turn. */
  suspend(peer: Peer): void {
    this.#suspended.add(peer);
    for (const request of this.#byPeer.get(peer) ?? []) this.#dequeue(request);
  }

  /** A peer is back, or ready: what it waits for is behind all that waits by now. */
  resume(peer: Peer): void {
    this.#suspended.delete(peer);
    for (const request of this.#byPeer.get(peer) ?? []) {
      if (request.turn === undefined) this.#enqueue(request);
    }
  }

  /** Takes out all requests of a peer. */
  takeAllOf(peer: Peer): readonly LockRequest[] {
    const requests = [...(this.#byPeer.get(peer) ?? [])];
    for (const request of requests) this.remove(request);
    return requests;
  }

  /** What a peer waits for. */
  ofPeer(peer: Peer): Iterable<LockRequest> {
    return this.#byPeer.get(peer) ?? NO_REQUESTS;
  }

  /** Who waits. */
  peers(): Iterable<Peer> {
    return this.#byPeer.keys();
  }

  /** Whether that peer waits; and whether anybody else does. */
  hasAnyOf(peer: Peer): boolean {
    return this.#byPeer.has(peer);
  }
  hasOthersThan(peer: Peer): boolean {
    return this.#byPeer.size > (this.#byPeer.has(peer) ? 1 : 0);
  }

  /** The request that has waited for longest, be it of a peer that is disconnected. */
  get first(): LockRequest | undefined {
    return this.#all.first;
  }

  /** All requests, in the order in which they came. */
  all(): Iterable<LockRequest> {
    return this.#all;
  }

  #enqueue(request: LockRequest): void {
    request.turn = this.#queueOf(request).push(request);
    addTo(this.#indexFor(request.isWrite), request.tid, request);
  }

  #dequeue(request: LockRequest): void {
    if (request.turn === undefined) return;
    this.#queueOf(request).remove(request.turn);
    request.turn = undefined;
    removeFrom(this.#indexFor(request.isWrite), request.tid, request);
  }

  #indexFor(isWrite: boolean): Map<string, Set<LockRequest>> {
    return isWrite ? this.#writesByTid : this.#readsByTid;
  }

  #queueOf({ isWrite }: LockRequest): LinkedQueue<LockRequest> {
    return isWrite ? this.#writes : this.#reads;
  }
}

const NO_REQUESTS: readonly LockRequest[] = [];

function addTo<Key>(index: Map<Key, Set<LockRequest>>, key: Key, request: LockRequest): void {
  const requests = index.get(key);
  if (requests === undefined) index.set(key, new Set([request]));
  else requests.add(request);
}

function removeFrom<Key>(index: Map<Key, Set<LockRequest>>, key: Key, request: LockRequest): void {
  const requests = index.get(key);
  requests?.delete(request);
  if (requests?.size === 0) index.delete(key);
}
