import type { Storage } from '../acebase.js';
import type { LockDetails } from '../core/host.js';
import type { LostTransactions } from '../core/lost-transactions.js';

type Callback = (value: unknown) => unknown;

/** Who is told. */
type Told = Pick<LostTransactions, 'entersUserCode' | 'leavesUserCode'>;

/**
 * Tells when a transaction of a storage is in the callback that the user gave. AceBase gets its lock right when it begins, in the same
 * turn; so the first lock that is asked for within the call is that of the transaction.
 */
export class Transactions {
  readonly #told: Told;
  /** The transaction that begins just now. */
  #beginning: { tid: LockDetails['tid'] | undefined } | undefined;
  /** What reads under the lock of a transaction, and may not be what its callback waits for: promises that resolve when that is over. */
  readonly #reads = new Map<LockDetails['tid'], Set<Promise<void>>>();

  constructor(storage: Storage, told: Told) {
    this.#told = told;
    const { transactNode } = storage;
    if (transactNode === undefined) return;
    storage.transactNode = (path, callback, ...rest) =>
      this.#begin(callback, (watched) => transactNode.call(storage, path, watched, ...rest));
  }

  /** A lock is asked for. */
  asksForLock({ tid }: LockDetails): void {
    if (this.#beginning !== undefined) this.#beginning.tid ??= tid;
  }

  /** Something is read under the lock of a transaction that is in the user's callback: that one writes when it has been. @returns to be called then */
  readBegins(tid: LockDetails['tid']): () => void {
    const reads = this.#reads.get(tid) ?? new Set();
    let end: () => void = () => undefined;
    const read = new Promise<void>((resolve) => {
      end = resolve;
    });
    this.#reads.set(tid, reads.add(read));
    return () => {
      reads.delete(read);
      if (reads.size === 0) this.#reads.delete(tid);
      end();
    };
  }

  #begin<T>(callback: Callback, begin: (watched: Callback) => T): T {
    const transaction: { tid: LockDetails['tid'] | undefined } = { tid: undefined };
    this.#beginning = transaction;
    try {
      return begin((value) => this.#call(transaction.tid, callback, value));
    } finally {
      this.#beginning = undefined;
    }
  }

  /** One without a lock has nothing to lose. */
  #call(tid: LockDetails['tid'] | undefined, callback: Callback, value: unknown): unknown {
    if (tid === undefined) return callback(value);
    this.#told.entersUserCode(tid);
    let isOver = true;
    try {
      const result = callback(value);
      if (!(result instanceof Promise)) return result;
      isOver = false;
      return result.finally(async () => {
        // What begins from now on waits for the lock.
        this.#told.leavesUserCode(tid);
        await Promise.all(this.#reads.get(tid) ?? []);
      });
    } finally {
      if (isOver) this.#told.leavesUserCode(tid);
    }
  }
}
