import type { Limits } from '../limits.js';
import type { OpenRequests, RequestCounts } from '../masters/requests.js';
import type { Clock } from '../ports.js';
import type { LockCounts, LockLedger, LockTable } from './lock-ledger.js';

/** What it looks at. */
export interface LockOverviewSettings {
  readonly clock: Clock;
  readonly limits: Limits;
  readonly ledger: LockLedger;
  readonly requests: OpenRequests;
}

/** Who holds locks of one database, and who waits for the master: for people to read. */
export class LockOverview {
  readonly #settings: LockOverviewSettings;

  constructor(settings: LockOverviewSettings) {
    this.#settings = settings;
  }

  /** Who holds locks, and who waits for one, `most` of each at most. */
  table(most?: number): LockTable {
    const { clock, limits, ledger, requests } = this.#settings;
    const now = clock.now();
    return { held: ledger.describe(now, limits.lockTimeout, most), waiting: requests.describe(now, most) };
  }

  /** How many locks are held, and how much waits for an answer. */
  counts(): { readonly held: LockCounts; readonly waiting: RequestCounts } {
    const { clock, limits, ledger, requests } = this.#settings;
    return { held: ledger.counts(clock.now(), limits.lockTimeout), waiting: requests.count() };
  }
}
