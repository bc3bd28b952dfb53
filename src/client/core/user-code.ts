import type { TransactionId } from './shared-lock.js';

/**
 * Which transactions are in code of the user, which holds their lock for as long as it likes, perhaps for good. Nothing is written or read
 * meanwhile, and AceBase asks for a lock first when it goes on: one that was lost is refused then. So nobody needs to wait for it.
 */
export class UserCode {
  readonly #running = new Set<TransactionId>();
  readonly #entered: () => void;

  /** @param entered called when a transaction has entered it */
  constructor(entered: () => void) {
    this.#entered = entered;
  }

  /** Whether that transaction is in it. */
  has(tid: TransactionId): boolean {
    return this.#running.has(tid);
  }

  /** That transaction calls code of the user. */
  enter(tid: TransactionId): void {
    this.#running.add(tid);
    this.#entered();
  }

  /** The code of the user has returned. */
  leave(tid: TransactionId): void {
    this.#running.delete(tid);
  }
}
