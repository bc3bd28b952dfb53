import { type Limits, MAX_FAILED_AT_ONCE } from '../limits.js';
import type { Cancel, Clock } from '../ports.js';

/** A request that waits for a master. */
export interface WaitingForMaster {
  /** When it came, by the broker's clock. */
  readonly since: number;
  /** It has waited for as long as it may; it does not wait any more when this returns. */
  fail(): void;
}

/** What it works with. */
export interface MissingMasterSettings {
  readonly clock: Clock;
  readonly limits: Limits;
  hasMaster(): boolean;
  /** The request that has waited for longest; `undefined` if none waits. */
  oldest(): WaitingForMaster | undefined;
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
    const { hasMaster, oldest, clock } = this.#settings;
    if (this.#cancelTimeout !== undefined || hasMaster()) return;
    const first = oldest();
    if (first === undefined) return;
    this.#cancelTimeout = clock.schedule(Math.max(this.#endOf(first) - clock.now(), 0), () => {
      this.#cancelTimeout = undefined;
      this.#failOverdue();
      this.watch();
    });
  }

  #endOf({ since }: WaitingForMaster): number {
    return Math.max(since, this.#lostAt) + this.#settings.limits.masterTimeout;
  }

  #failOverdue(): void {
    const { oldest, clock } = this.#settings;
    for (let failed = 0; failed < MAX_FAILED_AT_ONCE; failed++) {
      const first = oldest();
      if (first === undefined || this.#endOf(first) > clock.now()) return;
      first.fail();
    }
  }
}
