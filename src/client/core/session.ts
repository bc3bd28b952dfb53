import type { Outcome } from './ports.js';

/** Where frames go: the connection, as far as it matters here. */
export interface OutflowLine {
  readonly isOpen: boolean;
  /** @param canWait whether it may leave with the next one */
  send(text: string, canWait: boolean): void;
  /** Calls when everything was heard that the server had said by now, and so everything read that was sent. */
  inStep(callback: () => void): void;
  /** Ends the line; another one is tried. */
  renew(reason: string): void;
}

/** What it works with. */
export interface OutflowSettings {
  readonly line: OutflowLine;
  /** The UTF-16 units that are kept at most. */
  readonly maxKeptUnits: number;
  /** Whether that peer is not back yet at a server that was restarted. */
  isAwaited(peerId: string): boolean;
  /** Sends a message that is too long for the line; `isWanted` is asked before each further attempt. */
  sendLong(text: string, isWanted: () => boolean): Promise<Outcome>;
  /** The server does not take messages of that length: this one is left out. `requestId` says whose answer will not come. */
  tooLong(requestId: string | undefined, reason: string): void;
}

/** What a server says of itself in its welcome, as far as it matters here. */
export interface Terms {
  /** UTF-16 units of the longest message that the line takes. */
  readonly maxPayload: number;
  /** Whether it counts frames, and says which have arrived. */
  readonly hasSessions: boolean;
}

/**
 * What goes out: everything in order, one line after another. Kept until it is known to have arrived; events for peers that
 * are not back at a new server wait for them.
 */
export class Outflow {
  readonly #settings: OutflowSettings;
  readonly #frames: SentFrames;
  readonly #waitingEvents: WaitingEvents;
  /** The server's terms, while there is a line with a welcome. */
  #terms: Terms | undefined;
  /** How often a line was begun, or lost. */
  #changes = 0;
  /** Whether a long message is under way that all others come behind. */
  #isHeldUp = false;

  constructor(settings: OutflowSettings) {
    this.#settings = settings;
    this.#frames = new SentFrames(settings.maxKeptUnits);
    this.#waitingEvents = new WaitingEvents(settings.maxKeptUnits);
  }

  /** How many frames had no room. */
  get dropped(): number {
    return this.#frames.dropped;
  }

  /** Sends a frame, now or when there is a line, and its receiver. @returns false if there is no room for it */
  add(frame: Frame): boolean {
    const isKept = this.#isEarly(frame)
      ? this.#waitingEvents.keep(frame.to ?? '', frame)
      : this.#frames.add(frame);
    this.#flow();
    return isKept;
  }

  /** Says a word of the session, which is out of date if this server dies [PROTOCOL-14]. */
  say(word: string): void {
    this.add(wordOf(word));
  }

