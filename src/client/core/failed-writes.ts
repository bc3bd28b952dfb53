import type { TransactionId } from './shared-lock.js';

/**
 * Transactions that have failed when they had written something: what they have told others of it may be wrong. All caches are cleared right
 * before their last lock goes: of what they began together, some may write, and tell, until then.
 */
export class FailedWrites {
  readonly #failed = new Set<TransactionId>();
  readonly #invalidateAll: () => void;

  /** @param invalidateAll clears all caches, in all processes */
  constructor(invalidateAll: () => void) {
    this.#invalidateAll = invalidateAll;
  }

  /** That transaction has failed. @param holdsLock whether it holds a lock still */
  add(tid: TransactionId, holdsLock: boolean): void {
    if (holdsLock) this.#failed.add(tid);
    else this.#invalidateAll();
  }

  /** The last lock of that transaction is about to go. */
  ends(tid: TransactionId): void {
    if (this.#failed.delete(tid)) this.#invalidateAll();
  }
}
