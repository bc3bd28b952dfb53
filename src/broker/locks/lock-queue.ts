import type { Peer } from '../peers/peer.js';
import { LinkedQueue, type QueuePlace } from './linked-queue.js';

/** A request for a lock. */
export interface LockRequest {
  /** The id of the request, which its answer has, too. */
  readonly id: string;
  readonly requester: Peer;
  /** The transaction that asks. */
  readonly tid: string;
  readonly isWrite: boolean;
  /** When it came, by the broker's clock. */
  readonly since: number;
  /** The `data` of the request, for its answer and for people who ask. */
  readonly details: Uint8Array;
}

/** Where a request waits. */
interface Entry {
  readonly request: LockRequest;
  place: QueuePlace<LockRequest> | undefined;
}

/**
 * The requests for locks that wait, of one database. Those for reading and those for writing each in the order in which they
 * came; all of a transaction, or of a peer, are found at once. Those of a peer that is disconnected stay, and have no turn
 * until it is back.
 */
export class LockQueue {
  readonly #reads = new LinkedQueue<LockRequest>();
  readonly #writes = new LinkedQueue<LockRequest>();
  readonly #entries = new Map<LockRequest, Entry>();
  /** Those that have a turn, by their transactions. */
  readonly #readsByTid = new Map<string, Set<LockRequest>>();
  readonly #writesByTid = new Map<string, Set<LockRequest>>();
  readonly #byPeer = new Map<Peer, Set<LockRequest>>();

  /** How many wait, those of disconnected peers included. */
  get size(): number {
    return this.#entries.size;
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
    const entry: Entry = { request, place: undefined };
    this.#entries.set(request, entry);
    this.#enqueue(entry);
    addTo(this.#byPeer, request.requester, request);
  }

  /** Takes a request out. @returns false if it is not here */
  remove(request: LockRequest): boolean {
    const entry = this.#entries.get(request);
    if (entry === undefined) return false;
    this.#entries.delete(request);
    this.#dequeue(entry);
    removeFrom(this.#byPeer, request.requester, request);
    return true;
  }

  /** The requests of a transaction for reading, or for writing, that have a turn. They may be taken out meanwhile. */
  of(tid: string, isWrite: boolean): Iterable<LockRequest> {
    return this.#indexFor(isWrite).get(tid) ?? NONE;
  }

  /** Whether a transaction waits for a lock for reading, or for writing. */
  has(tid: string, isWrite: boolean): boolean {
    return this.#indexFor(isWrite).has(tid);
  }

  /** Whether a request waits. */
  includes(request: LockRequest): boolean {
    return this.#entries.has(request);
  }

  /** Whether a request has a turn: it waits, and its peer is connected. */
  hasTurn(request: LockRequest): boolean {
    return this.#entries.get(request)?.place !== undefined;
  }

  /** A peer is disconnected: what it waits for has no turn. */
  suspend(peer: Peer): void {
    for (const request of this.#byPeer.get(peer) ?? []) {
      const entry = this.#entries.get(request);
      if (entry !== undefined) this.#dequeue(entry);
    }
  }

  /** A peer is back: what it waits for is behind all that waits by now. */
  resume(peer: Peer): void {
    for (const request of this.#byPeer.get(peer) ?? []) {
      const entry = this.#entries.get(request);
      if (entry !== undefined && entry.place === undefined) this.#enqueue(entry);
    }
  }

  /** Takes out all requests of a peer. */
  takeAllOf(peer: Peer): readonly LockRequest[] {
    const requests = [...(this.#byPeer.get(peer) ?? [])];
    for (const request of requests) this.remove(request);
    return requests;
  }

  /** All requests, in the order in which they came. */
  all(): Iterable<LockRequest> {
    return this.#entries.keys();
  }

  #enqueue(entry: Entry): void {
    const { request } = entry;
    entry.place = this.#queueOf(request).push(request);
    addTo(this.#indexFor(request.isWrite), request.tid, request);
  }

  #dequeue(entry: Entry): void {
    const { request, place } = entry;
    if (place === undefined) return;
    entry.place = undefined;
    this.#queueOf(request).remove(place);
    removeFrom(this.#indexFor(request.isWrite), request.tid, request);
  }

  #indexFor(isWrite: boolean): Map<string, Set<LockRequest>> {
    return isWrite ? this.#writesByTid : this.#readsByTid;
  }

  #queueOf({ isWrite }: LockRequest): LinkedQueue<LockRequest> {
    return isWrite ? this.#writes : this.#reads;
  }
}

const NONE: readonly LockRequest[] = [];

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
