import { setImmediate } from 'node:timers';
import type { Clock } from '../core/ports.js';

/** The bytes that are read or written at once, at most: the tables of AceBase, and most records, are not longer. */
export const MAX_BYTES_AT_ONCE = 65_536;

/** Milliseconds that one operation may take; one that took longer is followed by a time in which threads do the work, twice as long each time. */
export const SLOW_MS = 10;
export const FIRST_PAUSE_MS = 1_000;
export const LONGEST_PAUSE_MS = 60_000;

/** So many that were not slow, and the next pause is the first one again. */
export const FORGIVEN_AFTER = 1_000;

/** Milliseconds of one turn of the event loop after which threads do the work: others have to have their turn. */
export const TURN_MS = 5;

/**
 * Whether to read and write at once, in the turn of who asks, and not by a thread. Mostly what a database reads is in the memory of the operating
 * system, and what it writes goes there: that takes some microseconds, where a thread takes hundreds until its answer is here. But a disk may be slow,
 * or far away, and then nobody else in this process must wait for it.
 */
export class QuickDisk {
  readonly #clock: Pick<Clock, 'now'>;
  readonly #nextTurn: (callback: () => void) => unknown;
  #slowUntil = Number.NEGATIVE_INFINITY;
  #pause = FIRST_PAUSE_MS;
  #quickInARow = 0;
  /** When the first operation of this turn began. */
  #turnSince: number | undefined;

  /** @param nextTurn calls back when the event loop has looked at everything else once */
  constructor(clock: Pick<Clock, 'now'>, nextTurn: (callback: () => void) => unknown = setImmediate) {
    this.#clock = clock;
    this.#nextTurn = nextTurn;
  }

  /** Whether the next operation may be done at once. */
  get isQuick(): boolean {
    const now = this.#clock.now();
    return now >= this.#slowUntil && now < (this.#turnSince ?? now) + TURN_MS;
  }

  /** Does something, and notes how long it took. @throws as that does */
  measure<Result>(act: () => Result): Result {
    const began = this.#clock.now();
    if (this.#turnSince === undefined) {
      this.#turnSince = began;
      this.#nextTurn(() => {
        this.#turnSince = undefined;
      });
    }
    try {
      return act();
    } finally {
      this.#took(this.#clock.now() - began);
    }
  }

  #took(milliseconds: number): void {
    if (milliseconds < SLOW_MS) {
      if (++this.#quickInARow === FORGIVEN_AFTER) this.#pause = FIRST_PAUSE_MS;
      return;
    }
    this.#quickInARow = 0;
    this.#slowUntil = this.#clock.now() + this.#pause;
    this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE_MS);
  }
}
