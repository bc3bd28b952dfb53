import type { TransactionId } from './shared-lock.js';

/**
 * Transactions of which a part has failed: what they have told others may be wrong, if they have written anything. All caches are cleared right
 * before their last lock goes: of what they began together, some may write, and tell, until then.
 *
 * AceBase sets space free before it has written what no longer needs it. If that fails, what is in the file leads there still: so it is set free
 * when the transaction ends, and not at all if it has failed.
 */
export class FailedWrites {
  /** How often anything was written or set free; and how often before transactions began. */
  #attempts = 0;
  readonly #begun = new Map<TransactionId, number>();
  readonly #failed = new Set<TransactionId>();
  readonly #invalidateAll: () => void;
  /** What sets free what transactions that write need no longer. */
  readonly #freed = new Map<TransactionId, (() => void)[]>();

  /** @param invalidateAll clears all caches, in all processes */
  constructor(invalidateAll: () => void) {
    this.#invalidateAll = invalidateAll;
  }

  /** A part of that transaction is about to write. */
  begins(tid: TransactionId): void {
    if (!this.#begun.has(tid)) this.#begun.set(tid, this.#attempts);
  }

  /** Something is written. */
  writes(): void {
    this.#attempts += 1;
  }

  /** A part of that transaction has failed. @param holdsLock whether it holds a lock still */
  add(tid: TransactionId, holdsLock: boolean): void {
    this.#failed.add(tid);
    if (!holdsLock) this.ends(tid);
  }

  /** Space is set free. @param writer the transaction of this process that writes, if one does */
  setsFree(give: () => void, writer: TransactionId | undefined): void {
    this.#attempts += 1;
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
    const hasWritten = this.#begun.get(tid) !== this.#attempts;
    this.#begun.delete(tid);
    if (this.#failed.delete(tid)) {
      // Others of this process may have written it; then caches are cleared in vain.
      if (hasWritten) this.#invalidateAll();
    } else for (const give of freed) give();
  }
}
