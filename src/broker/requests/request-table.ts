/**
 * Questions to the master, locks aside, and their one answer (docs/PROTOCOL.md, section 6). Where no master can answer, the server
 * does: with an error where AceBase awaits one; where nobody does, an error would end the process that asked.
 */

import { encode, MASTER_ID } from '../../protocol/frames.js';
import type { MasterRequest } from '../../protocol/messages.js';
import { type Limits, WAITING_REQUEST_BYTES } from '../limits.js';
import { type ByteBudget, keptCopy } from '../memory.js';
import type { Peer } from '../peers/peer.js';

/** One of the places of a worker at its master. */
export interface RequestPlace {
  /** It is free again. */
  release(): void;
}

/** A request that waits for its answer. */
export interface OpenRequest {
  readonly asker: Peer;
  readonly request: MasterRequest;
  /** When it came, by the broker's clock. */
  readonly since: number;
  /** Whether a master has it. */
  isPassed: boolean;
  /** The place that it takes until it is answered, if it takes one. */
  place: RequestPlace | undefined;
  /** The message, if it may be sent to the next master again, and as long as there is room to keep it. */
  payload: Uint8Array | undefined;
}

/** How much is asked, and was not answered. */
export interface RequestCounts {
  readonly requests: number;
  /** Workers that wait for an answer. */
  readonly workers: ReadonlySet<Peer>;
}

/** What may be asked twice of two masters, or of one: the second time nothing else happens than the first. */
const REPEATABLE = new Set(['kit.add', 'fst.allocate', 'index.create', 'index.update']);

/** The unanswered requests of one database. */
export class OpenRequests {
  readonly #kept: ByteBudget;
  readonly #byAsker = new Map<Peer, Map<string, OpenRequest>>();
  /** Passed on to the master by workers that are gone; its answers go nowhere. */
  readonly #abandoned = new Map<string, OpenRequest>();

  /** @param kept the bytes that all may keep together */
  constructor(kept: ByteBudget) {
    this.#kept = kept;
  }

  /** Whether this worker has a request with that id open. */
  has(asker: Peer, id: string): boolean {
    return this.#byAsker.get(asker)?.has(id) ?? false;
  }