  /**
   * How to answer what the server asks now: by a word of the session; or, before its welcome, by the way, and on this line only
   * [PROTOCOL-14.9].
   */
  answerer(): (word: string) => void {
    if (this.#terms !== undefined) return (word) => this.say(word);
    const { line } = this.#settings;
    const changes = this.#changes;
    return (word) => {
      if (changes === this.#changes && line.isOpen) line.send(word, false);
    };
  }

  /** A peer is back at a server that was restarted. */
  isBack(peerId: string): void {
    for (const frame of this.#waitingEvents.take(peerId)) this.#frames.add(frame);
    this.#flow();
  }

  /** A peer is gone. */
  isGone(peerId: string): void {
    this.#waitingEvents.take(peerId);
  }

  /** A request has its answer. */
  answered(requestId: string): void {
    this.#frames.answered(requestId);
  }

  /** The first `count` frames of the session have arrived everywhere. */
  arrived(count: number): void {
    this.#frames.arrived(count);
  }

  /** The session goes on; the server has `count` frames of it. @returns false if what it lacks is not kept any more */
  resume(count: number): boolean {
    return this.#frames.resume(count);
  }

  /**
   * There is a new server that knows nothing, or a new session.
   *
   * @param claim a word that goes before all others
   * @returns the ids of requests that must not be asked again: nobody will answer them
   */
  takeForNewServer(claim: string | undefined): string[] {
    const given = this.#frames.takeForNewServer();
    if (claim !== undefined) this.#frames.addFirst(wordOf(claim));
    return given;
  }

  /** Others have to come back to the new server: what is for them waits until they do. */
  holdBackEarly(): void {
    for (const frame of this.#frames.takeUnsent((it) => this.#isEarly(it))) {
      this.#waitingEvents.keep(frame.to ?? '', frame);
    }
  }

  /** There is a line, and a welcome was read. */
  begin(terms: Terms): void {
    this.#terms = terms;
    this.#changes++;
    this.#isHeldUp = false;
    this.#flow();
  }

  /** The line is over. */
  lineLost(): void {
    this.#terms = undefined;
    this.#changes++;
  }

  /** This client was given up, and comes again, under another id perhaps. @returns the ids of requests that will not be asked */
  comeAnew(from: string, to: string): string[] {
    this.#waitingEvents.rename(from, to);
    return this.#frames.comeAnew(from, to);
  }

  /** Nothing is to be sent any more. */
  clear(): void {
    this.#frames.clear();
  }

  #isEarly({ to, isDispensable }: Frame): boolean {
    return isDispensable && to !== undefined && this.#settings.isAwaited(to);
  }

  /** Hands over what waits, as long as the line takes it. */
  #flow(): void {
    const { line } = this.#settings;
    for (
      let terms = this.#terms;
      terms !== undefined && line.isOpen && !this.#isHeldUp;
      terms = this.#terms
    ) {
      const frame = this.#frames.next();
      if (frame === undefined) return;
      const { text, canWait } = frame;
      if (text.length > terms.maxPayload) void this.#sendLong(text, terms);
      else line.send(text, canWait);
      // Who does not know sessions asks for nothing again.
      if (!terms.hasSessions) this.#frames.arrived(Number.POSITIVE_INFINITY);
    }
  }

  async #sendLong(text: string, terms: Terms): Promise<void> {
    this.#isHeldUp = true;
    const { line, sendLong, tooLong } = this.#settings;
    const isSame = (): boolean => terms === this.#terms;
    // It takes another way: what was sent before it must be there first.
    await new Promise<void>((resolve) => line.inStep(resolve));
    const outcome = isSame() ? await sendLong(text, isSame) : undefined;
    // On another line, the server has said what it has.
    if (outcome === undefined || !isSame()) return;
    if (outcome.kind === 'unknown') {
      line.renew(`a long message was not taken: ${outcome.reason}`);
      return;
    }
    if (outcome.kind === 'refused') {
      tooLong(terms.hasSessions ? this.#frames.takeBack()?.requestId : undefined, outcome.reason);
    }
    this.#isHeldUp = false;
    this.#flow();
  }
}

function wordOf(text: string): Frame {
  return { text, afterRestart: 'outdated', requestId: undefined, isDispensable: false, canWait: false };
}

/**
 * What this client has sent, or is to send, and keeps until it is known to have arrived (docs/PROTOCOL.md, section 14):
 * everything, until all its receivers have read it; requests, until they are answered.
 */

/** What becomes of a frame whose server died before it was known to have arrived everywhere. */
export type AfterRestart =
  /** It is sent again. */
  | 'again'
  /** It is out of date by then: each process reads that from the file. */
  | 'outdated'
  /** It is sent again by a master that is in its place still: of the tables, which another one may have made anew. */
  | 'by the same master'
  /** Whoever waits for it asks again: it is not sent any more, even if it never was. */
  | 'asked-for'
  /** It must not be done twice, and perhaps was: {@link SentFrames.takeForNewServer} gives its request back. */
  | 'once';

/** A frame, and what it is. */
export interface Frame {
  text: string;
  readonly afterRestart: AfterRestart;
  /** The request that it is, if it is one. */
  readonly requestId: string | undefined;
  /** Whether it may be left out if there is no room: nobody's file depends on it. */
  readonly isDispensable: boolean;
  /** Whether it may leave with the next one: nobody acts on it before. */
  readonly canWait: boolean;
  /** The peer that it is for, if it is for one. */
  readonly to?: string | undefined;
}

interface KeptFrame extends Frame {
  /** Whether it is of no use to a new server: it was answered, or is not true any more. */
  isOver: boolean;
}

/** The frames of one session. */
export class SentFrames {
  readonly #maxUnits: number;
  /** Those that may not have arrived everywhere, oldest first. The first is number `#stable` + 1 of the session. */
  #frames: KeptFrame[] = [];
  #head = 0;
  #stable = 0;
  /** How many were handed to a line, in this session. */
  #sent = 0;
  #units = 0;
  /** Up to which number frames were looked at that are to make room; and that of the last one that did: a session that needs it cannot go on. */
  #lookedAt = 0;
  #forgotten = 0;
  /** Requests without an answer, oldest first. */
  readonly #open = new Map<string, KeptFrame>();
  #dropped = 0;

  /** @param maxUnits the UTF-16 units that are kept at most */
  constructor(maxUnits: number) {
    this.#maxUnits = maxUnits;
  }

  /** How many had no room. */
  get dropped(): number {
    return this.#dropped;
  }

  /** How many wait to be handed to a line. */
  get waiting(): number {
    return this.#frames.length - this.#head - (this.#sent - this.#stable);
  }

