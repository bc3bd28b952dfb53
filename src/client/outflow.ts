import type { Outcome } from './long-messages.js';
import { type Frame, SentFrames } from './sent-frames.js';
import { WaitingEvents } from './waiting-events.js';

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

  /** This client has another id from now on. */
  rename(from: string, to: string): void {
    this.#frames.rename(from, to);
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
