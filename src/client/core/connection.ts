import { elapsedSince, type Moment, momentOf } from '../../elapsed.js';
import type { Cancel, Clock, Dial, Failure, Line } from './ports.js';
import type { Refusal } from './refusals.js';

/** The first wait before another attempt, in milliseconds. */
export const FIRST_WAIT_MS = 50;

/** The longest one. */
export const LONGEST_WAIT_MS = 2_000;

/** By how much a wait is longer than the one before. */
export const GROWTH = 1.5;

/** Each wait is this much shorter or longer, at random, so that processes do not come all at once. */
export const JITTER = 0.25;

/** How often the server is pinged: for a short lease, several times within it, but not more often than the last. */
export const BEAT_MS = 1_000;
const BEATS_IN_LEASE = 4;
const SHORTEST_BEAT_MS = 50;

/**
 * Milliseconds without a word of the server after which, at the next beat, the line is given up: 9/11 of `reconnectGrace`, within these
 * bounds, so that there is time to come back.
 */
const SILENCE_MS = 9_000;
const SHORTEST_SILENCE_MS = 1_500;
const SILENCE_SHARE = 9 / 11;

/** A process that has not heard the server for so many milliseconds may have been stopped, and given up meanwhile. */
export const IN_TOUCH_MS = 500;

/**
 * Milliseconds by which a process may have heard nothing for longer than the server waits for it, before it takes itself for given up: timers
 * are late. One that listens notices sooner that its line is dead, so it was stopped, or busy.
 */
export const OUT_OF_TOUCH_MARGIN_MS = 1_500;

/** The shortest `reconnectGrace` as a part of the lease: the server keeps to it. */
const GRACE_PER_LEASE = 11 / 8;

/** For how much of that a process knows for certain that the server still waits for it, whatever the rates of their clocks. */
const CERTAIN_SHARE = 9 / 10;

/** Milliseconds for which a server waits that has not said for how long: `reconnectGrace`. */
const USUAL_GRACE_MS = 11_000;

/** What a connection tells its owner. */
export interface ConnectionHandlers {
  /** Asked before each attempt: the parameters of the URL. */
  parameters(): Readonly<Record<string, string>>;
  /** A text frame came. */
  frame(text: string): void;
  /** The line is over. A new one is tried in a moment. */
  lost(reason: string): void;
  /** An attempt failed without an answer. */
  failed(failure: Failure): void;
  /** The server, or what answers in its place, does not let this client in. @returns whether to try again */
  refused(refusal: Refusal): 'later' | 'never';
  /** The server has answered a ping. */
  proved(): void;
  /** The process exits, while there is a line: the last moment to say something. */
  exiting(): void;
}

/** What a connection works with. */
export interface ConnectionTools {
  readonly dial: Dial;
  readonly clock: Clock;
  /** 0 to 1. */
  random(): number;
}

/**
 * One line after another to the IPC server: connects, watches, waits longer after each failure, and connects again, until
 * it is ended. At most one line at a time, one timer to connect, and one that watches.
 */
export class Connection {
  readonly #handlers: ConnectionHandlers;
  readonly #tools: ConnectionTools;
  #line: Line | undefined;
  #isOpen = false;
  /** Whether the server has said its welcome on this line. At the door it answers pings, whatever became of the session. */
  #isWelcome = false;
  #isEnded = false;
  #waitMs = FIRST_WAIT_MS;
  #cancelWait: Cancel | undefined;
  #cancelBeat: Cancel | undefined;
  #beat = BEAT_MS;
  #grace = USUAL_GRACE_MS;
  /** What {@link usableFor} is by the present server; and by a former one for which it was longer, until that time. */
  #usableFor = 0;
  #formerUsableFor = 0;
  #formerUntil = Number.NEGATIVE_INFINITY;
  #silentFor = 0;
  /** By this line, up to the last beat. */
  #bytesRead = 0;
  readonly #pings = new Pings();
  #lastHeard: Moment | undefined;
  /** Whether a ping that was sent after the last silence was answered; and what is under way for that. */
  #isProved = false;
  #proof: object | undefined;
  #mayBeGivenUp = false;
  /** When the watch over the line, or over its absence, was set last. */
  #watchedSince: Moment | undefined;

