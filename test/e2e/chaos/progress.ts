import type { FaultKind } from './faults.js';

/** How long it took after one fault until writes were acknowledged that were begun after it. */
export interface Recovery {
  readonly kind: FaultKind;
  /** Of any worker. */
  anyoneMs?: number;
  /** Of every worker, one that the fault has struck included. */
  everyoneMs?: number;
}

interface OpenFault {
  readonly at: number;
  readonly recovery: Recovery;
  readonly missing: Set<string>;
}

/** Watches when writes are acknowledged. */
export class Progress {
  readonly recoveries: Recovery[] = [];
  readonly #workers: readonly string[];
  readonly #open = new Set<OpenFault>();
  readonly #waiting = new Set<{ since: number; missing: Set<string>; resolve: () => void }>();
  #acknowledged = 0;
  #lastAt: number | undefined;
  #longestStallMs = 0;
  #longestWaitMs = 0;
  /** Until when a fault had struck a worker. */
  readonly #struckUntil = new Map<string, number>();

  constructor(workers: readonly string[]) {
    this.#workers = workers;
  }

  get acknowledged(): number {
    return this.#acknowledged;
  }

  /** The longest time in which no write of any worker was acknowledged, a stall that goes on included. */
  get longestStallMs(): number {
    const current = this.#lastAt === undefined ? 0 : performance.now() - this.#lastAt;
    return Math.max(this.#longestStallMs, current);
  }

  /** The longest time that a write took in a worker that no fault had struck meanwhile. */
  get longestWaitMs(): number {
    return this.#longestWaitMs;
  }

  /** A fault strikes that process from now on, until {@link release}. */
  strike(name: string): void {
    this.#struckUntil.set(name, Number.POSITIVE_INFINITY);
  }

  /** The fault that struck that process is over. */
  release(name: string): void {
    this.#struckUntil.set(name, performance.now());
  }

  /** Whether a fault has struck that process since then. */
  wasStruck(name: string, since: number): boolean {
    return (this.#struckUntil.get(name) ?? Number.NEGATIVE_INFINITY) >= since;
  }

  /** A fault happens now. */
  fault(kind: FaultKind): void {
    const recovery: Recovery = { kind };
    this.recoveries.push(recovery);
    this.#open.add({ at: performance.now(), recovery, missing: new Set(this.#workers) });
  }

  /** A write of a worker is acknowledged now that was begun at `begunAt`. */
  acknowledge(worker: string, begunAt: number): void {
    const now = performance.now();
    this.#longestStallMs = Math.max(this.#longestStallMs, now - (this.#lastAt ?? now));
    this.#lastAt = now;
    if (!this.wasStruck(worker, begunAt)) this.#longestWaitMs = Math.max(this.#longestWaitMs, now - begunAt);
    this.#acknowledged += 1;
    for (const fault of this.#open) {
      if (begunAt < fault.at) continue;
      fault.recovery.anyoneMs ??= now - fault.at;
      fault.missing.delete(worker);
      if (fault.missing.size > 0) continue;
      fault.recovery.everyoneMs = now - fault.at;
      this.#open.delete(fault);
    }
    for (const waiting of this.#waiting) {
      if (begunAt >= waiting.since) waiting.missing.delete(worker);
      if (waiting.missing.size > 0) continue;
      this.#waiting.delete(waiting);
      waiting.resolve();
    }
  }

  /** Resolves when every worker has had a write acknowledged that it began after this call. */
  untilEveryoneWrites(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.add({ since: performance.now(), missing: new Set(this.#workers), resolve });
    });
  }

  /** From now on time is not counted: the writers are being stopped. */
  stop(): void {
    this.#longestStallMs = this.longestStallMs;
    this.#lastAt = undefined;
  }
}
