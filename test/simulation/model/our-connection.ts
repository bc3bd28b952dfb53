import {
  BEAT_MS,
  FIRST_WAIT_MS,
  GROWTH,
  JITTER,
  LONGEST_WAIT_MS,
  OUT_OF_TOUCH_MS,
  Pings,
  SILENT_BEATS,
} from '../../../src/client/core/connection.js';
import { HANDSHAKE_MS } from '../../../src/client/core/ports.js';
import type { RefusalCode } from '../../../src/errors.js';
import type { Line } from '../line.js';
import type { StockPeer } from './stock-peer.js';

/** What a connection tells its owner. */
export interface OurConnectionHandlers {
  lost(): void;
  /** @returns whether to try again */
  refused(code: RefusalCode): 'later' | 'never';
}

/** One line after another, as `src/client/connection.ts` makes them, whose refusals come by promises and so not in here. */
export class OurConnection {
  line: Line | undefined;
  readonly #process: StockPeer;
  readonly #handlers: OurConnectionHandlers;
  #isDialing = false;
  #isEnded = false;
  #attempts = 0;
  #waitMs = FIRST_WAIT_MS;
  #silentBeats = 0;
  readonly #steps = new Pings();
  #heardAt = 0;
  /** Whether the last server may have given this process up while it was out of touch. */
  mayBeGivenUp = false;

  constructor(process: StockPeer, handlers: OurConnectionHandlers) {
    this.#process = process;
    this.#handlers = handlers;
  }

  connect(): void {
    if (this.#isEnded || this.#isDialing) return;
    this.#isDialing = true;
    const attempt = ++this.#attempts;
    // What comes late of the line before says nothing of this one.
    this.#process.dialed = undefined;
    this.#process.world.dial(this.#process);
    this.#process.after(HANDSHAKE_MS, () => {
      if (!this.#isDialing || attempt !== this.#attempts) return;
      this.#process.leaveDoor();
      this.#process.dialed?.hangUp();
      this.#process.dialed = undefined;
      this.failed();
    });
  }

  /** Whether the first attempt to connect failed. */
  get hasTriedBefore(): boolean {
    return this.#attempts > 1;
  }

  get isOpen(): boolean {
    return this.line !== undefined;
  }

  send(text: string): void {
    this.line?.say(text);
  }

  /** The line works as it should: the next failure is the first one again. */
  proved(): void {
    this.mayBeGivenUp = false;
    this.#waitMs = FIRST_WAIT_MS;
  }

  opened(line: Line): void {
    if (!this.#isDialing || line !== this.#process.dialed) return;
    this.#isDialing = false;
    this.line = line;
    this.#silentBeats = 0;
    this.#heardAt = this.#process.world.clock.now();
    this.#steps.lineBegins();
    this.#watch(line);
    this.#askForStep();
  }

  /** Nobody answers, or the line breaks while it is made. */
  failed(): void {
    if (!this.#isDialing) return;
    this.#isDialing = false;
    this.#later();
  }

  refused(code: RefusalCode): void {
    if (!this.#isDialing) return;
    this.#isDialing = false;
    if (this.#handlers.refused(code) === 'later') this.#later();
  }

  closed(line: Line): void {
    if (this.#isDialing && line === this.#process.dialed) this.failed();
    if (line !== this.line) return;
    this.line = undefined;
    this.#measureSilence();
    this.#handlers.lost();
    this.#later();
  }

  heard(): void {
    this.#silentBeats = 0;
    this.#measureSilence();
  }

  /** Calls once, when everything was heard that the server had said by now, be it on this line or on one after it. */
  inStep(callback: () => void): void {
    this.#steps.wait(callback);
    this.#askForStep();
  }

  /** Ends the line; another one is tried. */
  renew(): void {
    const { line } = this;
    if (line === undefined) return;
    line.hangUp();
    this.closed(line);
  }

  /** Ends the line; no other one is tried. */
  drop(): void {
    const { line } = this;
    this.line = undefined;
    line?.hangUp();
  }

  end(): void {
    this.#isEnded = true;
    this.#steps.forgetWaiting();
  }

  #askForStep(): void {
    if (this.line === undefined || !this.#steps.isAwaited) return;
    const ping = this.#steps.next(this.#process.world.clock.now());
    this.line.pingServer(() => this.#steps.ponged(ping));
  }

  #measureSilence(): void {
    const now = this.#process.world.clock.now();
    const silence = now - this.#heardAt;
    this.#heardAt = now;
    if (silence < OUT_OF_TOUCH_MS) return;
    this.mayBeGivenUp = true;
    this.inStep(() => {
      this.mayBeGivenUp = false;
    });
  }

  #watch(line: Line): void {
    this.#process.after(BEAT_MS, () => {
      if (this.line !== line) return;
      this.#silentBeats += 1;
      if (this.#silentBeats > SILENT_BEATS) {
        this.#process.note(() => 'hears nothing any more');
        this.renew();
        return;
      }
      if (this.#silentBeats > 1) line.pingServer();
      this.#watch(line);
    });
  }

  #later(): void {
    if (this.#isEnded) return;
    const wait = this.#waitMs * (1 - JITTER + 2 * JITTER * this.#process.world.random.fraction());
    this.#waitMs = Math.min(this.#waitMs * GROWTH, LONGEST_WAIT_MS);
    this.#process.after(wait, () => this.connect());
  }
}
