import type { Cancel, Clock } from '../../src/broker/ports.js';

interface Timer {
  readonly at: number;
  /** Of timers that fall due together, the one that was set first is called first. */
  readonly order: number;
  /** `undefined` once it was called or cancelled. */
  callback: (() => void) | undefined;
}

/** A clock that stands still until it is told to go on. */
export class VirtualClock implements Clock {
  #now = 0;
  /** A binary heap; cancelled timers stay in it until they would fall due. */
  readonly #heap: Timer[] = [];
  #order = 0;
  #pending = 0;

  now(): number {
    return this.#now;
  }

  wallTime(): number {
    return 1_700_000_000_000 + Math.floor(this.#now);
  }

  uptime(): number {
    return this.#now;
  }

  schedule(milliseconds: number, callback: () => void): Cancel {
    const timer: Timer = { at: this.#now + Math.max(milliseconds, 0), order: this.#order++, callback };
    this.#push(timer);
    this.#pending += 1;
    return () => {
      if (timer.callback === undefined) return;
      timer.callback = undefined;
      this.#pending -= 1;
    };
  }

  /** As `schedule`: nothing here keeps a process alive. */
  scheduleIdle(milliseconds: number, callback: () => void): Cancel {
    return this.schedule(milliseconds, callback);
  }

  atEndOfTurn(callback: () => void): void {
    process.nextTick(callback);
  }

  /** How many timers are set: none may be left behind. */
  get pending(): number {
    return this.#pending;
  }

  /** Lets time pass, and calls what falls due, in order. */
  advance(milliseconds: number): void {
    this.advanceUntil(milliseconds, () => false);
  }

  /** Lets time pass until `isDone`, which is asked after each call; at most this long. @returns whether it was done */
  advanceUntil(milliseconds: number, isDone: () => boolean): boolean {
    const end = this.#now + milliseconds;
    while (this.#callNext(end)) if (isDone()) return true;
    this.#now = end;
    return isDone();
  }

  /** As `advanceUntil`, and lets all promises settle after each call, as a real event loop does. */
  async playUntil(milliseconds: number, isDone: () => boolean): Promise<boolean> {
    const end = this.#now + milliseconds;
    await promisesSettle();
    while (this.#callNext(end)) {
      await promisesSettle();
      if (isDone()) return true;
    }
    this.#now = end;
    return isDone();
  }

  /** Calls what falls due next, if that is not later. @returns whether there was anything */
  #callNext(end: number): boolean {
    for (let next = this.#heap[0]; next !== undefined && next.at <= end; next = this.#heap[0]) {
      this.#pop();
      const { callback } = next;
      if (callback === undefined) continue;
      next.callback = undefined;
      this.#pending -= 1;
      this.#now = next.at;
      callback();
      return true;
    }
    return false;
  }

  #push(timer: Timer): void {
    const heap = this.#heap;
    let index = heap.push(timer) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!isBefore(timer, heap[parent] as Timer)) break;
      heap[index] = heap[parent] as Timer;
      index = parent;
    }
    heap[index] = timer;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Timer, heap[child] as Timer)) child += 1;
      if (!isBefore(heap[child] as Timer, last)) break;
      heap[index] = heap[child] as Timer;
      index = child;
    }
    heap[index] = last;
  }
}

/** Resolves behind everything that promises have to do now: Node.js calls ticks when there is nothing left of that. */
export function promisesSettle(): Promise<void> {
  return new Promise((resolve) => process.nextTick(resolve));
}

function isBefore(a: Timer, b: Timer): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
