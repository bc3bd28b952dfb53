/**
 * Where each request of a worker to its master is, locks aside (docs/PROTOCOL.md, section 6): in one state at a time, which changes
 * here and nowhere else. When it may change, the {@link RequestCoordinator} decides.
 */

import { LinkedQueue, type QueuePlace } from '../../linked-queue.js';
import type { MasterRequest } from '../../protocol/messages.js';
import { BrokenInvariant, invariant } from '../invariants.js';
import {
  type Limits,
  MAX_ABANDONED_REQUESTS,
  MAX_UNANSWERED_REQUESTS,
  WAITING_REQUEST_BYTES,
} from '../limits.js';
import { type ByteBudget, keptCopy } from '../memory.js';
import type { Peer } from '../peers/peer.js';
import { addUsage, type Usage } from '../shares.js';

/** Where a request is. */
export type RequestState =
  /** Its message is being handled, and has not been copied. */
  | { readonly kind: 'arrived'; readonly message: Uint8Array }
  /** Waits until fewer requests of its worker are open at the master. */
  | { readonly kind: 'queued'; readonly place: QueuePlace<Entry> }
  /** Waits for a master that has opened its file. */
  | { readonly kind: 'held'; readonly item: HeldItem }
  /** Waits for the answer to another request, which the master must not work on at the same time. */
  | { readonly kind: 'postponed'; readonly place: QueuePlace<Entry> }
  /** The master has it, and has not answered. */
  | { readonly kind: 'forwarded'; readonly place: QueuePlace<Entry> }
  /** The master has it, and its worker is gone: the answer goes nowhere. */
  | { readonly kind: 'abandoned'; readonly place: QueuePlace<Entry> }
  /** Answered, or dropped. */
  | { readonly kind: 'closed' };

/** A request, as its table keeps it. */
interface Entry {
  readonly asker: Peer;
  readonly request: MasterRequest;
  /** When it came, by the broker's clock. */
  readonly since: number;
  state: RequestState;
  /** Its message: while it waits; and while the master has it, if the next one may be asked again and there is room. */
  payload: Uint8Array | undefined;
}

/** A request that has not been answered. */
export type OpenRequest = Readonly<Entry>;

/** What waits for a master that has opened its file: a request, or a message that nobody answers. */
export interface HeldMessage {
  readonly senderId: string;
  readonly payload: Uint8Array;
  readonly request: OpenRequest | undefined;
}

interface HeldItem extends HeldMessage {
  place: QueuePlace<HeldItem> | undefined;
}

/** How much is asked, and was not answered. */
export interface RequestCounts {
  readonly requests: number;
  /** Workers that wait for an answer. */
  readonly workers: ReadonlySet<Peer>;
}

/** What one worker asks. */
interface Asker {
  /** All of its requests, by their ids, in the order in which they came. */
  readonly open: Map<string, Entry>;
  readonly queue: LinkedQueue<Entry>;
  queuedBytes: number;
  /** How many are forwarded, or about to be: those that a master answers by itself, and others. */
  readonly places: { prompt: number; slow: number };
  forwarded: number;
}

/** What a table works with. */
export interface RequestTableSettings {
  readonly limits: Limits;
  /** What all who keep messages share. */
  readonly kept: ByteBudget;
  /** How many frames have come to the database so far. */
  framesSoFar(): number;
}

/** What may be asked twice of two masters, or of one: the second time nothing else happens than the first. */
const REPEATABLE = new Set(['kit.add', 'fst.allocate', 'index.create', 'index.update']);

/** What a master answers by itself, whoever holds locks. */
const PROMPT = new Set(['kit.add', 'fst.allocate', 'fst.release', 'index.update']);

const CLOSED: RequestState = { kind: 'closed' };

