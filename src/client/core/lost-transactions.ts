import { IPCError } from '../../errors.js';
import type { TransactionId } from './shared-lock.js';

/**
 * Transactions whose locks were lost with the place of their process: they are granted no more, and must end before it comes back.
 *
 * But for those that are in code of the user, which may take as long as it likes, and may never return. Nothing is written or read
 * meanwhile, and AceBase asks for a lock first when it goes on: it is refused then.
 */
export class LostTransactions {
  readonly #lost = new Set<TransactionId>();
  readonly #inUserCode = new Set<TransactionId>();
  #waiting: (() => void)[] = [];

  /** Their ids. */
  get ids(): readonly TransactionId[] {
    return [...this.#lost];
  }

  /** The locks of that transaction were lost. */
  add(tid: TransactionId): void {
    this.#lost.add(tid);
  }

  /** Whether they were. */
  has(tid: TransactionId): boolean {
    return this.#lost.has(tid);
  }

  /** @throws {IPCError} if the locks of that transaction were lost */
  refuse(tid: TransactionId): void {
    if (this.#lost.has(tid)) throw lostError(`lock on tid ${tid}`);
  }

  /** That transaction holds no lock any more: it is over. */
  ended(tid: TransactionId): void {
    if (this.#lost.delete(tid)) this.#review();
  }

  /** That transaction calls code of the user. */
  entersUserCode(tid: TransactionId): void {
    this.#inUserCode.add(tid);
    this.#review();
  }

  /** Whether that transaction is in code of the user. */
  isInUserCode(tid: TransactionId): boolean {
    return this.#inUserCode.has(tid);
  }

  /** The code of the user has returned. */
  leavesUserCode(tid: TransactionId): void {
    this.#inUserCode.delete(tid);
  }

  /** Resolves when none of them reads or writes. */
  async over(): Promise<void> {
    if (this.#isAnyAtWork) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  get #isAnyAtWork(): boolean {
    return this.ids.some((tid) => !this.#inUserCode.has(tid));
  }

  #review(): void {
    if (!this.#isAnyAtWork) for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

/** @param what was lost */
export function lostError(what: string): IPCError {
  const text = `IPC_CLIENT_LEASE_LOST: ${what} was lost with the connection, not allowed to continue`;
  return new IPCError('IPC_CLIENT_LEASE_LOST', text);
}
