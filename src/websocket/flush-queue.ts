/**
 * One flush per turn of the event loop, for all connections together; at once where only one message is under way.
 */

/** What can be flushed. */
export interface Flushable {
  /** Writes what waits; called once for each time it was queued. @returns how many bytes */
  flush(): number;
}

/** What can be flushed, and may wait for more to go with it. */
export interface PatientFlushable extends Flushable {
  /** What waits has waited for long enough: it is to be queued now, if it was not flushed since. */
  hurry(): void;
}

/** Input up to this length may be answered at once, in bytes: a message or a few. */
const SHORT_INPUT = 4 * 1024;

/** How long that waits for more to go with it which can wait, in milliseconds: short beside what a write of AceBase takes. */
export const PATIENCE_MS = 2;

/** When as much was written in one turn, in bytes, the rest is left to the next: others must be heard in between. */
const TURN_BYTES = 8 * 1024 * 1024;

/**
 * Queues flushes, and runs them once the input of this turn of the event loop was worked off. If there was no more than
 * one input in the last turn, there will hardly be more in this one: then what a short input gives leaves as soon as that
 * is worked off.
 */
export class FlushQueue {
  readonly #later: (callback: () => void) => void;
  readonly #done: () => void;
  readonly #run = (): void => this.#endTurn();
  readonly #hurry = (): void => {
    for (const item of this.#patient.splice(0)) item.hurry();
  };
  #waiting: Flushable[] = [];
  readonly #patient: PatientFlushable[] = [];
  #isScheduled = false;
  #inputs = 0;
  #isCalm = true;

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
    this.#waiting.push(item);
    if (!this.#isScheduled) this.#schedule();
  }

  /** Lets `item` wait for more to go with it; it is hurried when that has not come. @param schedule calls back once, after so many milliseconds */
  addPatient(
    item: PatientFlushable,
    schedule: (milliseconds: number, callback: () => void) => unknown,
  ): void {
    if (this.#patient.push(item) === 1) schedule(PATIENCE_MS, this.#hurry);
  }

  /** Some input was worked off, and what it gave is queued. */
  inputDone(bytes: number): void {
    this.#inputs++;
    if (this.#isCalm && this.#inputs === 1 && bytes <= SHORT_INPUT && this.#waiting.length > 0) this.#flush();
    if (!this.#isScheduled) this.#schedule();
  }

  #schedule(): void {
    this.#isScheduled = true;
    this.#later(this.#run);
  }

  #endTurn(): void {
    this.#isScheduled = false;
    this.#isCalm = this.#inputs <= 1;
    this.#inputs = 0;
    if (this.#waiting.length > 0) this.#flush();
  }

  #flush(): void {
    const batch = this.#waiting;
    this.#waiting = [];
    let bytes = 0;
    for (let index = 0; index < batch.length; index++) {
      if (bytes >= TURN_BYTES) {
        this.#waiting = [...batch.slice(index), ...this.#waiting];
        if (!this.#isScheduled) this.#schedule();
        break;
      }
      bytes += (batch[index] as Flushable).flush();
    }
    this.#done();
  }
}
