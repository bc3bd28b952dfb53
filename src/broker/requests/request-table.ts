/**
 * Where each request of a worker to its master is, locks aside (docs/PROTOCOL.md, section 6): in one state at a time, which changes
 * here and nowhere else. When it may change, the {@link RequestCoordinator} decides.
 */

import { LinkedQueue, type QueuePlace } from '../../linked-queue.js';
import type { MasterRequest } from '../../protocol/messages.js';
import { BrokenInvariant, invariant } from '../invariants.js';
import { MAX_ABANDONED_REQUESTS, MAX_UNANSWERED_REQUESTS, WAITING_REQUEST_BYTES } from '../limits.js';
import { keptCopy } from '../memory.js';
import type { Peer } from '../peers/peer.js';
import type { Scope } from '../ports.js';

/**
 * What a request waits for: `queued`, until fewer of its worker are open at the master; `held`, for a master that has opened its file;
 * `postponed`, for the answer to another one, which the master must not work on at the same time.
 */
type WaitingKind = 'queued' | 'held' | 'postponed';

/** Where a request is. */
export type RequestState =
  /** Its message is being handled, and has not been copied. */
  | { readonly kind: 'arrived'; readonly message: Uint8Array }
  /** Waits in one of the lanes. */
  | { readonly kind: WaitingKind; readonly lane: Lane; readonly item: LaneItem }
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

/** What waits: a request, or a message that nobody answers. */
export interface WaitingMessage {
  readonly senderId: string;
  readonly payload: Uint8Array;
  readonly request: OpenRequest | undefined;
}

interface LaneItem extends WaitingMessage {
  place: QueuePlace<LaneItem> | undefined;
}

/** What waits for the same thing, in order, up to a limit in bytes. */
class Lane {
  readonly kind: WaitingKind;
  /** Bytes that each message counts beside its own. */
  readonly overhead: number;
  readonly queue = new LinkedQueue<LaneItem>();
  bytes = 0;
  /** How many of them are requests. */
  requests = 0;

  constructor(kind: WaitingKind, overhead = 0) {
    this.kind = kind;
    this.overhead = overhead;
  }

  add(message: WaitingMessage, where: 'first' | 'last' = 'last'): LaneItem {
    const item: LaneItem = { ...message, place: undefined };
    item.place = where === 'last' ? this.queue.push(item) : this.queue.pushFirst(item);
    this.bytes += item.payload.length + this.overhead;
    if (item.request !== undefined) this.requests++;
    return item;
  }

  remove(item: LaneItem): void {
    if (item.place !== undefined) this.queue.remove(item.place);
    this.bytes -= item.payload.length + this.overhead;
    if (item.request !== undefined) this.requests--;
    invariant(this.bytes >= 0, 'request-table');
  }
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
  readonly lane: Lane;
  /** How many are forwarded, or about to be: those that a master answers by itself, and others. */
  readonly places: { prompt: number; slow: number };
  forwarded: number;
}

/** What a table works with. */
export interface RequestTableSettings extends Pick<Scope, 'limits' | 'kept'> {
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
  readonly #held = new Lane('held');
  readonly #postponed = new Lane('postponed');
  readonly #forwarded = new LinkedQueue<Entry>();
  readonly #abandoned = new LinkedQueue<Entry>();
  readonly #abandonedById = new Map<string, Entry>();
  #openCount = 0;
  /** What all of it takes of the bytes that all who keep messages share. */
  #keptBytes = 0;
  /** How many frames had come when the first message was held that is no request: nobody sends it again if it is lost here. */
  #messagesSince: number | undefined;

  constructor(settings: RequestTableSettings) {
    this.#settings = settings;
  }

  /** How many messages are held for a master, requests included; how many of them are requests; and their bytes. */
  get heldCount(): number {
    return this.#held.queue.size;
  }
  get heldRequests(): number {
    return this.#held.requests;
  }
  get heldBytes(): number {
    return this.#held.bytes;
  }

  /** Up to how many frames of the database nothing of what came of them waits here, but for requests [PROTOCOL-14.7]. */
  get caughtUpTo(): number {
    return this.#messagesSince === undefined ? Number.POSITIVE_INFINITY : this.#messagesSince - 1;
  }

