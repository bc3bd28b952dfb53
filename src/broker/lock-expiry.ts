import type { Incidents } from './incidents.js';
import { type Limits, LOCK_EXPIRY_CHECK_MS, LOCK_EXPIRY_TOLERANCE_MS } from './limits.js';
import { expiryOf } from './message.js';
import type { Clock } from './ports.js';

/** What it works with. */
export interface LockExpirySettings {
  readonly database: string;
  readonly clock: Clock;
  readonly limits: Limits;
  readonly incidents: Incidents;
}

/**
 * Looks, now and then, at when a master says that its locks run out: if that is not when the server thinks, their clocks
 * differ, or `lockTimeout` is not AceBase's `storage.lockTimeout`, and orphans would end too early or too late
 * [PROTOCOL-12.6].
 */
export class LockExpiry {
  readonly #settings: LockExpirySettings;
  #lookAt = 0;

  constructor(settings: LockExpirySettings) {
    this.#settings = settings;
  }

  /** Another master may have another clock. */
  masterLeft(): void {
    this.#lookAt = 0;
  }

  /** A `lock-result` that grants a lock is passed on. */
  granted(lockResult: Uint8Array): void {
    const { clock, limits, database, incidents } = this.#settings;
    const now = clock.now();
    if (now < this.#lookAt) return;
    this.#lookAt = now + LOCK_EXPIRY_CHECK_MS;
    const expires = expiryOf(lockResult);
    if (expires === undefined) return;
    const lasts = Math.round(expires - clock.wallTime());
    if (Math.abs(lasts - limits.lockTimeout) <= LOCK_EXPIRY_TOLERANCE_MS) return;
    incidents.record(
      'lock-expiry',
      { database, lasts, lockTimeout: limits.lockTimeout },
      'locks of the master run out at another time than expected: set lockTimeout to its storage.lockTimeout, or set the clocks',
    );
  }
}
