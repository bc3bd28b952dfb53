/** AceBase's log of transactions: what a transaction did is added to it when that is committed, and again after a crash. */

import { existsSync } from 'node:fs';
import { ERRORS, IPCError } from '../../errors.js';
import { folderOf, loggerOf, type Storage } from '../acebase.js';
import { decodeValue, encodeValue, type ValueClasses } from '../core/codec.js';
import type { InnerStorage } from './storage.js';
import type { LoggedMutation, Transaction } from './transaction.js';

/** A mutation that is being added. */
interface Adding {
  readonly mutation: LoggedMutation;
  readonly done: Promise<void>;
}

/**
 * The log of transactions of one storage. What cannot be added to it (its disk is full, it has no master) is missing there, and stays in the journal: nothing else is
 * committed before it is added, as that would be written over it.
 */
export class MutationLog {
  readonly #storage: InnerStorage;
  readonly #classes: ValueClasses;
  #missing: LoggedMutation | undefined;
  /** What is being added. */
  #adding: Adding | undefined;
  /** Called when the master of the log is gone. */
  readonly #alone = new Set<() => void>();

  constructor(storage: InnerStorage, classes: ValueClasses) {
    this.#storage = storage;
    this.#classes = classes;
  }

  /** Holds back what is added. @param writer the transaction that writes, if one does */
  hold(writer: () => Transaction | undefined): void {
    const storage = this.#storage;
    const { txStorage, logMutation } = storage;
    if (txStorage === undefined || logMutation === undefined) return;
    const { ipc } = txStorage as unknown as InnerStorage;
    const { removePeer } = ipc;
    ipc.removePeer = (...details) => {
      removePeer.apply(ipc, details);
      if (details[0] === ipc.masterPeerId) for (const tell of [...this.#alone]) tell();
    };
    storage.logMutation = (...details) => {
      const transaction = writer();
      if (transaction === undefined) return logMutation.apply(storage, details);
      const mutation = captured(txStorage, () => logMutation.apply(storage, details));
      // The journal keeps JSON. Versions of AceBase before 1.29.13 have the values themselves here, not text.
      if (mutation !== undefined)
        transaction.mutation = { ...mutation, item: encodeValue(mutation.item, this.#classes) };
      return (details[3] as { acebase_cursor?: string }).acebase_cursor;
    };
  }

  /**
   * Adds it; twice is once. Whoever waits to be its master may be kept waiting by the lock under which this is called: it is waited for only as long as there
   * is one.
   *
   * @returns false if it is not added, or not yet: it is missing then
   */
  async add(mutation: LoggedMutation): Promise<boolean> {
    this.#missing = mutation;
    try {
      return await this.#unlessAlone(this.complete());
    } catch (error) {
      loggerOf(this.#storage as unknown as Storage).error(
        'A mutation could not be added to the transaction log; the next write adds it first, or fails:',
        error,
      );
      return false;
    }
  }

  /** @returns whether it is done; false if the log has no master before */
  #unlessAlone(adding: Promise<void>): Promise<boolean> {
    const ipc = this.#storage.txStorage?.ipc;
    if (ipc === undefined || ipc.isMaster) return adding.then(() => true);
    return new Promise((resolve, reject) => {
      const isAlone = (): void => resolve(false);
      this.#alone.add(isAlone);
      adding.finally(() => this.#alone.delete(isAlone)).then(() => resolve(true), reject);
      if (!ipc.peers.some(({ id }) => id === ipc.masterPeerId)) isAlone();
    });
  }

  /** As soon as both files are open. @returns false if that fails, or this process has no log of transactions, and the database has one */
  async addWhenReady(mutation: LoggedMutation): Promise<boolean> {
    const { txStorage } = this.#storage;
    if (txStorage === undefined) {
      const isInVain = !existsSync(`${folderOf(this.#storage)}/transaction.db`);
      if (!isInVain) this.#missing = mutation;
      return isInVain;
    }
    for (const storage of [this.#storage, txStorage]) await whenReady(storage);
    return await this.add(mutation);
  }

  /** Nothing is missing when this resolves: the journal may be written over. @throws if what is missing cannot be added */
  async complete(): Promise<void> {
    const missing = this.#missing;
    if (missing === undefined) return;
    if (this.#adding?.mutation.cursor !== missing.cursor) this.#adding = this.#begin(missing);
    await this.#adding.done;
    if (this.#missing === missing) this.#missing = undefined;
  }

  #begin(mutation: LoggedMutation): Adding {
    const isOver = (): void => {
      if (this.#adding === adding) this.#adding = undefined;
    };
    const adding: Adding = { mutation, done: this.#add(mutation).finally(isOver) };
    return adding;
  }

  async #add({ cursor, item }: LoggedMutation): Promise<void> {
    const { txStorage } = this.#storage;
    if (txStorage === undefined) throw withoutLog();
    await whenReady(txStorage);
    const value = decodeValue(item, this.#classes);
    await txStorage._updateNode('history', { [cursor]: value }, { merge: true, _internal: true });
  }

  /** Others have added what was missing, or find it in the journal. */
  forget(): void {
    this.#missing = undefined;
  }
}

/** When a file is open. */
export async function whenReady(storage: Pick<Storage, 'isReady' | 'once'>): Promise<void> {
  if (storage.isReady !== true) await new Promise<void>((resolve) => storage.once('ready', resolve));
}

/** Why a process without a log of transactions writes nothing, where one has missed something. */
function withoutLog(): IPCError {
  const { summary, remedy } = ERRORS.IPC_CLIENT_NO_TRANSACTION_LOG;
  return new IPCError('IPC_CLIENT_NO_TRANSACTION_LOG', `IPC_CLIENT_NO_TRANSACTION_LOG: ${summary} ${remedy}`);
}

/** What a transaction log is told: AceBase writes that at once, if it takes it for open. */
function captured(
  txStorage: NonNullable<InnerStorage['txStorage']>,
  log: () => unknown,
): LoggedMutation | undefined {
  let mutation: LoggedMutation | undefined;
  const { _updateNode: update } = txStorage;
  txStorage._updateNode = (_path, value) => {
    const [[cursor, item] = []] = Object.entries(value as object);
    if (cursor !== undefined) mutation = { cursor, item };
    return Promise.resolve(undefined);
  };
  Object.defineProperty(txStorage, 'isReady', { value: true, configurable: true });
  try {
    void log();
  } finally {
    txStorage._updateNode = update;
    Reflect.deleteProperty(txStorage, 'isReady');
  }
  return mutation;
}
