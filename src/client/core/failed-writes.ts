import type { TransactionId } from './shared-lock.js';

/**
 * Transactions that have failed when they had written something: what they have told others of it may be wrong. All caches are cleared right
 * before their last lock goes: of what they began together, some may write, and tell, until then.
 *
 * AceBase sets space free before it has written what no longer needs it. If that fails, what is in the file leads there still: so it is set free
 * when the transaction ends, and not at all if it has failed.
 */
export class FailedWrites {
  readonly #failed = new Set<TransactionId>();
  readonly #invalidateAll: () => void;
  /** What sets free what transactions that write need no longer. */
  readonly #freed = new Map<TransactionId, (() => void)[]>();

  /** @param invalidateAll clears all caches, in all processes */
  constructor(invalidateAll: () => void) {
    this.#invalidateAll = invalidateAll;
  }

  /** That transaction has failed. @param holdsLock whether it holds a lock still */
  add(tid: TransactionId, holdsLock: boolean): void {
    if (holdsLock) this.#failed.add(tid);
    else this.#invalidateAll();
  }

  /** Space is set free. @param writer the transaction of this process that writes, if one does */
  setsFree(give: () => void, writer: TransactionId | undefined): void {
    if (writer === undefined) {
      give();
      return;
    }
    const freed = this.#freed.get(writer);
    if (freed === undefined) this.#freed.set(writer, [give]);
    else freed.push(give);
  }

  /** The last lock of that transaction is about to go. */
  ends(tid: TransactionId): void {
    const freed = this.#freed.get(tid) ?? [];
    this.#freed.delete(tid);
    if (this.#failed.delete(tid)) this.#invalidateAll();
    else for (const give of freed) give();
  }
}
