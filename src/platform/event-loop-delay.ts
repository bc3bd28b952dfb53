import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks';
import { systemClock } from './clock.js';

/** How often the event loop is looked at, in milliseconds. */
const RESOLUTION_MS = 20;

/** For how long delays are collected before the count begins anew, in milliseconds. */
const WINDOW_MS = 10_000;

const NANOSECONDS = 1e6;

/** How long the event loop of this process keeps others waiting. */
export class EventLoopDelay {
  readonly #histogram: IntervalHistogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  #since = 0;
  #lastWindow = 0;

  /** Looks from now on. It keeps no process alive. */
  start(): void {
    this.#histogram.enable();
    this.#since = systemClock.now();
  }

  /** Looks no more. */
  stop(): void {
    this.#histogram.disable();
  }

  /** Milliseconds that 99 of 100 waits were below, in the last 10 to 20 s, or since it was last asked for. */
  get p99(): number {
    if (this.#histogram.count === 0) return this.#lastWindow;
    // What is measured is the time between two looks.
    const delay = Math.max(this.#histogram.percentile(99) / NANOSECONDS - RESOLUTION_MS, 0);
    const worst = Math.max(delay, this.#lastWindow);
    if (systemClock.now() - this.#since < WINDOW_MS) return worst;
    this.#lastWindow = delay;
    this.#since = systemClock.now();
    this.#histogram.reset();
    return worst;
  }
}
