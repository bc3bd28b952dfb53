import type { ClosureCode } from '../../errors.js';
import { pickUp, utf16Length } from '../../protocol/frames.js';
import { isMasterAnswer, messageType } from '../../protocol/messages.js';
import { invariant } from '../invariants.js';
import { PARKING_TIME_MS } from '../limits.js';
import { keptCopy } from '../memory.js';
import type { Cancel, Link, Scope } from '../ports.js';

/** As much on its way, as a part of `maxBuffered`, and a client that counts is asked at once what has arrived, too. */
const PROMPT_PART = 1 / 8;

/** A short frame keeps the memory alive that it came in, up to 64 KiB. When that is as much for one peer, in bytes, copies of short ones are kept instead. */
const MOST_RETAINED_BYTES = 64 * 1024 * 1024;

/** What an outbox works with. */
export interface OutboxSettings extends Pick<Scope, 'clock' | 'limits' | 'incidents' | 'kept'> {
  readonly peerId: string;
  /** Whether it is known what the peer has read, so that the rest can be sent again. */
  readonly isTracked: boolean;
  /** Whether the client counts what it reads: then what it has read need not be known before the line breaks. */
  readonly isCounted: boolean;
  /** How many frames have come to the database so far. */
  readonly framesSoFar: () => number;
  /** A number for a message that is to be picked up, which no other one of the database had. */
  readonly nextMessageNumber: () => number;
}

/**
 * What one peer is still to get (docs/PROTOCOL.md, section 13). Bytes that the line cannot take yet wait in its
 * {@link Link}; the outbox sees to it that no more than `maxBuffered` do, and that nothing goes out after the peer was
 * cut off.
 *
 * Of a worker it knows what has arrived: a ping follows what was written, and since TCP keeps the order, its pong says
 * that all before it was read. While the line is broken, the outbox keeps what was written and not confirmed, and what
 * comes meanwhile, for the next line.
 */
export class Outbox {
  readonly #settings: OutboxSettings;
  /** With `largeMessages: 'http'`, from the first message on that is too long to be sent. */
  #parked: ParkedMessages | undefined;
  #link: Link | undefined;
  #isClosed = false;
  #lastToken = 0;
  /** Bytes that were owed to the peer before it came, and do not count until it has read them. */
  #advance = 0;
  /** Written and not confirmed, oldest first; or, while the line is broken, kept for the next one. */
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  /** The memory that they came in: what several frames in a row share counts once. */
  #retainedBytes = 0;
  #lastMemory: unknown;
  /** The ping that is under way, and how many of `#pending`, and of its bytes, were written before it. */
  #pingToken = 0;
  #pinged = 0;
  #pingedBytes = 0;
  #pingedRetained = 0;
  /** Whether that ping may wait a little for others. */
  #isPingPatient = false;
  /** How many frames were confirmed before those in `#pending`. */
  #confirmed = 0;
  /** Frames, and bytes, that were given to its lines. */
  sent = 0;
  sentBytes = 0;
  /** Messages that were kept, and thrown away. */
  dropped = 0;
  /** Everything that came of these many frames of the database was read; and will be, with the next pong. */
  #readUpTo = 0;
  #pingedUpTo = 0;
  /** How many frames had come before the oldest one of those in `#pending`, or fewer. */
  #pendingSince = 0;

  constructor(link: Link, settings: OutboxSettings) {
    this.#link = link;
    this.#settings = settings;
  }

  /** Bytes that came on its line: they show that its other end is there. */
  get bytesReceived(): number {
    return this.#link?.bytesReceived ?? 0;
  }

  /** Bytes that wait to be taken by the line. */
  get lineBytes(): number {
    return this.#link?.bufferedBytes ?? 0;
  }

