/** AceBase's log of transactions: what a transaction did is added to it when that is committed, and again after a crash. */

import { loggerOf, type Storage } from '../acebase.js';
import type { InnerStorage } from './storage.js';
import type { LoggedMutation, Transaction } from './transaction.js';

/** The log of transactions of one storage. */
export class MutationLog {
  readonly #storage: InnerStorage;

  constructor(storage: InnerStorage) {
    this.#storage = storage;
  }

  /** Holds back what is added. @param writer the transaction that writes, if one does */
  hold(writer: () => Transaction | undefined): void {
    const storage = this.#storage;
    const { txStorage, logMutation } = storage;
    if (txStorage === undefined || logMutation === undefined) return;
    storage.logMutation = (...details) => {
      const transaction = writer();
      if (transaction === undefined || txStorage.isReady !== true) return logMutation.apply(storage, details);
      transaction.mutation = captured(txStorage, () => logMutation.apply(storage, details));
      return (details[3] as { acebase_cursor?: string }).acebase_cursor;
    };
  }

  /** Adds it; twice is once. That it fails is said, as AceBase does, and no more. */
  async add({ cursor, item }: LoggedMutation): Promise<void> {
    const { txStorage } = this.#storage;
    try {
      await txStorage?._updateNode('history', { [cursor]: item }, { merge: true, _internal: true });
    } catch (error) {
      loggerOf(this.#storage as unknown as Storage).error(
        'A mutation could not be added to the transaction log:',
        error,
      );
    }
  }

  /** As soon as both files are open. */
  async addWhenReady(mutation: LoggedMutation): Promise<void> {
    const { txStorage } = this.#storage;
    if (txStorage === undefined) return;
    for (const storage of [this.#storage, txStorage]) {
      if (storage.isReady !== true) await new Promise<void>((resolve) => storage.once('ready', resolve));
    }
    await this.add(mutation);
  }
}

/** What a transaction log is told: AceBase writes that at once, when it is open. */
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
  try {
    void log();
  } finally {
    txStorage._updateNode = update;
  }
  return mutation;
}