/** The requests of one database, and the messages that keep their place in order with them. Each step is O(1). */
export class RequestTable {
  readonly #settings: RequestTableSettings;
  readonly #askers = new Map<Peer, Asker>();
  readonly #held = new LinkedQueue<HeldItem>();
  readonly #postponed = new LinkedQueue<Entry>();
  readonly #forwarded = new LinkedQueue<Entry>();
  readonly #abandoned = new LinkedQueue<Entry>();
  readonly #abandonedById = new Map<string, Entry>();
  #openCount = 0;
  #heldRequests = 0;
  #heldBytes = 0;
  #postponedBytes = 0;
  /** What all of it takes of the bytes that all who keep messages share. */
  #keptBytes = 0;
  /** How many frames had come when the first message was held that is no request: nobody sends it again if it is lost here. */
  #messagesSince: number | undefined;

  constructor(settings: RequestTableSettings) {
    this.#settings = settings;
  }

  /** How many messages are held for a master, requests included; how many of them are requests; and their bytes. */
  get heldCount(): number {
    return this.#held.size;
  }
  get heldRequests(): number {
    return this.#heldRequests;
  }
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Up to how many frames of the database nothing of what came of them waits here, but for requests [PROTOCOL-14.7]. */
  get caughtUpTo(): number {
    return this.#messagesSince === undefined ? Number.POSITIVE_INFINITY : this.#messagesSince - 1;
  }