  /** Bytes that wait to be read, or to be picked up. */
  get bytes(): number {
    if (this.#isClosed) return 0;
    return Math.max(this.lineBytes, this.#pendingBytes) + this.#parkedBytes;
  }

  /** Bytes that the line has taken, and the peer has not confirmed. */
  get unconfirmedBytes(): number {
    return this.#link === undefined ? 0 : Math.max(this.#pendingBytes - this.lineBytes, 0);
  }

  /** How many frames of the database had come before the oldest message that is not confirmed, or fewer; infinite if all are. */
  get unconfirmedSince(): number {
    return this.#isClosed || this.#pending.length === 0 ? Number.POSITIVE_INFINITY : this.#pendingSince;
  }

  /** Bytes that are kept for a peer that is away, or has to pick them up. */
  get keptBytes(): number {
    return this.mail.bytes + this.#parkedBytes;
  }

  get #parkedBytes(): number {
    return this.#parked?.bytes ?? 0;
  }

  /** Whether it is pinged for what it has read. */
  get isTracked(): boolean {
    return this.#settings.isTracked;
  }

  /** What is kept while the line is broken. */
  get mail(): { readonly messages: number; readonly bytes: number } {
    const isKept = this.#link === undefined && !this.#isClosed;
    return isKept ? { messages: this.#pending.length, bytes: this.#pendingBytes } : NO_MAIL;
  }

  /** Milliseconds that the last ping took; `undefined` if none was answered on this line. */
  get roundTrip(): number | undefined {
    return this.#link?.roundTrip;
  }

  /** Up to how many frames of the database the peer has read what came of them for it [PROTOCOL-14.7]. */
  get caughtUpTo(): number {
    if (this.#isClosed || !this.#settings.isTracked) return Number.POSITIVE_INFINITY;
    const read = this.#pending.length === 0 ? Number.POSITIVE_INFINITY : this.#readUpTo;
    return Math.min(read, this.#parked?.caughtUpTo ?? read);
  }

  /** What came of later frames is sent to it only now, whatever it has read meanwhile. @param frames up to which it was sent all */
  hasAllUpTo(frames: number): void {
    this.#readUpTo = Math.min(this.#readUpTo, frames);
    this.#pingedUpTo = Math.min(this.#pingedUpTo, frames);
  }

  /** A token for the next ping, higher than all before. */
  nextToken(): number {
    return ++this.#lastToken;
  }

  /** Says something to a client that has a session that is not counted, and not said again. */
  say(word: Uint8Array): void {
    if (this.#isClosed || this.#link === undefined) return;
    this.#link.send(word);
    this.#count(word);
  }

  /**
   * Sends a message, or keeps it while the line is broken.
   *
   * The limit counts what waits *before* the message is added, so that one large message always passes.
   *
   * @param canWait whether it may leave a little later, together with the next one
   * @returns false if the peer reads too slowly, or too much is kept for it: the message is not sent
   */
  send(payload: Uint8Array, canWait = false): boolean {
    if (this.#isClosed) return true;
    if (this.#link === undefined) return this.#keep(payload);
    const { bytes } = this;
    const { maxBuffered } = this.#settings.limits;
    if (bytes <= maxBuffered) this.#advance = 0;
    else if (bytes > maxBuffered + this.#advance) return false;
    return this.#push(this.#link, payload, canWait);
  }

  /**
   * Sends what was kept for the peer, within limits of its own: it does not count as slowness.
   *
   * @returns false if there is no room to park or keep it
   */
  sendOwed(payload: Uint8Array): boolean {
    if (this.#isClosed) return true;
    if (this.#link === undefined) return this.#keep(payload);
    this.#advance += payload.length;
    return this.#push(this.#link, payload);
  }

  /** Asks for a pong with that token, behind everything sent so far. */
  ping(token: number): void {
    this.#link?.ping(token);
  }

  /** The pong to that ping came: what was written before it was read. */
  acknowledge(token: number): void {
    if (this.#pingToken === 0 || token < this.#pingToken || this.#link === undefined) return;
    this.#pendingBytes -= this.#pingedBytes;
    this.#retainedBytes -= this.#pingedRetained;
    this.#pending = this.#pinged === this.#pending.length ? [] : this.#pending.slice(this.#pinged);
    this.#confirmed += this.#pinged;
    this.#readUpTo = this.#pingedUpTo;
    this.#pendingSince = this.#pingedUpTo;
    this.#pingToken = 0;
    const isCounted = this.#pending.length > 0 ? this.#pendingBytes >= 0 : this.#pendingBytes === 0;
    invariant(isCounted, 'outbox');
    if (this.#pending.length > 0) this.#askWhatArrived(this.#link);
  }

  /**
   * The line is broken: what is not known to have arrived is kept for the next one.
   *
   * @returns false if there is no room to keep it
   */
  detach(): boolean {
    this.#link = undefined;
    this.#pingToken = 0;
    const unconfirmed = this.#pending;
    this.#pending = [];
    this.#pendingBytes = 0;
    // Copies are kept from here on.
    this.#retainedBytes = 0;
    this.#lastMemory = undefined;
    const isKept = unconfirmed.every((payload) => this.#keep(payload));
    if (!isKept) this.dropped += unconfirmed.length - this.#pending.length - 1;
    return isKept;
  }

  /** Whether an answer of the master may have arrived, or not. Only to be asked right after {@link Outbox.detach}. */
  get hasAnswerInDoubt(): boolean {
    return this.#pending.some((payload) => isMasterAnswer(messageType(payload)));
  }

  /** The peer has a new line: it gets `greeting`, then everything that was kept for it. */
  attach(link: Link, greeting: Uint8Array): void {
    const mail = this.#pending;
    this.#dropKept();
    this.#link = link;
    this.#push(link, greeting);
    for (const payload of mail) this.sendOwed(payload);
  }

  /** Whether a client that has read that many frames can go on: what it lacks is still here [PROTOCOL-14.4]. */
  canResumeAfter(received: number): boolean {
    return received >= this.#confirmed && received <= this.#confirmed + this.#pending.length;
  }

  /** A client is back that has read that many frames: it gets `greeting`, which is not counted, and the rest. */
  resume(link: Link, greeting: Uint8Array, received: number): void {
    const mail = this.#pending.slice(received - this.#confirmed);
    this.#dropKept();
    this.#confirmed = received;
    this.#link = link;
    this.say(greeting);
    for (const payload of mail) this.sendOwed(payload);
  }

  /** Ends the connection; what was sent before still goes out, unless the peer was too slow for it. */
  close(code: ClosureCode): void {
    if (this.#isClosed) return;
    this.discard();
    this.#link?.close(code);
    this.#link = undefined;
  }

  /** Ends the line, and not the peer: it may come back. */
  closeLine(code: ClosureCode): void {
    this.#link?.close(code);
  }

  /** Hands out a message that it was told to pick up, once. @returns `undefined` if there is none with that id */
  pickUp(messageId: string): Uint8Array | undefined {
    return this.#parked?.take(messageId);
  }

  /** The peer is to pick up nothing any more. */
  dropParked(): void {
    this.#parked?.clear();
  }

  /** The peer is gone: nothing is kept for it any more. */
  discard(): void {
    this.#isClosed = true;
    this.dropParked();
    if (this.#link === undefined) this.dropped += this.#pending.length;
    this.#dropKept();
  }

  #dropKept(): void {
    if (this.#link === undefined) this.#settings.kept.give(this.#pendingBytes);
    this.#pending = [];
    this.#pendingBytes = 0;
    this.#pinged = 0;
    this.#pingedBytes = 0;
    this.#retainedBytes = 0;
    this.#pingedRetained = 0;
    this.#lastMemory = undefined;
  }

  #keep(payload: Uint8Array): boolean {
    const { limits, kept } = this.#settings;
    const { length } = payload;
    if (this.#pendingBytes + length > limits.maxMailPerPeer || !kept.take(length)) {
      this.dropped++;
      return false;
    }
    this.#pending.push(new Uint8Array(payload));
    this.#pendingBytes += length;
    return true;
  }

  #push(link: Link, payload: Uint8Array, canWait = false): boolean {
    if (!this.#isTooLongToPush(payload)) {
      this.#write(link, payload, canWait);
      return true;
    }
    this.#parked ??= new ParkedMessages(this.#settings);
    const messageId = this.#parked.park(payload);
    if (messageId !== undefined) this.#write(link, pickUp(messageId));
    return messageId !== undefined;
  }

  #write(link: Link, payload: Uint8Array, canWait = false): void {
    link.send(payload, canWait);
    this.#count(payload);
    if (!this.#settings.isTracked) return;
    if (this.#pending.length === 0) this.#pendingSince = this.#settings.framesSoFar() - 1;
    this.#pending.push(this.#retainable(payload));
    this.#pendingBytes += payload.length;
    if (this.#pingToken === 0 || (this.#isPingPatient && this.#isMuchOnItsWay)) this.#askWhatArrived(link);
  }

  /** The payload; or a copy of it, if too much memory is kept alive already. */
  #retainable(payload: Uint8Array): Uint8Array {
    const { buffer } = payload;
    if (buffer === this.#lastMemory || payload.length * 2 > buffer.byteLength) return payload;
    if (this.#retainedBytes + buffer.byteLength > MOST_RETAINED_BYTES) return keptCopy(payload);
    this.#lastMemory = buffer;
    this.#retainedBytes += buffer.byteLength;
    return payload;
  }

  #count(payload: Uint8Array): void {
    this.sent++;
    this.sentBytes += payload.length;
  }

  #askWhatArrived(link: Link): void {
    this.#pingToken = this.nextToken();
    this.#pinged = this.#pending.length;
    this.#pingedBytes = this.#pendingBytes;
    this.#pingedRetained = this.#retainedBytes;
    // More may still come of the frame that is being handled.
    this.#pingedUpTo = this.#settings.framesSoFar() - 1;
    this.#isPingPatient = this.#settings.isCounted && !this.#isMuchOnItsWay;
    link.ping(this.#pingToken, this.#isPingPatient);
  }

  /** Whether the news of what has arrived is wanted soon: a peer that reads fast must not be taken for a slow one. */
  get #isMuchOnItsWay(): boolean {
    return this.#pendingBytes > this.#settings.limits.maxBuffered * PROMPT_PART;
  }

  #isTooLongToPush(payload: Uint8Array): boolean {
    const { largeMessages, maxPayload } = this.#settings.limits;
    return largeMessages === 'http' && payload.length > maxPayload && utf16Length(payload) > maxPayload;
  }
}

const NO_MAIL = { messages: 0, bytes: 0 } as const;

/** Messages of one peer that wait to be picked up over HTTP, once, within a minute [PROTOCOL-4.3]. */
class ParkedMessages {
  readonly #settings: OutboxSettings;
  /** In the order of their coming; with how many frames had come to the database by then. */
  readonly #messages = new Map<
    string,
    { readonly payload: Uint8Array; readonly since: number; readonly cancelExpiry: Cancel }
  >();
  bytes = 0;

  constructor(settings: OutboxSettings) {
    this.#settings = settings;
  }

  /** Up to how many frames of the database the peer has picked up what came of them for it [PROTOCOL-14.7]. */
  get caughtUpTo(): number {
    for (const { since } of this.#messages.values()) return since - 1;
    return Number.POSITIVE_INFINITY;
  }

  /** Keeps a copy of a message. @returns the id under which it can be picked up; `undefined` if there is no room */
  park(payload: Uint8Array): string | undefined {
    const { clock, incidents, kept, framesSoFar, nextMessageNumber, peerId } = this.#settings;
    if (!kept.take(payload.length)) return undefined;
    const id = `m${nextMessageNumber()}`;
    const cancelExpiry = clock.schedule(PARKING_TIME_MS, () => {
      this.take(id);
      const fields = { peer: peerId, bytes: payload.length };
      incidents.record('parking-expired', fields);
    });
    this.#messages.set(id, { payload: new Uint8Array(payload), since: framesSoFar(), cancelExpiry });
    this.bytes += payload.length;
    return id;
  }

  /** Hands a message out, once. @returns `undefined` if there is none with that id */
  take(id: string): Uint8Array | undefined {
    const message = this.#messages.get(id);
    if (message === undefined) return undefined;
    const { payload, cancelExpiry } = message;
    cancelExpiry();
    this.#messages.delete(id);
    this.#settings.kept.give(payload.length);
    this.bytes -= payload.length;
    return payload;
  }

  /** Throws all of them away. */
  clear(): void {
    for (const id of this.#messages.keys()) this.take(id);
  }
}