  /** Takes a frame. @returns false if there is no room for it */
  add(frame: Frame): boolean {
    if (this.#units + frame.text.length > this.#maxUnits && this.waiting > 0) {
      if (frame.requestId !== undefined || frame.isDispensable) {
        this.#dropped++;
        return false;
      }
    }
    const kept = { ...frame, isOver: false };
    this.#frames.push(kept);
    this.#units += frame.text.length;
    if (this.#units > this.#maxUnits) this.#makeRoom();
    if (frame.requestId !== undefined) this.#open.set(frame.requestId, kept);
    return true;
  }

  /** One peer that stands still keeps all that was sent to anybody from having arrived everywhere. The oldest of what nobody's file depends on makes room. */
  #makeRoom(): void {
    this.#lookedAt = Math.max(this.#lookedAt, this.#stable);
    while (this.#units > this.#maxUnits && this.#lookedAt < this.#sent) {
      const frame = this.#frames[this.#head + this.#lookedAt - this.#stable];
      this.#lookedAt++;
      if (frame?.isDispensable !== true) continue;
      this.#units -= frame.text.length;
      frame.text = '';
      frame.isOver = true;
      this.#forgotten = this.#lookedAt;
    }
  }

  /** The next frame to hand to a line; it counts as sent from now on. */
  next(): Frame | undefined {
    const frame = this.#frames[this.#head + this.#sent - this.#stable];
    if (frame !== undefined) this.#sent++;
    return frame;
  }

