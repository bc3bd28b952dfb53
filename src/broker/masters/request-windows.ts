/**
 * How many requests of one worker the master has at one time (docs/PROTOCOL.md, section 6.7). A worker may ask for 100,000
 * things in one turn. A master that was given them all would keep everybody else waiting until it has worked through them,
 * and take memory for each; so it is given a few at a time, and the rest waits here, in order.
 */

import type { ByteBudget } from '../byte-budget.js';
import { type Limits, WAITING_REQUEST_BYTES } from '../limits.js';
import type { Peer } from '../peers/peer.js';
import type { OpenRequest } from './requests.js';

/** What the windows work with. */
export interface RequestWindowsSettings {
  readonly limits: Limits;
  readonly kept: ByteBudget;
  /** Whether the transaction that asks for a lock holds one, or may hold one: then it must not wait here. */
  mayHoldLock(open: OpenRequest): boolean;
  /** The turn of a request has come that waited here. It may be answered within this call. */
  pass(open: OpenRequest, payload: Uint8Array): void;
}

/** A request that waited. */
export interface WaitingRequest {
  readonly open: OpenRequest;
  readonly payload: Uint8Array;
}

/** A request in a lane, and the bytes that it takes from what all share. */
interface Waiting extends WaitingRequest {
  readonly cost: number;
  /** Whether it waits no more, though it still stands in its lane. */
  isOut: boolean;
}

const LANES = ['reads', 'writes', 'work'] as const;
type LaneName = (typeof LANES)[number];

/** What a master answers by itself, whoever holds locks. Other work waits for its turn, and takes no place afterwards. */
const PROMPT = new Set(['kit.add', 'fst.allocate', 'fst.release', 'index.update']);

/** How many entries that were passed on stand in a lane before they are taken out. */
const MAX_PASSED = 1_024;

/** The windows of all workers of one database. */
export class RequestWindows {
  readonly #settings: RequestWindowsSettings;
  readonly #workers = new Map<Peer, WorkerWindows>();

  constructor(settings: RequestWindowsSettings) {
    this.#settings = settings;
  }