  /** The request that has been held for longest. */
  get oldestHeld(): OpenRequest | undefined {
    for (const { request } of this.#held.queue) if (request !== undefined) return request;
    return undefined;
  }

  /** The request that was postponed first. */
  get firstPostponed(): OpenRequest | undefined {
    return this.#postponed.queue.first?.request;
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
  held(): Iterable<WaitingMessage> {
    return this.#held.queue;
  }

  /** What is postponed, in order. What is at hand may be taken out meanwhile. */
  *postponed(): Iterable<OpenRequest> {
    for (const { request } of this.#postponed.queue) if (request !== undefined) yield request;
  }

  /** A request came. @returns `undefined` if the worker has one open with that id */
  add(asker: Peer, request: MasterRequest, since: number, message: Uint8Array): OpenRequest | undefined {
    let ofAsker = this.#askers.get(asker);
    if (ofAsker === undefined) {
      const places = { prompt: 0, slow: 0 };
      ofAsker = { open: new Map(), lane: new Lane('queued', WAITING_REQUEST_BYTES), places, forwarded: 0 };
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
    return asker.lane.queue.size === 0 && this.#hasPlaceFor(entry, asker);
  }

  /** The queued request of that worker whose turn it is. It is to be moved on, or closed, before this is asked again. */
  nextQueued(asker: Peer): OpenRequest | undefined {
    const ofAsker = this.#askers.get(asker);
    const first = ofAsker?.lane.queue.first?.request;
    return ofAsker !== undefined && first !== undefined && this.#hasPlaceFor(first, ofAsker)
      ? first
      : undefined;
  }

  /** Queues a request that has just come. @returns false if there is no room; then nothing has changed */
  enqueue(entry: Entry): boolean {
    return this.#wait(entry, this.#askerOf(entry).lane);
  }

  /** Holds a request for a master. @returns false if there is no room; then nothing has changed */
  hold(entry: Entry): boolean {
    return entry.state.kind === 'held' || this.#wait(entry, this.#held);
  }

  /** Postpones a request. @returns false if there is no room; then nothing has changed */
  postpone(entry: Entry): boolean {
    return this.#wait(entry, this.#postponed);
  }

  /** Holds a message that nobody answers. @returns false if there is no room */
  holdMessage(senderId: string, message: Uint8Array): boolean {
    const { length } = message;
    if (!this.#hasRoom(this.#held, length) || !this.#take(length)) return false;
    this.#held.add({ senderId, payload: keptCopy(message), request: undefined });
    this.#messagesSince ??= this.#settings.framesSoFar();
    return true;
  }

  /**
   * Holds requests that a master had, in front of all that is held. Their messages are kept already.
   *
   * @returns what there is no room for: messages were dropped, requests are to be closed
   */
  holdFirst(entries: readonly Entry[]): readonly WaitingMessage[] {
    for (const entry of [...entries].reverse()) this.#enter(entry, this.#held, 'first');
    const refused: LaneItem[] = [];
    let excess = this.#held.bytes - this.#settings.limits.maxMailPerPeer;
    for (const message of excess > 0 ? [...this.#held.queue].reverse() : []) {
      if (excess <= 0) break;
      excess -= message.payload.length;
      refused.push(message);
    }
    for (const item of refused) if (item.request === undefined) this.#dropMessage(item);
    return refused.reverse();
  }

  /** Drops what is held that nobody answers: the next master is told anew, or it was for the last one alone. */
  dropMessages(): void {
    for (const item of this.#held.queue) if (item.request === undefined) this.#dropMessage(item);
    this.#messagesSince = undefined;
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

  /** What is kept of the requests of a worker, in bytes. */
  bytesOf(worker: Peer): number {
    let bytes = (this.#askers.get(worker)?.lane.requests ?? 0) * WAITING_REQUEST_BYTES;
    for (const { payload } of this.of(worker)) bytes += payload?.length ?? 0;
    return bytes;
  }

  /** Nobody waits any more. */
  clear(): void {
    this.dropMessages();
    for (const entry of [...this.all(), ...this.#abandoned]) this.close(entry);
    this.#askers.clear();
  }

  #wait(entry: Entry, lane: Lane): boolean {
    if (!this.#hasRoom(lane, messageOf(entry).length) || !this.#keepPayload(entry, lane.overhead))
      return false;
    this.#enter(entry, lane);
    return true;
  }

  #enter(entry: Entry, lane: Lane, where?: 'first' | 'last'): void {
    const item = lane.add({ senderId: entry.asker.id, payload: messageOf(entry), request: entry }, where);
    this.#move(entry, { kind: lane.kind, lane, item });
  }

  #hasRoom({ bytes, overhead }: Lane, more: number): boolean {
    return bytes + more + overhead <= this.#settings.limits.maxMailPerPeer;
  }

  /** The only place in which a request changes its state: it leaves the one that it is in, and enters another. */
  #move(entry: Entry, state: RequestState): void {
    const { state: former } = entry;
    switch (former.kind) {
      case 'arrived':
        break;
      case 'queued':
      case 'held':
      case 'postponed':
        former.lane.remove(former.item);
        this.#give(former.lane.overhead);
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
    const { lane, places, forwarded } = ofAsker;
    const rest = lane.queue.size + lane.bytes + places.prompt + places.slow + forwarded;
    invariant(rest === 0, 'request-table');
  }

  /** Nothing is open: nothing must be counted. */
  #checkEmpty(): void {
    const count = this.#openCount + this.#held.queue.size;
    invariant(count >= 0 && this.#keptBytes >= 0, 'request-table');
    if (count > 0) return;
    const rest = this.#keptBytes + this.#held.bytes + this.#postponed.bytes + this.#held.requests;
    invariant(rest === 0, 'request-table');
  }

  #dropMessage(item: LaneItem): void {
    this.#held.remove(item);
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
