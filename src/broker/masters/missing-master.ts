import { type Limits, MAX_FAILED_AT_ONCE } from '../limits.js';
import type { Cancel, Clock } from '../ports.js';
import type { MasterSeat } from './master-seat.js';
import type { OpenRequest } from './requests.js';

/** What it works with. */
export interface MissingMasterSettings {
  readonly clock: Clock;
  readonly limits: Limits;
  readonly seat: MasterSeat;
  /** A request has waited for as long as it may; it does not wait any more when this returns. */
  fail(open: OpenRequest): void;
  /** All that had to be failed have been. */
  failed(): void;
}

/** Sees to it that nobody waits for ever for a master that is not connected [PROTOCOL-6.1]. */
export class MissingMaster {
  readonly #settings: MissingMasterSettings;
  #lostAt: number;
  #cancelTimeout: Cancel | undefined;

  constructor(settings: MissingMasterSettings) {
    this.#settings = settings;
    this.#lostAt = settings.clock.now();
  }

  /** The master has gone: whatever waits has its full time from now on. */
  lost(): void {
    this.#lostAt = this.#settings.clock.now();
    this.watch();
  }

  /** A master has come, or the server stops: requests wait, however long the master takes to settle. */
  end(): void {
    this.#cancelTimeout?.();
    this.#cancelTimeout = undefined;
  }

  /** Requests may have been kept. */
  watch(): void {
    const { seat, clock } = this.#settings;
    const oldest = seat.oldestRequest;
    if (seat.master !== undefined || oldest === undefined) return;
    this.#cancelTimeout ??= clock.schedule(Math.max(this.#endOf(oldest) - clock.now(), 0), () => {
      this.#cancelTimeout = undefined;
      this.#failOverdue();
      this.watch();
      this.#settings.failed();
    });
  }

  #endOf({ since }: OpenRequest): number {
    return Math.max(since, this.#lostAt) + this.#settings.limits.masterTimeout;
  }

  #failOverdue(): void {
    const { seat, clock, fail } = this.#settings;
    for (let failed = 0; failed < MAX_FAILED_AT_ONCE; failed++) {
      const open = seat.oldestRequest;
      if (open === undefined || this.#endOf(open) > clock.now()) return;
      fail(open);
    }
  }
}
