import type { Clock } from '../broker/ports.js';
import type { RefusalCode } from '../errors.js';

/** For how long a refusal is recent, in milliseconds. */
export const RECENT_MS = 60_000;

/** Refusals are counted together that were so near to each other, in milliseconds. */
const SLICE_MS = 5_000;

interface Slice {
  readonly since: number;
  readonly counts: Map<RefusalCode, number>;
}

/** How often somebody was refused lately, by reason: a few counts, however many refusals there are. */
export class RecentRefusals {
  readonly #clock: Pick<Clock, 'now'>;
  #slices: Slice[] = [];

  /** @param clock of which only the time is read */
  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock;
  }

  /** One more. */
  add(code: RefusalCode): void {
    const now = this.#clock.now();
    let slice = this.#slices.at(-1);
    if (slice === undefined || now - slice.since >= SLICE_MS) {
      this.#forgetOld(now);
      slice = { since: now, counts: new Map() };
      this.#slices.push(slice);
    }
    slice.counts.set(code, (slice.counts.get(code) ?? 0) + 1);
  }

  /**
   * How many there were within the last minute, five seconds more or less; for how many milliseconds there have been some; and how
   * many lie between the first and the last.
   */
  count(code: RefusalCode): { readonly count: number; readonly lasts: number; readonly spread: number } {
    const now = this.#clock.now();
    this.#forgetOld(now);
    let count = 0;
    let lasts = 0;
    let spread = 0;
    for (const { since, counts } of this.#slices) {
      const here = counts.get(code) ?? 0;
      if (here > 0 && count === 0) lasts = now - since;
      if (here > 0) spread = lasts - (now - since);
      count += here;
    }
    return { count, lasts, spread };
  }

  #forgetOld(now: number): void {
    this.#slices = this.#slices.filter(({ since }) => now - since < RECENT_MS);
  }
}