  /** Whether the master owes this worker an answer. */
  isPassedFor(asker: Peer): boolean {
    for (const { isPassed } of this.#byAsker.get(asker)?.values() ?? []) if (isPassed) return true;
    return false;
  }

  /** Notes a new request; what may be asked again is kept for the next master. */
  open(asker: Peer, request: MasterRequest, since: number, message: Uint8Array): OpenRequest {
    const isKept = isRepeatable(request) && this.#kept.take(message.length);
    const payload = isKept ? keptCopy(message) : undefined;
    const opened: OpenRequest = {
      asker,
      request,
      since,
      isPassed: false,
      place: undefined,
      payload,
    };
    let requests = this.#byAsker.get(asker);
    if (requests === undefined) {
      requests = new Map();
      this.#byAsker.set(asker, requests);
    }
    requests.set(request.id, opened);
    return opened;
  }

  /** The request of that worker that an answer belongs to; it is not open any more. */
  answer(asker: Peer, id: string): OpenRequest | undefined {
    const open = this.#byAsker.get(asker)?.get(id);
    if (open !== undefined) this.close(open);
    return open;
  }

  /** The request of a worker that is gone, and that an answer belongs to; it is not open any more. */
  answerAbandoned(id: string): OpenRequest | undefined {
    const open = this.#abandoned.get(id);
    this.#abandoned.delete(id);
    return open;
  }

  /** A request needs no answer any more. */
  close(open: OpenRequest): void {
    this.#forget(open);
    const requests = this.#byAsker.get(open.asker);
    requests?.delete(open.request.id);
    if (requests?.size === 0) this.#byAsker.delete(open.asker);
  }

  /** A worker is gone: what a master has of it is only waited for to be undone. */
  abandon(asker: Peer): void {
    for (const open of this.#byAsker.get(asker)?.values() ?? []) {
      this.#forget(open);
      if (open.isPassed) this.#abandoned.set(open.request.id, open);
    }
    this.#byAsker.delete(asker);
  }

  /** The master is gone. @returns what it had not answered, and what nobody waits for any more */
  lost(): { readonly requests: readonly OpenRequest[]; readonly abandoned: readonly OpenRequest[] } {
    const requests = [...this.all()].filter(({ isPassed }) => isPassed);
    const abandoned = [...this.#abandoned.values()];
    this.#abandoned.clear();
    return { requests, abandoned };
  }

  /** All that wait for an answer. */
  *all(): Iterable<OpenRequest> {
    for (const requests of this.#byAsker.values()) yield* requests.values();
  }

  count(): RequestCounts {
    let requests = 0;
    for (const ofAsker of this.#byAsker.values()) requests += ofAsker.size;
    return { requests, workers: new Set(this.#byAsker.keys()) };
  }

  /** Nobody waits any more. */
  clear(): void {
    for (const open of this.all()) this.#forget(open);
    this.#byAsker.clear();
    this.#abandoned.clear();
  }

  #forget(open: OpenRequest): void {
    if (open.payload !== undefined) this.#kept.give(open.payload.length);
    open.payload = undefined;
  }
}

function isRepeatable({ subject }: MasterRequest): boolean {
  return subject !== undefined && REPEATABLE.has(subject);
}

/** The answer to a request that the master will not give, with `reason` where the answer is an error. */
export function answerFor({ id, from, subject }: MasterRequest, reason: string): Uint8Array {
  const head = { type: 'result', id, from: MASTER_ID, to: from };
  return encode(JSON.stringify({ ...head, ...(resultOf(subject) ?? { ok: false, reason }) }));
}

function resultOf(subject: string | undefined): object | undefined {
  // -1 says that the key is not in the table: the worker writes it out in full [PROTOCOL-6.3].
  if (subject === 'kit.add') return { ok: true, data: { ok: true, index: -1 } };
  // The records stay unused until AceBase is told of them again; the file stays sound [PROTOCOL-6.4].
  if (subject === 'fst.release') return { ok: true, data: { ok: true } };
  return undefined;
}

/** A message that waits for a peer that cannot take it yet. */
export interface Mail {
  readonly senderId: string;
  readonly payload: Uint8Array;
  /** The request, if the sender waits for an answer: the mail has no meaning once it is gone. */
  readonly request: OpenRequest | undefined;
}

/** Mail, and the bytes that it takes from what all share: none, if its request keeps the payload anyway. */
interface KeptMail extends Mail {
  readonly cost: number;
}

/** Mail kept in order, up to a number of bytes. */
export class Mailbox {
  readonly #maxBytes: number;
  readonly #kept: ByteBudget;
  readonly #mail = new Set<KeptMail>();
  readonly #byRequest = new Map<OpenRequest, KeptMail>();
  #bytes = 0;

  /**
   * @param maxBytes the bytes of payload that it keeps at most
   * @param kept what all mailboxes share
   */
  constructor(maxBytes: number, kept: ByteBudget) {
    this.#maxBytes = maxBytes;
    this.#kept = kept;
  }

  /** The bytes of payload that it holds. */
  get bytes(): number {
    return this.#bytes;
  }

  /** How many messages it holds. */
  get count(): number {
    return this.#mail.size;
  }

  /** How many of them are requests. */
  get requestCount(): number {
    return this.#byRequest.size;
  }

  /** Keeps a message; its payload is copied, unless its request keeps it already. @returns false if there is no room: then it is not kept */
  put(mail: Mail): boolean {
    const { request } = mail;
    const { length } = mail.payload;
    const cost = request?.payload === undefined ? length : 0;
    if (this.#bytes + length > this.#maxBytes || !this.#kept.take(cost)) return false;
    const payload = request?.payload ?? new Uint8Array(mail.payload);
    const keptMail = { ...mail, payload, cost };
    this.#mail.add(keptMail);
    if (request !== undefined) this.#byRequest.set(request, keptMail);
    this.#bytes += length;
    return true;
  }

  /** Keeps messages in front of all that are there. @returns those for which there was no room */
  putFirst(mail: readonly Mail[]): readonly Mail[] {
    const later = this.takeAll();
    const refused = mail.filter((item) => !this.put(item));
    return [...refused, ...later.filter((item) => !this.put(item))];
  }

  /** The oldest one for which `isWanted` is true; it stays. */
  find(isWanted: (mail: Mail) => boolean): Mail | undefined {
    for (const mail of this.#mail) if (isWanted(mail)) return mail;
    return undefined;
  }

  /** Takes the oldest one out. */
  takeFirst(): Mail | undefined {
    const [first] = this.#mail;
    if (first !== undefined) this.#remove(first);
    return first;
  }

  /** Takes everything out, oldest first. */
  takeAll(): readonly Mail[] {
    const mail = [...this.#mail];
    for (const item of mail) this.#remove(item);
    return mail;
  }

  /** Throws away all mail for which `isUnwanted` is true. @returns how many there were */
  discard(isUnwanted: (mail: Mail) => boolean): number {
    const before = this.#mail.size;
    for (const mail of this.#mail) if (isUnwanted(mail)) this.#remove(mail);
    return before - this.#mail.size;
  }

  /** Throws away one request, if it is here. */
  discardRequest(request: OpenRequest): void {
    const mail = this.#byRequest.get(request);
    if (mail !== undefined) this.#remove(mail);
  }

  #remove(mail: KeptMail): void {
    this.#mail.delete(mail);
    if (mail.request !== undefined) this.#byRequest.delete(mail.request);
    this.#kept.give(mail.cost);
    this.#bytes -= mail.payload.length;
  }
}

/** The mail that a request is. */
export function mailOf(open: OpenRequest, payload: Uint8Array): Mail {
  return { senderId: open.asker.id, payload, request: open };
}

/*
 * How many requests of one worker the master has at one time (docs/PROTOCOL.md, section 6.7). A worker may ask for 100,000
 * things in one turn. A master that was given them all would keep everybody else waiting until it has worked through them,
 * and take memory for each; so it is given a few at a time, and the rest waits here, in order.
 */

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
