/**
 * One flush per turn of the event loop, for all connections together.
 */

/** What can be flushed. */
export interface Flushable {
  /** Writes what waits; called once for each time it was queued. */
  flush(): void;
}

/** Queues flushes, and runs them once the input of this turn of the event loop was worked off. */
export class FlushQueue {
  readonly #later: (callback: () => void) => void;
  readonly #done: () => void;
  readonly #run = (): void => this.#flush();
  #waiting: Flushable[] = [];

  /**
   * @param later calls back once, at the end of the turn: `setImmediate`, which comes after the polling for input
   * @param done is called when everything was flushed
   */
  constructor(later: (callback: () => void) => void, done: () => void = () => undefined) {
    this.#later = later;
    this.#done = done;
  }

  /** Queues `item`; it must not be queued already. */
  add(item: Flushable): void {
    if (this.#waiting.length === 0) this.#later(this.#run);
    this.#waiting.push(item);
  }

  #flush(): void {
    const batch = this.#waiting;
    this.#waiting = [];
    for (const item of batch) item.flush();
    this.#done();
  }
}
