/** Which transaction writes: the one that was granted the lock for writing. */

import { systemClock } from '../../platform/clock.js';
import type { IPCLock, RootAddress } from '../core/host.js';
import { type Gate, narrowed } from './journal.js';
import type { InnerStorage } from './storage.js';
import type { Surroundings } from './surroundings.js';
import { expired, lost, type Transaction } from './transaction.js';

/**
 * The share of its time at the end of a worker's lock in which nothing is committed under it: what is said of a commit is at the server before the lock
 * expires there, or the server has given this process up.
 */
const REST = 1 / 8;

/** What it works with. */
export interface TransactionLocksSettings {
  readonly storage: InnerStorage;
  readonly surroundings: Pick<Surroundings, 'isInForce' | 'gate' | 'losses'>;
  /** Nothing of that transaction has happened. */
  drop(transaction: Transaction): void;
}

/**
 * The locks of transactions. AceBase grants that for writing to one at a time, for the whole database: so a write belongs to the transaction that
 * has it. A transaction keeps its first one until it has ended.
 *
 * Others are granted theirs when it has expired. Of this process, they wait until the one that had it is at rest: what it still writes would be
 * taken for theirs.
 */
export class TransactionLocks {
  readonly #settings: TransactionLocksSettings;
  readonly #transactions = new Map<string, Transaction>();
  /** The call that begins in this moment: its first lock tells which transaction it is. */
  #beginning: Transaction | undefined;
  #writer: Transaction | undefined;
  /** Those whose locks have expired, and that hang. */
  readonly #hanging = new Set<Transaction>();

  constructor(settings: TransactionLocksSettings) {
    this.#settings = settings;
  }

  /** The transaction that has the lock for writing, and is committed as a whole; `undefined` if none is. */
  get writer(): Transaction | undefined {
    return this.#writer;
  }

  /** Whether a call begins in this moment: what is called within it is a part of it. */
  get isAnyBeginning(): boolean {
    return this.#beginning !== undefined;
  }

  /** Whether there is one that may write without a lock, if it ever goes on. */
  get isAnyHanging(): boolean {
    return this.#hanging.size > 0;
  }

  /** The transaction with that id. */
  find(tid: unknown): Transaction | undefined {
    return this.#transactions.get(String(tid));
  }

  /** A transaction begins with that call. */
  begin<T>(transaction: Transaction, call: () => T): T {
    this.#beginning = transaction;
    try {
      return call();
    } finally {
      this.#beginning = undefined;
    }
  }

  /** What that transaction has written is in the file, or was dropped. */
  settle(transaction: Transaction): void {
    if (this.#writer === transaction) this.#writer = undefined;
  }

  /** That transaction is over. */
  end(transaction: Transaction): void {
    if (transaction.tid !== undefined) this.#transactions.delete(transaction.tid);
    this.#hanging.delete(transaction);
    transaction.activity.end();
  }

  /** Puts itself before the locks of the storage. */
  hold(): void {
    const { nodeLocker, ipc } = this.#settings.storage;
    const { lock } = nodeLocker;
    nodeLocker.lock = async (path, tid, write, comment) => {
      const transaction = this.#beginning ?? this.find(tid);
      if (transaction?.isLost === true) throw transaction.whyNot();
      if (transaction === undefined) {
        const granted = await lock.call(nodeLocker, path, tid, write, comment);
        await this.othersMayGoOn(undefined);
        return granted;
      }
      if (transaction.tid === undefined) {
        transaction.tid = String(tid);
        this.#transactions.set(transaction.tid, transaction);
      }
      transaction.asksForLock();
      let granted: IPCLock;
      try {
        granted = await lock.call(nodeLocker, path, tid, write, comment);
      } catch (error) {
        transaction.endsLock();
        throw error;
      }
      if (!transaction.isLost) await this.othersMayGoOn(transaction);
      // Others were granted theirs while it waited.
      if (transaction.isLost) {
        transaction.endsLock();
        await granted.release('its transaction is lost');
        throw transaction.whyNot();
      }
      if (write) this.#mayWrite(transaction, granted);
      return this.#kept(granted, transaction);
    };
    const { sendRequest } = ipc;
    ipc.sendRequest = (request) => {
      const send = (): Promise<unknown> => sendRequest.call(ipc, request);
      return this.#writer === undefined ? send() : this.#writer.activity.during(send);
    };
  }

  /**
   * A lock was granted: nobody else writes now. The lock of who did before has expired, if that has not ended.
   *
   * @param transaction that was granted it
   * @returns when nothing of the one before is under way; `undefined` if nothing is
   */
  othersMayGoOn(transaction: Transaction | undefined): Promise<void> | undefined {
    const former = this.#writer;
    if (former === undefined || former === transaction) return undefined;
    former.loss ??= expired();
    return this.#whenAtRest(former);
  }

  async #whenAtRest(former: Transaction): Promise<void> {
    await former.activity.atRest();
    if (!former.activity.isHarmless) this.#hanging.add(former);
    this.#settings.drop(former);
  }

  /** The file may be written by a transaction as long as it has its lock. */
  gateOf(transaction: Transaction): Gate {
    const { gate } = this.#settings.surroundings;
    return narrowed(
      gate,
      () => transaction.holdsLock(),
      () => transaction.whyNot(),
    );
  }

  #mayWrite(transaction: Transaction, lock: IPCLock): void {
    const { storage, surroundings } = this.#settings;
    if (transaction.keeper !== undefined || transaction.isOver || !surroundings.isInForce) return;
    const { losses } = surroundings;
    const { isMaster } = storage.ipc;
    const rest = (lock.expires - systemClock.wallTime()) * REST;
    transaction.keeper = lock;
    transaction.root = rootOf(storage);
    transaction.holdsLock = () => {
      const { keeper, isLost } = transaction;
      if (keeper === undefined || isLost || losses !== surroundings.losses) return false;
      // As AceBase sees it before it goes on reading.
      return isMaster ? keeper.state !== 'expired' : keeper.expires - rest > systemClock.wallTime();
    };
    transaction.whyNot = () => transaction.loss ?? (losses === surroundings.losses ? expired() : lost());
    this.#writer = transaction;
  }

  /** A lock of a transaction: while that has the one which it keeps, all others may go back at once. */
  #kept(lock: IPCLock, transaction: Transaction): IPCLock {
    const { release, moveToParent } = lock;
    let isOver = false;
    lock.release = async (comment) => {
      if (isOver) return;
      isOver = true;
      if (transaction.keeper === lock) transaction.endsLock(() => release.call(lock, comment));
      else {
        transaction.endsLock();
        await release.call(lock, comment);
      }
    };
    lock.moveToParent = async () => {
      const moved = await moveToParent.call(lock);
      if (moved === lock) return moved;
      if (transaction.keeper === lock) transaction.keeper = moved;
      return this.#kept(moved, transaction);
    };
    return lock;
  }
}

function rootOf({ rootRecord }: InnerStorage): RootAddress | undefined {
  if (rootRecord?.exists !== true) return undefined;
  return { path: '', pageNr: rootRecord.pageNr, recordNr: rootRecord.recordNr };
}
