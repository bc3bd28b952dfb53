import { MAX_GONE_IDS } from '../limits.js';

/** The ids of workers that said goodbye. A process that did so must not come back under the same id [PROTOCOL-2.7]. */
export class GoneIds {
  readonly #ids = new Set<string>();

  /** Remembers an id; the oldest is forgotten when there are too many. */
  add(id: string): void {
    this.#ids.add(id);
    if (this.#ids.size <= MAX_GONE_IDS) return;
    for (const oldest of this.#ids) {
      this.#ids.delete(oldest);
      return;
    }
  }

  has(id: string): boolean {
    return this.#ids.has(id);
  }
}