  /** The request that has been held for longest. */
  get oldestHeld(): OpenRequest | undefined {
    for (const { request } of this.#held) if (request !== undefined) return request;
    return undefined;
  }

  /** The request that was postponed first. */
  get firstPostponed(): OpenRequest | undefined {
    return this.#postponed.first;
  }

  /** Whether the master owes this worker an answer. */
  isOwed(asker: Peer): boolean {
    return (this.#askers.get(asker)?.forwarded ?? 0) > 0;
  }

  /** Whether the master owes an answer to anybody who is not gone. */
  get isMasterAsked(): boolean {
    return this.#forwarded.size > 0;
  }

  /** The open request of that worker with that id. */
  find(asker: Peer, id: string): OpenRequest | undefined {
    return this.#askers.get(asker)?.open.get(id);
  }

  /** A request with that id that the master has, of a worker that is gone. */
  findAbandoned(id: string): OpenRequest | undefined {
    return this.#abandonedById.get(id);
  }

  count(): RequestCounts {
    const workers = new Set<Peer>();
    for (const [worker, { open }] of this.#askers) if (open.size > 0) workers.add(worker);
    return { requests: this.#openCount, workers };
  }

  /** The open requests of a worker, in the order in which they came. The one at hand may be closed meanwhile. */
  of(asker: Peer): Iterable<OpenRequest> {
    return this.#askers.get(asker)?.open.values() ?? [];
  }

  /** The open requests of all workers. */
  *all(): Iterable<OpenRequest> {
    for (const { open } of this.#askers.values()) yield* open.values();
  }

  /** What is held for a master, in order. What is at hand may be taken out meanwhile. */
  held(): Iterable<HeldMessage> {
    return this.#held;
  }

  /** What is postponed, in order. What is at hand may be taken out meanwhile. */
  postponed(): Iterable<OpenRequest> {
    return this.#postponed;
  }

  /** A request came. @returns `undefined` if the worker has one open with that id */
  add(asker: Peer, request: MasterRequest, since: number, message: Uint8Array): OpenRequest | undefined {
    let ofAsker = this.#askers.get(asker);
    if (ofAsker === undefined) {
      const places = { prompt: 0, slow: 0 };
      ofAsker = { open: new Map(), queue: new LinkedQueue(), queuedBytes: 0, places, forwarded: 0 };
      this.#askers.set(asker, ofAsker);
    }
    if (ofAsker.open.has(request.id)) return undefined;
    const entry: Entry = { asker, request, since, state: { kind: 'arrived', message }, payload: undefined };
    ofAsker.open.set(request.id, entry);
    this.#openCount++;
    return entry;
  }

  /** Whether a request that has just come may go: nothing of its worker is queued, and there is a place for it. */
  hasTurn(entry: OpenRequest): boolean {
    const asker = this.#askerOf(entry);
    return asker.queue.size === 0 && this.#hasPlaceFor(entry, asker);
  }

  /** The queued request of that worker whose turn it is. It is to be moved on, or closed, before this is asked again. */
  nextQueued(asker: Peer): OpenRequest | undefined {
    const ofAsker = this.#askers.get(asker);
    const first = ofAsker?.queue.first;
    return ofAsker !== undefined && first !== undefined && this.#hasPlaceFor(first, ofAsker)
      ? first
      : undefined;
  }

  /** Queues a request that has just come. @returns false if there is no room; then nothing has changed */
  enqueue(entry: Entry): boolean {
    const asker = this.#askerOf(entry);
    const size = messageOf(entry).length + WAITING_REQUEST_BYTES;
    if (asker.queuedBytes + size > this.#settings.limits.maxMailPerPeer) return false;
    if (!this.#keepPayload(entry, WAITING_REQUEST_BYTES)) return false;
    this.#move(entry, { kind: 'queued', place: asker.queue.push(entry) });
    asker.queuedBytes += size;
    return true;
  }

  /** Holds a request for a master. @returns false if there is no room; then nothing has changed */
  hold(entry: Entry): boolean {
    if (entry.state.kind === 'held') return true;
    const { length } = messageOf(entry);
    if (this.#heldBytes + length > this.#settings.limits.maxMailPerPeer) return false;
    if (!this.#keepPayload(entry)) return false;
    this.#moveToHeld(entry, 'last');
    return true;
  }

  /** Holds a message that nobody answers. @returns false if there is no room */
  holdMessage(senderId: string, message: Uint8Array): boolean {
    const { limits, framesSoFar } = this.#settings;
    const { length } = message;
    if (this.#heldBytes + length > limits.maxMailPerPeer || !this.#take(length)) return false;
    const item: HeldItem = { senderId, payload: keptCopy(message), request: undefined, place: undefined };
    item.place = this.#held.push(item);
    this.#heldBytes += length;
    this.#messagesSince ??= framesSoFar();
    return true;
  }

  /**
   * Holds requests that a master had, in front of all that is held. Their messages are kept already.
   *
   * @returns what there is no room for: messages were dropped, requests are to be closed
   */
  holdFirst(entries: readonly Entry[]): readonly HeldMessage[] {
    for (const entry of [...entries].reverse()) this.#moveToHeld(entry, 'first');
    const refused: HeldItem[] = [];
    let excess = this.#heldBytes - this.#settings.limits.maxMailPerPeer;
    for (const item of excess > 0 ? [...this.#held].reverse() : []) {
      if (excess <= 0) break;
      excess -= item.payload.length;
      refused.push(item);
    }
    for (const item of refused) if (item.request === undefined) this.#dropMessage(item);
    return refused.reverse();
  }

  /** Drops what is held that nobody answers: the next master is told anew, or it was for the last one alone. */
  dropMessages(): void {
    for (const item of this.#held) if (item.request === undefined) this.#dropMessage(item);
    this.#messagesSince = undefined;
  }

  /** Postpones a request. @returns false if there is no room; then nothing has changed */
  postpone(entry: Entry): boolean {
    const { length } = messageOf(entry);
    if (this.#postponedBytes + length > this.#settings.limits.maxMailPerPeer) return false;
    if (!this.#keepPayload(entry)) return false;
    this.#move(entry, { kind: 'postponed', place: this.#postponed.push(entry) });
    this.#postponedBytes += length;
    return true;
  }

  /** A request goes to the master. What may be asked again is kept for the next one, as long as there is room. @returns its message */
  forward(entry: Entry): Uint8Array {
    const message = messageOf(entry);
    if (isRepeatable(entry.request)) this.#keepPayload(entry);
    this.#move(entry, { kind: 'forwarded', place: this.#forwarded.push(entry) });
    this.#askerOf(entry).forwarded++;
    if (!isRepeatable(entry.request)) this.#dropPayload(entry);
    return message;
  }

  /** A request has its answer, or needs none any more. Does nothing if that is known. */
  close(entry: Entry): void {
    if (entry.state.kind === 'closed') return;
    const isOpen = entry.state.kind !== 'abandoned';
    this.#move(entry, CLOSED);
    this.#dropPayload(entry);
    if (isOpen) this.#noLongerOpen(entry);
    this.#checkEmpty();
  }

  /**
   * A worker is gone, and all is closed that the master does not have of it.
   *
   * @returns requests of workers that are gone of which nothing is known any more, since there are too many
   */
  abandon(worker: Peer): readonly OpenRequest[] {
    for (const entry of this.#askers.get(worker)?.open.values() ?? []) {
      invariant(entry.state.kind === 'forwarded', 'request-table');
      this.#dropPayload(entry);
      this.#move(entry, { kind: 'abandoned', place: this.#abandoned.push(entry) });
      this.#abandonedById.set(entry.request.id, entry);
      this.#noLongerOpen(entry);
    }
    this.#askers.delete(worker);
    const forgotten: Entry[] = [];
    while (this.#abandoned.size > MAX_ABANDONED_REQUESTS && this.#abandoned.first !== undefined) {
      forgotten.push(this.#abandoned.first);
      this.close(this.#abandoned.first);
    }
    return forgotten;
  }

  /** The master answers no more. @returns what it had, in the order in which it was given it: to be held again, or closed */
  masterEnded(): { readonly forwarded: readonly OpenRequest[]; readonly abandoned: readonly OpenRequest[] } {
    const abandoned = [...this.#abandoned];
    for (const entry of abandoned) this.close(entry);
    return { forwarded: [...this.#forwarded], abandoned };
  }

  /** Whether a request could be kept, if its worker and its database might have more: whether memory is what is wanting. */
  hasMemoryFor(entry: Entry): boolean {
    return this.#settings.kept.hasRoom(messageOf(entry).length + WAITING_REQUEST_BYTES);
  }

  /** Adds what is kept of the requests of each worker. */
  addUsageTo(usage: Usage): void {
    for (const { asker, payload, state } of this.all()) {
      const more = state.kind === 'queued' ? WAITING_REQUEST_BYTES : 0;
      addUsage(usage, asker, (payload?.length ?? 0) + more);
    }
  }

  /** Nobody waits any more. */
  clear(): void {
    this.dropMessages();
    for (const entry of [...this.all(), ...this.#abandoned]) this.close(entry);
    this.#askers.clear();
  }

  #moveToHeld(entry: Entry, where: 'first' | 'last'): void {
    const payload = messageOf(entry);
    const item: HeldItem = { senderId: entry.asker.id, payload, request: entry, place: undefined };
    this.#move(entry, { kind: 'held', item });
    item.place = where === 'last' ? this.#held.push(item) : this.#held.pushFirst(item);
    this.#heldBytes += payload.length;
    this.#heldRequests++;
  }

  /** The only place in which a request changes its state: it leaves the one that it is in, and enters another. */
  #move(entry: Entry, state: RequestState): void {
    const { state: former } = entry;
    switch (former.kind) {
      case 'arrived':
        break;
      case 'queued': {
        const asker = this.#askerOf(entry);
        asker.queue.remove(former.place);
        asker.queuedBytes -= messageOf(entry).length + WAITING_REQUEST_BYTES;
        this.#give(WAITING_REQUEST_BYTES);
        invariant(asker.queuedBytes >= 0, 'request-table');
        break;
      }
      case 'held':
        this.#unhold(former.item);
        this.#heldRequests--;
        break;
      case 'postponed':
        this.#postponed.remove(former.place);
        this.#postponedBytes -= messageOf(entry).length;
        break;
      case 'forwarded':
        this.#forwarded.remove(former.place);
        this.#askerOf(entry).forwarded--;
        break;
      case 'abandoned':
        this.#abandoned.remove(former.place);
        this.#abandonedById.delete(entry.request.id);
        break;
      case 'closed':
        invariant(false, 'request-table');
    }
    if (takesPlace(former) !== takesPlace(state)) {
      const { places } = this.#askerOf(entry);
      places[pace(entry)] += takesPlace(state) ? 1 : -1;
      invariant(places[pace(entry)] >= 0, 'request-table');
    }
    entry.state = state;
  }

  #noLongerOpen({ asker, request }: Entry): void {
    const ofAsker = this.#askers.get(asker);
    ofAsker?.open.delete(request.id);
    this.#openCount--;
    if (ofAsker === undefined || ofAsker.open.size > 0) return;
    const { queue, queuedBytes, places, forwarded } = ofAsker;
    const rest = queue.size + queuedBytes + places.prompt + places.slow + forwarded;
    invariant(rest === 0, 'request-table');
  }

  /** Nothing is open: nothing must be counted. */
  #checkEmpty(): void {
    const count = this.#openCount + this.#held.size;
    invariant(count >= 0 && this.#keptBytes >= 0, 'request-table');
    if (count > 0) return;
    const bytes = this.#keptBytes + this.#heldBytes + this.#postponedBytes;
    invariant(bytes === 0 && this.#heldRequests === 0, 'request-table');
  }

  #unhold(item: HeldItem): void {
    if (item.place !== undefined) this.#held.remove(item.place);
    this.#heldBytes -= item.payload.length;
    invariant(this.#heldBytes >= 0, 'request-table');
  }

  #dropMessage(item: HeldItem): void {
    this.#unhold(item);
    this.#give(item.payload.length);
  }

  /** Keeps a copy of its message, if there is none; with `more` bytes beside it. @returns false if there is no room */
  #keepPayload(entry: Entry, more = 0): boolean {
    const message = messageOf(entry);
    const isKept = entry.payload !== undefined;
    if (!this.#take((isKept ? 0 : message.length) + more)) return false;
    if (!isKept) entry.payload = keptCopy(message);
    return true;
  }

  #dropPayload(entry: Entry): void {
    if (entry.payload !== undefined) this.#give(entry.payload.length);
    entry.payload = undefined;
  }

  #take(bytes: number): boolean {
    if (!this.#settings.kept.take(bytes)) return false;
    this.#keptBytes += bytes;
    return true;
  }

  #give(bytes: number): void {
    this.#keptBytes -= bytes;
    this.#settings.kept.give(bytes);
  }

  #hasPlaceFor(entry: OpenRequest, { places }: Asker): boolean {
    const { maxOutstandingRequests } = this.#settings.limits;
    if (pace(entry) === 'prompt') return places.prompt < maxOutstandingRequests;
    return places.slow < MAX_UNANSWERED_REQUESTS;
  }

  #askerOf({ asker }: OpenRequest): Asker {
    const ofAsker = this.#askers.get(asker);
    if (ofAsker === undefined) throw new BrokenInvariant('request-table');
    return ofAsker;
  }
}

/** The message of a request that has just come, or is kept. */
function messageOf({ payload, state }: OpenRequest): Uint8Array {
  if (payload !== undefined) return payload;
  if (state.kind !== 'arrived') throw new BrokenInvariant('request-table');
  return state.message;
}

/** Whether a request is at the master, or on its way there. */
function takesPlace({ kind }: RequestState): boolean {
  return kind === 'held' || kind === 'postponed' || kind === 'forwarded';
}

function pace({ request: { subject } }: OpenRequest): 'prompt' | 'slow' {
  return PROMPT.has(subject ?? '') ? 'prompt' : 'slow';
}

function isRepeatable({ subject }: MasterRequest): boolean {
  return subject !== undefined && REPEATABLE.has(subject);
}