  constructor(handlers: ConnectionHandlers, tools: ConnectionTools) {
    this.#handlers = handlers;
    this.#tools = tools;
  }

  /** Whether frames can be sent. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Whether the server was heard a moment ago: it has hardly given this process up since. What the system kept does not count. */
  get isInTouch(): boolean {
    return this.#isOpen && this.#isProved && this.#silence < IN_TOUCH_MS;
  }

  /** When the last ping was sent that the server has answered: it had this process then, for certain. */
  get proof(): Moment | undefined {
    return this.#pings.answered;
  }

  /**
   * Whether this process was out of touch for so long that the last server may have given it up, and none that goes on with it has answered
   * since.
   */
  get mayBeGivenUp(): boolean {
    return this.#mayBeGivenUp;
  }

  /**
   * Whether the last server may have given this process up by now, whatever has become of either: a line that is cut looks like a server that is gone,
   * and others may have been given what this process holds.
   */
  get isPastGrace(): boolean {
    const { proof } = this;
    return proof === undefined || elapsedSince(this.#tools.clock, proof) >= this.usableFor * CERTAIN_SHARE;
  }

  /** Begins, or begins anew after it has stopped. */
  start(): void {
    this.#isEnded = false;
    this.#watch();
    if (this.#line === undefined && this.#cancelWait === undefined) this.#connect();
  }

  /** Sends a text frame; only while {@link Connection.isOpen}. @param canWait whether it may leave with the next one */
  send(text: string, canWait = false): void {
    this.#line?.send(text, canWait);
  }

  /** Milliseconds for which those who can reach no server may use what the last ones gave them, with room for clocks of different rates. */
  get usableFor(): number {
    const isFormerOver = this.#tools.clock.now() >= this.#formerUntil;
    return isFormerOver ? this.#usableFor : Math.max(this.#usableFor, this.#formerUsableFor);
  }

  /** What was sent, and may not wait, leaves now. */
  flush(): void {
    if (this.#isOpen) this.#line?.flush();
  }

  /**
   * The server goes on with this process: pongs count from now on, and the next failure is the first one again.
   *
   * @param lease milliseconds for which a pong to a ping is of use
   * @param grace milliseconds for which the server waits for a process whose line broke
   */
  proved(lease = Number.POSITIVE_INFINITY, grace = USUAL_GRACE_MS): void {
    this.#isWelcome = true;
    this.#grace = grace;
    this.#canUseFor(Math.min(grace, lease * GRACE_PER_LEASE));
    this.#beat = Math.max(SHORTEST_BEAT_MS, Math.min(BEAT_MS, lease / BEATS_IN_LEASE));
    this.#watch();
    this.#waitMs = FIRST_WAIT_MS;
    this.#ping();
  }

  #canUseFor(milliseconds: number): void {
    if (milliseconds < this.#usableFor) {
      this.#formerUsableFor = this.usableFor;
      this.#formerUntil = this.#tools.clock.now() + this.#formerUsableFor;
    }
    this.#usableFor = milliseconds;
  }

  /** Calls once, when everything was heard that the server had said by now, be it on this line or on one after it. */
  inStep(callback: () => void): void {
    this.#pings.wait(callback);
    this.#ping();
  }

  /** Ends the line; another one is tried. */
  renew(reason: string): void {
    this.#drop(reason);
  }

  /** Ends it for good: what was sent still goes out, and a closing handshake. */
  end(): void {
    this.#isEnded = true;
    this.#mayBeGivenUp = false;
    this.#cancelWait?.();
    this.#cancelWait = undefined;
    this.#pings.forgetWaiting();
    this.#cancelBeat?.();
    if (this.#isOpen) this.#line?.close();
    else this.#line?.terminate();
  }

  #connect(): void {
    const ifThis =
      <T extends unknown[]>(act: (...args: T) => void) =>
      (...args: T): void => {
        if (this.#line === line) act(...args);
      };
    const line: Line = this.#tools.dial(this.#handlers.parameters(), {
      opened: ifThis(() => this.#opened()),
      text: ifThis((text: string) => {
        this.#heard();
        if (!this.#isProved) this.#prove();
        this.#handlers.frame(text);
      }),
      heard: ifThis(() => this.#heard()),
      ponged: ifThis((text: string) => {
        this.#heard();
        if (this.#pings.ponged(text)) this.#handlers.proved();
      }),
      refused: ifThis((refusal: Refusal) => this.#refused(refusal)),
      closed: ifThis((failure: Failure) => this.#closed(failure)),
      exiting: ifThis(() => this.#handlers.exiting()),
    });
    this.#line = line;
  }

  #opened(): void {
    this.#lookForStop();
    this.#isOpen = true;
    this.#isWelcome = false;
    this.#beat = BEAT_MS;
    this.#silentFor = 0;
    this.#bytesRead = this.#line?.bytesRead ?? 0;
    this.#lastHeard = momentOf(this.#tools.clock);
    this.#isProved = false;
    this.#proof = undefined;
    this.#pings.lineBegins();
    this.#watch();
  }

  #ping(): void {
    if (this.#isOpen && this.#isWelcome) this.#line?.ping(this.#pings.next(momentOf(this.#tools.clock)));
  }

  #heard(): void {
    this.#silentFor = 0;
    this.#measureSilence();
  }

  /** Milliseconds for which the server was not heard on this line, those in which the machine slept included. */
  get #silence(): number {
    return this.#lastHeard === undefined
      ? Number.POSITIVE_INFINITY
      : elapsedSince(this.#tools.clock, this.#lastHeard);
  }

  /** Now. The uptime is reckoned from what it was: it is asked for seldom, and this is for each frame. */
  #soon(elapsed: number): Moment {
    const { clock } = this.#tools;
    const uptime = (this.#lastHeard?.uptime ?? clock.uptime()) + elapsed;
    return { at: clock.now(), wall: clock.wallTime(), uptime };
  }

  #measureSilence(): void {
    const silence = this.#silence;
    this.#lastHeard = this.#soon(silence);
    if (silence < IN_TOUCH_MS) return;
    this.#isProved = false;
    this.#proof = undefined;
    this.#wasOutOfTouchFor(silence);
  }

  #wasOutOfTouchFor(milliseconds: number): void {
    if (milliseconds < this.#grace + OUT_OF_TOUCH_MARGIN_MS) return;
    this.#mayBeGivenUp = true;
    // What comes first may have been said, and kept by the system, before: the pong to a new ping tells how it is now.
    this.inStep(() => {
      this.#mayBeGivenUp = false;
    });
  }

  /**
   * What comes after a silence may have been sent long before, and kept by the system while this process was stopped; so may
   * the pong to an earlier ping. Only a message asks: on a slow line, each pong follows a silence.
   */
  #prove(): void {
    if (this.#proof !== undefined) return;
    const proof = {};
    this.#proof = proof;
    this.inStep(() => {
      if (this.#proof === proof) this.#isProved = true;
    });
  }

  #watch(): void {
    // A line that is there keeps the process alive by itself; looking at it need not.
    this.#cancelBeat?.();
    const { clock } = this.#tools;
    this.#watchedSince = momentOf(clock);
    this.#cancelBeat = clock.scheduleIdle(this.#beat, () => {
      if (!this.#isOpen) {
        this.#lookForStop();
        this.#watch();
        return;
      }
      // What beats come to, not the time: a process that was stopped for a while has not heard because it did not listen.
      this.#silentFor = this.#isReading() ? 0 : this.#silentFor + this.#beat;
      if (this.#silentFor > this.#patience) this.#drop('the IPC server answers no ping');
      else {
        if (this.#isWelcome) this.#ping();
        // At the door it tells that the line is alive, and nothing else.
        else this.#line?.ping('');
        this.#watch();
      }
    });
  }

  /** Whether something has come in since the last beat: a long message is told of when it is whole. */
  #isReading(): boolean {
    const { bytesRead = 0 } = this.#line ?? {};
    const isReading = bytesRead > this.#bytesRead;
    this.#bytesRead = bytesRead;
    return isReading;
  }

  /** Without a line, no silence shows that this process was stopped; and when it goes on, what the system has kept for it may come before any timer. */
  #lookForStop(): void {
    const since = this.#watchedSince;
    if (since !== undefined) this.#wasOutOfTouchFor(elapsedSince(this.#tools.clock, since) - this.#beat);
  }

  /** Who is waited for for no time at all need not hurry. */
  get #patience(): number {
    if (this.#grace === 0) return SILENCE_MS;
    return Math.max(SHORTEST_SILENCE_MS, Math.min(SILENCE_MS, this.#grace * SILENCE_SHARE));
  }

  #drop(reason: string): void {
    const line = this.#line;
    this.#closed({ reason, code: '' });
    line?.terminate();
  }

  #closed(failure: Failure): void {
    const wasOpen = this.#isOpen;
    this.#line = undefined;
    this.#isOpen = false;
    this.#cancelBeat?.();
    if (this.#isEnded) return;
    if (wasOpen) {
      this.#measureSilence();
      this.#handlers.lost(failure.reason);
    } else {
      this.#lookForStop();
      this.#handlers.failed(failure);
    }
    this.#later();
  }

  #refused(refusal: Refusal): void {
    this.#line = undefined;
    this.#cancelBeat?.();
    if (this.#isEnded) return;
    this.#lookForStop();
    if (this.#handlers.refused(refusal) === 'later') this.#later();
  }

  #later(): void {
    if (this.#isEnded) return;
    this.#watch();
    const wait = this.#waitMs * (1 - JITTER + 2 * JITTER * this.#tools.random());
    this.#waitMs = Math.min(this.#waitMs * GROWTH, LONGEST_WAIT_MS);
    this.#cancelWait = this.#tools.clock.schedule(wait, () => {
      this.#cancelWait = undefined;
      this.#connect();
    });
  }
}

/**
 * The pings of a connection, each with a number of its own, and those who wait until everything was heard that the server had
 * said by now, be it on this line or on one after it: a ping goes behind what the server has said, and so does its pong.
 */
export class Pings {
  #sent = 0;
  /** Those of this line that were not answered, oldest first. */
  #unanswered: { readonly number: number; readonly moment: Moment }[] = [];
  /** Each with the first ping that was sent since it waits. */
  #waiting: { readonly from: number; readonly callback: () => void }[] = [];
  /** When the last one was sent that was answered. */
  answered: Moment | undefined;

  /** Calls once. A ping is to be sent now, or on the next line. */
  wait(callback: () => void): void {
    this.#waiting.push({ from: this.#sent + 1, callback });
  }

  /** A ping is sent. @returns what it is to hold */
  next(moment: Moment): string {
    this.#unanswered.push({ number: ++this.#sent, moment });
    return String(this.#sent);
  }

  /** There is another line: what was sent on the one before is answered by nobody. */
  lineBegins(): void {
    this.#unanswered = [];
  }

  /** A pong came. @returns whether it answers a ping of this line */
  ponged(text: string): boolean {
    const index = this.#unanswered.findIndex(({ number }) => String(number) === text);
    const answered = this.#unanswered[index];
    if (answered === undefined) return false;
    this.#unanswered.splice(0, index + 1);
    this.answered = answered.moment;
    const heard = this.#waiting.filter(({ from }) => from <= answered.number);
    this.#waiting = this.#waiting.filter(({ from }) => from > answered.number);
    for (const { callback } of heard) callback();
    return true;
  }

  /** Nobody waits any more. */
  forgetWaiting(): void {
    this.#waiting = [];
  }
}

/** Those who wait until there is a connection again. */
export class Reconnection {
  readonly #clock: Clock;
  #waiting: (() => void)[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Resolves when there is a connection, or after that many milliseconds. */
  within(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#clock.schedule(milliseconds, resolve);
      this.#waiting.push(() => {
        cancel();
        resolve();
      });
    });
  }

  /** There is a connection. */
  happened(): void {
    for (const go of this.#waiting.splice(0)) go();
  }
}
