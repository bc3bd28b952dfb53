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

/** One that waits. */
interface Waiting {
  readonly wait: Wait;
  readonly cancelTimer: Cancel;
}

/** Those who have asked to be let in, and have to wait. In the order of their coming, of those who wait for the same. */
export class Door {
  readonly #clock: Clock;
  readonly #waiting: Readonly<Record<Awaited, Map<Caller, Waiting>>> = {
    file: new Map(),
    journal: new Map(),
    seat: new Map(),
  };

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether anybody waits. */
  get isHolding(): boolean {
    return Object.values(this.#waiting).some(({ size }) => size > 0);
  }

  /** Whether anybody waits for that. @param peerId whether anybody does who wants to be that peer */
  isAnyoneWaitingFor(awaited: Awaited, peerId?: string): boolean {
    const callers = this.#waiting[awaited];
    if (peerId === undefined) return callers.size > 0;
    for (const { request } of callers.keys()) if (request.peerId === peerId) return true;
    return false;
  }

  /** Those who wait for that. */
  waitingFor(awaited: Awaited): readonly ArrivalRequest[] {
    return [...this.#waiting[awaited].keys()].map(({ request }) => request);
  }

  /** Somebody has come. @param wait `undefined` if it has its answer @returns to be called if it goes away */
  receive(caller: Caller, wait: Wait | undefined): Cancel {
    this.#keep(caller, undefined, wait);
    return () => {
      const former = this.#find(caller);
      former?.wait.left?.();
      this.#keep(caller, former, undefined);
    };
  }

  /**
   * To be called after everything that happens in the database: asks those again who wait for something that may be decided.
   *
   * @param decided what may be
   * @returns whether anybody waits no more, or for something else
   */
  review(decided: readonly Awaited[]): boolean {
    let hasChanged = false;
    for (const awaited of decided) {
      const callers = this.#waiting[awaited];
      // Asked with every frame, and hardly ever does anybody wait.
      if (callers.size === 0) continue;
      for (const [caller, waiting] of [...callers]) {
        if (callers.get(caller) !== waiting) continue;
        const next = waiting.wait.again();
        this.#keep(caller, this.#find(caller), next);
        if (next?.awaits !== awaited) hasChanged = true;
      }
    }
    return hasChanged;
  }

  #find(caller: Caller): Waiting | undefined {
    const { file, journal, seat } = this.#waiting;
    return file.get(caller) ?? journal.get(caller) ?? seat.get(caller);
  }

  #keep(caller: Caller, former: Waiting | undefined, wait: Wait | undefined, isDue = false): void {
    const isForTheSame = wait !== undefined && wait.awaits === former?.wait.awaits;
    if (former !== undefined && !isForTheSame) this.#waiting[former.wait.awaits].delete(caller);
    if (isForTheSame && !isDue && wait.until === former?.wait.until) {
      this.#waiting[wait.awaits].set(caller, { wait, cancelTimer: former.cancelTimer });
      return;
    }
    former?.cancelTimer();
    if (wait === undefined) return;
    const rest = Math.max(0, wait.until - this.#clock.now());
    const cancelTimer = this.#clock.schedule(rest, () => {
      const due = this.#find(caller);
      this.#keep(caller, due, due?.wait.again(), true);
    });
    this.#waiting[wait.awaits].set(caller, { wait, cancelTimer });
  }
}
