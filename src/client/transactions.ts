import type { Storage } from './acebase.js';
import type { LockDetails } from './core/host.js';
import type { LostTransactions } from './core/lost-transactions.js';

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
      return result.finally(() => this.#told.leavesUserCode(tid));
    } finally {
      if (isOver) this.#told.leavesUserCode(tid);
    }
  }
}
