import { MASTER_ID } from '../../protocol/frames.js';
import { OLD_MASTER_RETURN_MS } from '../limits.js';
import { GoneIds } from '../peers/gone-ids.js';
import type { Cancel, Clock } from '../ports.js';

/** Peers that were sent away and must not come back. A worker comes back under its own id; all masters have the same one. */
export class SentAway {
  readonly #clock: Clock;
  readonly #workers = new GoneIds();
  /** While set, the master that comes next is the one that was sent away. */
  #cancelMaster: Cancel | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** That peer was sent away, and will come back by itself. */
  add(id: string): void {
    if (id !== MASTER_ID) {
      this.#workers.add(id);
      return;
    }
    this.stop();
    this.#cancelMaster = this.#clock.schedule(OLD_MASTER_RETURN_MS, () => {
      this.#cancelMaster = undefined;
    });
  }

  /** Whether it was. Of a master this is true once: the one after it is another process. */
  has(id: string): boolean {
    if (id !== MASTER_ID) return this.#workers.has(id);
    const wasSentAway = this.#cancelMaster !== undefined;
    this.stop();
    return wasSentAway;
  }

  /** No master is expected to come back any more. */
  stop(): void {
    this.#cancelMaster?.();
    this.#cancelMaster = undefined;
  }
}
