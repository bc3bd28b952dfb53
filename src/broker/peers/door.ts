import type { Cancel, Clock } from '../ports.js';
import type { ArrivalRequest, Entrance } from './admission.js';

/** Somebody who asks to be let in. */
export interface Caller {
  readonly request: ArrivalRequest;
  readonly entrance: Entrance;
  /** When it came, by the broker's clock. */
  readonly since: number;
}

/** What somebody waits for: that the file is found that its process has open; that the journal is empty; or the seat of the master. */
export type Awaited = 'file' | 'journal' | 'seat';

/** Somebody has to wait. */
export interface Wait {
  readonly awaits: Awaited;
  /** When it is asked again at the latest, by the broker's clock. */
  readonly until: number;
  /** Is asked again after everything that happens in the database. @returns `undefined` if it has its answer: it was let in, or refused */
  again(): Wait | undefined;
  /** It has gone away by itself. */
  left?(): void;
}

/** Those who have asked to be let in, and have to wait. In the order of their coming. */
export class Door {
  readonly #clock: Clock;
  readonly #waiting = new Map<Caller, { readonly wait: Wait; readonly cancelTimer: Cancel }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether anybody waits. */
  get isHolding(): boolean {
    return this.#waiting.size > 0;
  }

  /** Whether anybody waits for that. */
  isAnyoneWaitingFor(awaited: Awaited): boolean {
    // Asked with every frame, and hardly ever does anybody wait.
    if (this.#waiting.size === 0) return false;
    for (const { wait } of this.#waiting.values()) if (wait.awaits === awaited) return true;
    return false;
  }

  /** Those who wait for that. */
  waitingFor(awaited: Awaited): readonly ArrivalRequest[] {
    return [...this.#waiting]
      .filter(([, { wait }]) => wait.awaits === awaited)
      .map(([{ request }]) => request);
  }

  /** Somebody has come. @param wait `undefined` if it has its answer @returns to be called if it goes away */
  receive(caller: Caller, wait: Wait | undefined): Cancel {
    this.#keep(caller, wait);
    return () => {
      this.#waiting.get(caller)?.wait.left?.();
      this.#keep(caller, undefined);
    };
  }

  /** To be called after everything that happens in the database: asks all again. @returns whether anybody waits no more, or for something else */
  review(): boolean {
    if (this.#waiting.size === 0) return false;
    let hasChanged = false;
    for (const [caller, { wait }] of [...this.#waiting]) {
      if (this.#waiting.get(caller)?.wait !== wait) continue;
      const next = wait.again();
      this.#keep(caller, next);
      if (next?.awaits !== wait.awaits) hasChanged = true;
    }
    return hasChanged;
  }

  #keep(caller: Caller, wait: Wait | undefined, isDue = false): void {
    const former = this.#waiting.get(caller);
    if (wait === undefined) this.#waiting.delete(caller);
    else if (isDue || wait.until !== former?.wait.until) {
      const rest = Math.max(0, wait.until - this.#clock.now());
      const cancelTimer = this.#clock.schedule(rest, () => this.#keep(caller, wait.again(), true));
      this.#waiting.set(caller, { wait, cancelTimer });
    } else {
      this.#waiting.set(caller, { wait, cancelTimer: former.cancelTimer });
      return;
    }
    former?.cancelTimer();
  }
}
