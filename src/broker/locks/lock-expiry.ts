import { type Limits, LOCK_EXPIRY_CHECK_MS, LOCK_EXPIRY_TOLERANCE_MS } from '../limits.js';
import { expiryOf, type GrantedLock } from '../messages/message.js';
import type { Incidents } from '../monitoring/incidents.js';
import type { Peer } from '../peers/peer.js';
import type { Clock } from '../ports.js';
import type { Lock, LockLedger } from './lock-ledger.js';

/** What it works with. */
export interface LockExpirySettings {
  readonly database: string;
  readonly clock: Clock;
  readonly limits: Limits;
  readonly incidents: Incidents;
  readonly ledger: LockLedger;
  /** The master has granted a lock that this worker still has for writing: it ran out, perhaps in the midst of a write. */
  ranOut(holder: Peer): void;
}

/**
 * When locks run out [PROTOCOL-12.6].
 *
 * Looks, now and then, at when a master says that they do: if that is not when the server thinks, their clocks differ, or
 * `lockTimeout` is not AceBase's `storage.lockTimeout`, and orphans would end too early or too late. And finds locks that
 * did: a master grants nothing else beside a lock for writing.
 */
export class LockExpiry {
  readonly #settings: LockExpirySettings;
  #lookAt = 0;
  readonly #ranOut = new WeakSet<Lock>();

  constructor(settings: LockExpirySettings) {
    this.#settings = settings;
  }

  /** Another master may have another clock. */
  masterLeft(): void {
    this.#lookAt = 0;
  }

  /** A `lock-result` that grants a lock is about to be passed on. */
  granted(granted: GrantedLock, lockResult: Uint8Array): void {
    const now = this.#settings.clock.now();
    this.#findThoseThatRanOut(granted, now);
    this.#compareClocks(lockResult, now);
  }

  #findThoseThatRanOut({ tid }: GrantedLock, now: number): void {
    const { ledger, limits, ranOut } = this.#settings;
    const endOf = ({ since }: Lock): number => since + limits.lockTimeout - LOCK_EXPIRY_TOLERANCE_MS;
    const { oldest } = ledger;
    // As a rule, no lock is nearly that old.
    if (oldest === undefined || now < endOf(oldest)) return;
    for (const lock of ledger.held) {
      if (!lock.isWrite || lock.tid === tid || now < endOf(lock) || this.#ranOut.has(lock)) continue;
      this.#ranOut.add(lock);
      ranOut(lock.holder);
    }
  }

  #compareClocks(lockResult: Uint8Array, now: number): void {
    const { clock, limits, database, incidents } = this.#settings;
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
