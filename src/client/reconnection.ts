import type { Clock } from '../broker/ports.js';

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
