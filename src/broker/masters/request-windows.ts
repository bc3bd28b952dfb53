/**
 * How many requests of one worker the master has at one time (docs/PROTOCOL.md, section 6.7). A worker may ask for 100,000
 * things in one turn. A master that was given them all would keep everybody else waiting until it has worked through them,
 * and take memory for each; so it is given a few at a time, and the rest waits here, in order.
 */

import { type Limits, WAITING_REQUEST_BYTES } from '../limits.js';
import type { ByteBudget } from '../memory.js';
import type { Peer } from '../peers/peer.js';
import type { OpenRequest, RequestPlace } from './requests.js';

/** What the windows work with. */
export interface RequestWindowsSettings {
  readonly limits: Limits;
  readonly kept: ByteBudget;
  /** The turn of a request has come that waited here. It may be answered within this call. */
  pass(open: OpenRequest, payload: Uint8Array): void;
}

/** A request that waited. */
export interface WaitingRequest {
  readonly open: OpenRequest;
  readonly payload: Uint8Array;
}

/** A request in a window's queue, and the bytes that it takes from what all share. */
interface Waiting extends WaitingRequest {
  readonly cost: number;
}

/** What a master answers by itself, whoever holds locks. Other work waits for its turn, and takes no place afterwards. */
const PROMPT = new Set(['kit.add', 'fst.allocate', 'fst.release', 'index.update']);

/** How many entries that were passed on stand in a queue before they are taken out. */
const MAX_PASSED = 1_024;

/** The windows of all workers of one database. */
export class RequestWindows {
  readonly #settings: RequestWindowsSettings;
  readonly #windows = new Map<Peer, Window>();

  constructor(settings: RequestWindowsSettings) {
    this.#settings = settings;
  }

  /** A request came. @returns whether it may be passed on now; else it waits here, or, if `full`, has no room */
  admit(open: OpenRequest, message: Uint8Array): 'now' | 'later' | 'full' {
    let window = this.#windows.get(open.asker);
    if (window === undefined) {
      window = new Window(this.#settings);
      this.#windows.set(open.asker, window);
    }
    return window.admit(open, message);
  }

  /** Takes out what waits of that worker: it is gone, or its requests are answered otherwise. */
  takeRequestsOf(asker: Peer): readonly WaitingRequest[] {
    const window = this.#windows.get(asker);
    this.#windows.delete(asker);
    return window?.takeAll() ?? [];
  }

  /** Nobody waits any more. */
  clear(): void {
    for (const asker of [...this.#windows.keys()]) this.takeRequestsOf(asker);
  }
}

/** What one worker asks: passed on in order, `maxOutstandingRequests` at a time. A place becomes free whatever locks are held. */
class Window implements RequestPlace {
  readonly #settings: RequestWindowsSettings;
  readonly #waiting: (Waiting | undefined)[] = [];
  /** How many of those that wait, from the first, do so no more. */
  #head = 0;
  /** Bytes that those take that wait. */
  #bytes = 0;
  /** How many the master has, or is about to get. */
  #underWay = 0;
  #isAdvancing = false;

  constructor(settings: RequestWindowsSettings) {
    this.#settings = settings;
  }

  admit(open: OpenRequest, message: Uint8Array): 'now' | 'later' | 'full' {
    if (this.#head === this.#waiting.length && this.#hasPlaceFor(open)) {
      this.#takePlace(open);
      return 'now';
    }
    const { limits, kept } = this.#settings;
    const size = message.length + WAITING_REQUEST_BYTES;
    // What is kept for the next master is not kept twice.
    const cost = size - (open.payload?.length ?? 0);
    if (this.#bytes + size > limits.maxMailPerPeer || !kept.take(cost)) return 'full';
    this.#bytes += size;
    this.#waiting.push({ open, payload: open.payload ?? new Uint8Array(message), cost });
    return 'later';
  }

  /** A request that had a place has its answer. */
  release(): void {
    this.#underWay--;
    this.#advance();
  }

  takeAll(): readonly WaitingRequest[] {
    const taken = this.#waiting.splice(0).filter((waiting) => waiting !== undefined);
    for (const waiting of taken) this.#letOut(waiting);
    this.#head = 0;
    return taken;
  }

  /** Passes on what has a place. */
  #advance(): void {
    // Who is answered at once makes room for the next one: that is for the loop that is running, not for a further call.
    if (this.#isAdvancing) return;
    this.#isAdvancing = true;
    while (this.#head < this.#waiting.length) {
      const next = this.#waiting[this.#head];
      if (next !== undefined && !this.#hasPlaceFor(next.open)) break;
      this.#waiting[this.#head++] = undefined;
      if (next === undefined) continue;
      this.#letOut(next);
      this.#takePlace(next.open);
      this.#settings.pass(next.open, next.payload);
    }
    const isEmpty = this.#head === this.#waiting.length;
    if (isEmpty || (this.#head > MAX_PASSED && this.#head * 2 > this.#waiting.length)) {
      this.#waiting.splice(0, this.#head);
      this.#head = 0;
    }
    this.#isAdvancing = false;
  }

  #letOut({ payload, cost }: Waiting): void {
    this.#bytes -= payload.length + WAITING_REQUEST_BYTES;
    this.#settings.kept.give(cost);
  }

  #hasPlaceFor(open: OpenRequest): boolean {
    return !takesPlace(open) || this.#underWay < this.#settings.limits.maxOutstandingRequests;
  }

  #takePlace(open: OpenRequest): void {
    if (!takesPlace(open)) return;
    this.#underWay++;
    open.place = this;
  }
}

function takesPlace({ request: { subject } }: OpenRequest): boolean {
  return PROMPT.has(subject ?? '');
}
