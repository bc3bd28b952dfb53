import type { Clock } from './ports.js';

/** How many go on in one turn of the event loop; each may be a child that is written, and then takes 0.1 ms. */
const FIRST = 1_000;
const NEXT = 256;

/** From how many on it is looked when the turn ends. */
const LOOK_FROM = 100;

/**
 * Breaks for what goes on in one turn of the event loop as long as promises are due, however many there are: a node with 100,000 new children is
 * begun in one turn of ten seconds, in which the process hears nothing, and loses its lease.
 */
export class TurnBreaks {
  readonly #clock: Pick<Clock, 'schedule'>;
  #count = 0;
  #waiting: (() => void)[] = [];

  constructor(clock: Pick<Clock, 'schedule'>) {
    this.#clock = clock;
  }

  /** One more goes on. @returns what it is to wait for, if it has to, in the order of the calls */
  next(): Promise<void> | undefined {
    this.#count += 1;
    if (this.#count === LOOK_FROM) this.#whenTurnIsOver();
    return this.#count <= FIRST ? undefined : new Promise((resolve) => this.#waiting.push(resolve));
  }

  #whenTurnIsOver(): void {
    this.#clock.schedule(0, () => {
      for (const goOn of this.#waiting.splice(0, NEXT)) goOn();
      if (this.#waiting.length > 0) this.#whenTurnIsOver();
      else this.#count = 0;
    });
  }
}