  /** The last frame that was handed to the line was not taken: it does not count. @returns it */
  takeBack(): Frame | undefined {
    const index = this.#head + this.#sent - this.#stable - 1;
    if (this.#sent === this.#stable) return undefined;
    const [frame] = this.#frames.splice(index, 1);
    if (frame === undefined) return undefined;
    this.#sent--;
    this.#units -= frame.text.length;
    if (frame.requestId !== undefined) this.#open.delete(frame.requestId);
    return frame;
  }

  /** The request has its answer. */
  answered(requestId: string): void {
    const frame = this.#open.get(requestId);
    if (frame === undefined) return;
    frame.isOver = true;
    this.#open.delete(requestId);
  }

  /** The first `count` frames of the session have arrived everywhere. */
  arrived(count: number): void {
    while (this.#stable < Math.min(count, this.#sent)) {
      this.#units -= this.#frames[this.#head]?.text.length ?? 0;
      this.#head++;
      this.#stable++;
    }
    if (this.#head > 1_000 && this.#head * 2 > this.#frames.length) {
      this.#frames = this.#frames.slice(this.#head);
      this.#head = 0;
    }
  }

  /** The session goes on; the server has `count` frames of it. @returns false if what it lacks is not kept any more */
  resume(count: number): boolean {
    if (count < Math.max(this.#stable, this.#forgotten) || count > this.#sent) return false;
    this.#sent = count;
    this.#lookedAt = Math.min(this.#lookedAt, count);
    return true;
  }

  /**
   * There is a new server that knows nothing, or a new session.
   *
   * What was sent and may not have arrived is to be sent again, in the old order, if it still means something; requests
   * without an answer in any case; and then what was not sent at all.
   *
   * @returns the ids of requests that must not be asked again: nobody will answer them
   */
  takeForNewServer(): string[] {
    const old = this.#frames.slice(this.#head);
    const inFlight = new Set(old.slice(0, this.#sent - this.#stable));
    const kept = new Set(old);
    const unanswered = [...this.#open.values()].filter((frame) => !kept.has(frame));
    const given: string[] = [];
    this.#frames = [...unanswered, ...old].filter((frame) => {
      if (frame.isOver) return false;
      const wasSent = inFlight.has(frame) || !kept.has(frame);
      if (!wasSent) return frame.afterRestart !== 'asked-for';
      if (frame.afterRestart === 'once' && frame.requestId !== undefined) {
        this.#open.delete(frame.requestId);
        given.push(frame.requestId);
      }
      return frame.afterRestart === 'again' || frame.afterRestart === 'by the same master';
    });
    this.#head = 0;
    this.#stable = 0;
    this.#sent = 0;
    this.#lookedAt = 0;
    this.#forgotten = 0;
    this.#units = this.#frames.reduce((sum, { text }) => sum + text.length, 0);
    return given;
  }

  /** Puts a frame before all others, right after {@link SentFrames.takeForNewServer}. */
  addFirst(frame: Frame): void {
    this.#frames.unshift({ ...frame, isOver: false });
    this.#units += frame.text.length;
  }

  /** Takes out what is not sent yet and for which `isUnwanted` is true, in order. */
  takeUnsent(isUnwanted: (frame: Frame) => boolean): Frame[] {
    const firstUnsent = this.#head + this.#sent - this.#stable;
    const taken = this.#frames.slice(firstUnsent).filter(isUnwanted);
    const those = new Set<Frame>(taken);
    this.#frames = this.#frames.filter((frame) => !those.has(frame));
    this.#units -= taken.reduce((sum, { text }) => sum + text.length, 0);
    return taken;
  }

  /**
   * This client was given up: others have gone on without it, and what it has to say of the file, and has not said, is wrong by now. So is what it
   * gives back: they may have gone on from a root that it had left, and use that.
   *
   * @returns the ids of requests that will not be asked: nobody will answer them
   */
  comeAnew(from: string, to: string): string[] {
    const wrong: readonly AfterRestart[] = ['outdated', 'once'];
    const given = this.takeUnsent(({ afterRestart }) => wrong.includes(afterRestart)).flatMap(
      ({ requestId }) => requestId ?? [],
    );
    for (const id of given) this.#open.delete(id);
    for (const frame of this.#frames) if (frame.afterRestart === 'by the same master') frame.isOver = true;
    const all = new Set([...this.#frames, ...this.#open.values()]);
    for (const frame of all) renameAuthor(frame, from, to);
    return given;
  }

  /** Nothing is to be sent any more. */
  clear(): void {
    this.#frames = [];
    this.#head = 0;
    this.#sent = this.#stable;
    this.#units = 0;
    this.#open.clear();
  }
}

/**
 * Where a client is in its session [PROTOCOL-14.1]: which one it is, and how much of it has come. It says so when it
 * connects again, and the server sends the rest.
 */
export class SessionPosition {
  readonly #createId: () => string;
  #id: string;
  #received: number | undefined;
  #since = 0;
  #server: string | undefined;

  /** @param createId makes the id of a session, 16 to 64 of `A-Z a-z 0-9 _ -` */
  constructor(createId: () => string) {
    this.#createId = createId;
    this.#id = createId();
  }

  /** The id of the session. */
  get id(): string {
    return this.#id;
  }

  /** Frames of this session that came; `undefined` before there was a welcome. */
  get received(): number | undefined {
    return this.#received;
  }

  /** Which session of which server that counts for: milliseconds since 1970, or 0 if the server knows no sessions. */
  get since(): number {
    return this.#since;
  }

  /** Which run of which server has said so, if it told. */
  get server(): string | undefined {
    return this.#server;
  }

  /** What is said of it when the client connects. */
  get parameters(): Readonly<Record<string, string>> {
    if (this.#received === undefined) return { session: this.#id };
    const [received, since] = [String(this.#received), String(this.#since)];
    const server = this.#server === undefined ? undefined : { server: this.#server };
    return { session: this.#id, received, since, ...server };
  }

  /** A frame of the session came. */
  count(): void {
    if (this.#received !== undefined) this.#received++;
  }

  /**
   * A server goes on with the session, or begins it: what it said before is another server's.
   *
   * @param server which run of which server that is, if it says so
   */
  welcomed(isResumed: boolean, since: number, server: string | undefined): void {
    this.#since = since;
    this.#server = server;
    this.#received = isResumed ? (this.#received ?? 0) : 0;
  }

  /** Another session, of which nobody has heard. */
  beginAnew(): void {
    this.#id = this.#createId();
    this.#received = undefined;
  }
}

/**
 * Events for peers that are not back yet after the server was restarted: the server would throw them away. They go out
 * when their receiver is there, and are thrown away here when it is given up.
 */
export class WaitingEvents {
  readonly #maxUnits: number;
  readonly #byReceiver = new Map<string, Frame[]>();
  #units = 0;

  /** @param maxUnits the UTF-16 units that are kept at most, of all together */
  constructor(maxUnits: number) {
    this.#maxUnits = maxUnits;
  }

  /** Keeps an event. @returns false if there is no room for it */
  keep(receiver: string, frame: Frame): boolean {
    if (this.#units + frame.text.length > this.#maxUnits) return false;
    this.#units += frame.text.length;
    const frames = this.#byReceiver.get(receiver);
    if (frames === undefined) this.#byReceiver.set(receiver, [frame]);
    else frames.push(frame);
    return true;
  }

  /** This client has another id from now on. */
  rename(from: string, to: string): void {
    for (const frames of this.#byReceiver.values()) for (const frame of frames) renameAuthor(frame, from, to);
  }

  /** What waits for that peer, in order; nothing does any more. */
  take(receiver: string): readonly Frame[] {
    const frames = this.#byReceiver.get(receiver) ?? [];
    this.#byReceiver.delete(receiver);
    this.#units -= frames.reduce((sum, { text }) => sum + text.length, 0);
    return frames;
  }
}

function renameAuthor(frame: Frame, from: string, to: string): void {
  frame.text = frame.text.replace(`"from":"${from}"`, `"from":"${to}"`);
}