  /** A request came. @returns whether it may be passed on now; else it waits here, or, if `full`, has no room */
  admit(open: OpenRequest, message: Uint8Array): 'now' | 'later' | 'full' {
    const name = laneOf(open);
    if (name === undefined || (name !== 'work' && this.#settings.mayHoldLock(open))) return 'now';
    let worker = this.#workers.get(open.asker);
    if (worker === undefined) {
      worker = new WorkerWindows(this.#settings);
      this.#workers.set(open.asker, worker);
    }
    return worker.lanes[name].admit(open, message);
  }

  /** A transaction of that worker was granted a lock: what it asks for must not wait for those who wait for it. */
  granted(asker: Peer, tid: string): void {
    this.#workers.get(asker)?.granted(tid);
  }

  /** Takes out what waits of that worker: it is gone, or its requests are answered otherwise. */
  takeRequestsOf(asker: Peer): readonly WaitingRequest[] {
    const worker = this.#workers.get(asker);
    this.#workers.delete(asker);
    return worker === undefined ? [] : LANES.flatMap((name) => worker.lanes[name].takeAll());
  }

  /** Nobody waits any more. */
  clear(): void {
    for (const asker of [...this.#workers.keys()]) this.takeRequestsOf(asker);
  }
}

/** What one worker asks. */
class WorkerWindows {
  readonly settings: RequestWindowsSettings;
  readonly lanes: Readonly<Record<LaneName, Lane>>;
  /** Bytes that its requests take that wait. */
  bytes = 0;
  /** Requests for locks that wait, by their transactions. */
  readonly byTid = new Map<string, Set<Waiting>>();

  constructor(settings: RequestWindowsSettings) {
    this.settings = settings;
    this.lanes = { reads: new Lane(this), writes: new Lane(this), work: new Lane(this) };
  }

  /** Keeps a request. @returns `undefined` if there is no room */
  keep(open: OpenRequest, message: Uint8Array): Waiting | undefined {
    const { limits, kept } = this.settings;
    const size = message.length + WAITING_REQUEST_BYTES;
    // What is kept for the next master is not kept twice.
    const cost = size - (open.payload?.length ?? 0);
    if (this.bytes + size > limits.maxMailPerPeer || !kept.take(cost)) return undefined;
    this.bytes += size;
    const waiting = { open, payload: open.payload ?? new Uint8Array(message), cost, isOut: false };
    const { tid } = open.request;
    if (tid !== undefined) this.byTid.set(tid, (this.byTid.get(tid) ?? new Set()).add(waiting));
    return waiting;
  }

  /** A request waits no more. */
  letOut(waiting: Waiting): void {
    const { open, payload, cost } = waiting;
    waiting.isOut = true;
    this.bytes -= payload.length + WAITING_REQUEST_BYTES;
    this.settings.kept.give(cost);
    const { tid = '' } = open.request;
    const siblings = this.byTid.get(tid);
    if (siblings?.delete(waiting) === true && siblings.size === 0) this.byTid.delete(tid);
  }

  granted(tid: string): void {
    const siblings = this.byTid.get(tid);
    if (siblings === undefined) return;
    for (const waiting of [...siblings]) {
      this.letOut(waiting);
      this.settings.pass(waiting.open, waiting.payload);
    }
    this.lanes.reads.advance();
    this.lanes.writes.advance();
  }
}

/**
 * What a worker asks of one kind: passed on in order, `maxOutstandingRequests` at a time.
 *
 * Lanes do not wait for each other, and that keeps them from standing still for ever. A place in `work` becomes free
 * whatever locks are held. One in `writes` becomes free when those who hold locks have ended; none of them can be waiting
 * for another transaction's lock for writing, which the master would not grant beside its own. One in `reads` becomes free
 * when a transaction that writes has ended, which cannot be waiting for another one's read, for the same reason. But one that
 * reads may be waiting for another one's read, and so reads must not wait for writes.
 */
class Lane {
  readonly #worker: WorkerWindows;
  readonly #waiting: (Waiting | undefined)[] = [];
  /** How many of those that wait, from the first, do so no more. */
  #head = 0;
  /** How many the master has, or is about to get. */
  #underWay = 0;
  #isAdvancing = false;

  constructor(worker: WorkerWindows) {
    this.#worker = worker;
  }

  admit(open: OpenRequest, message: Uint8Array): 'now' | 'later' | 'full' {
    if (this.#head === this.#waiting.length && this.#hasPlaceFor(open)) {
      this.#takePlace(open);
      return 'now';
    }
    const waiting = this.#worker.keep(open, message);
    if (waiting === undefined) return 'full';
    this.#waiting.push(waiting);
    return 'later';
  }

  /** A request that had a place has its answer. */
  release(): void {
    this.#underWay--;
    this.advance();
  }

  /** Passes on what has a place. */
  advance(): void {
    // Who is answered at once makes room for the next one: that is for the loop that is running, not for a further call.
    if (this.#isAdvancing) return;
    this.#isAdvancing = true;
    while (this.#head < this.#waiting.length) {
      const next = this.#waiting[this.#head];
      if (next?.isOut === false && !this.#hasPlaceFor(next.open)) break;
      this.#waiting[this.#head++] = undefined;
      if (next === undefined || next.isOut) continue;
      this.#worker.letOut(next);
      this.#takePlace(next.open);
      this.#worker.settings.pass(next.open, next.payload);
    }
    const isEmpty = this.#head === this.#waiting.length;
    if (isEmpty || (this.#head > MAX_PASSED && this.#head * 2 > this.#waiting.length)) {
      this.#waiting.splice(0, this.#head);
      this.#head = 0;
    }
    this.#isAdvancing = false;
  }

  takeAll(): readonly WaitingRequest[] {
    const taken: Waiting[] = [];
    for (const waiting of this.#waiting.splice(0)) {
      if (waiting === undefined || waiting.isOut) continue;
      this.#worker.letOut(waiting);
      taken.push(waiting);
    }
    this.#head = 0;
    return taken;
  }

  #hasPlaceFor(open: OpenRequest): boolean {
    return !takesPlace(open) || this.#underWay < this.#worker.settings.limits.maxOutstandingRequests;
  }

  #takePlace(open: OpenRequest): void {
    if (!takesPlace(open)) return;
    this.#underWay++;
    open.place = this;
  }
}

function laneOf({ request: { type, isWrite } }: OpenRequest): LaneName | undefined {
  if (type === 'request') return 'work';
  if (type === 'lock-request') return isWrite ? 'writes' : 'reads';
  return undefined;
}

function takesPlace({ request: { type, subject } }: OpenRequest): boolean {
  return type !== 'request' || PROMPT.has(subject ?? '');
}
