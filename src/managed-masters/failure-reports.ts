import type { Clock } from '../broker/ports.js';

/** How often the same failure is reported that goes on: each tenth time, and after so many milliseconds. */
const EACH = 10;
const REPEAT_MS = 60_000;

/** Which failures are worth a line in the log: the first of each reason, and then now and then. */
export class FailureReports {
  readonly #clock: Pick<Clock, 'now'>;
  #last: { readonly reason: string; at: number; silenced: number } | undefined;

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock;
  }

  /** It failed. @returns how many like it were not reported since the last one that was; `undefined` if this one is not to be */
  toReport(reason: string): number | undefined {
    const now = this.#clock.now();
    const last = this.#last;
    if (last?.reason !== reason) {
      this.#last = { reason, at: now, silenced: 0 };
      return 0;
    }
    if (last.silenced + 1 < EACH && now - last.at < REPEAT_MS) {
      last.silenced++;
      return undefined;
    }
    const { silenced } = last;
    last.at = now;
    last.silenced = 0;
    return silenced;
  }

  /** It went well: the next failure is the first again. */
  forget(): void {
    this.#last = undefined;
  }
}
