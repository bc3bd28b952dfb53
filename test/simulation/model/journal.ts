import type { FileJournal } from '../../../src/client/core/host.js';
import type { Storage } from './storage.js';
import type { Task } from './task.js';
import type { Transaction } from './transaction.js';

/** How often a fault that waits for a commit strikes at one of its steps. */
const STRUCK_CHANCE = 0.25;

/** The redo log of the file, as one process has it. What it does within one step, `commits/` plays with the real one. */
export class Journal implements Omit<FileJournal, 'isKept'> {
  readonly #process: Storage;
  #isCommitting = false;

  constructor(process: Storage) {
    this.#process = process;
  }

  get isPending(): boolean {
    return this.#process.world.file.outstanding !== undefined;
  }

  look(): boolean {
    const { isFileOpen, world, ours } = this.#process;
    // What it is committing is not cut short.
    if (!isFileOpen || this.#isCommitting || !this.isPending) return false;
    if (ours?.client.lease.isHeld === false) throw new Error('IPC_CLIENT_LEASE_LOST');
    this.#process.note(() => 'carries out what a commit has left');
    world.writesFile(this.#process, () => world.file.recover());
    return true;
  }

  async empty(): Promise<boolean> {
    const hasChanged = this.look();
    this.#process.world.file.log = undefined;
    return hasChanged;
  }

  /** Writes all of it, in steps: the process may end, or be stopped, between any two of them, and in the midst of a write. */
  *commit(transaction: Transaction): Task<void> {
    const process = this.#process;
    const { file, checks } = process.world;
    const { records, move } = transaction;
    const log = { records, root: move?.root, mark: file.mark + 1, isComplete: false };
    this.#isCommitting = true;
    try {
      yield* this.#step(() => {
        file.log = log;
      });
      yield* this.#step(() => {
        log.isComplete = true;
        transaction.isLogged = true;
        if (move !== undefined) checks.values.movesRoot(process, move.root, move.key, move.value);
      });
      for (const [record, content] of records) {
        yield* this.#step(() => file.records.set(record, { kind: 'torn' }));
        yield* this.#step(() => file.records.set(record, content));
      }
      if (move !== undefined)
        yield* this.#step(() => {
          file.root = move.root;
        });
      yield* this.#step(() => {
        file.mark = log.mark;
      });
    } finally {
      this.#isCommitting = false;
    }
  }

  *#step(write: () => void): Task<void> {
    const { world } = this.#process;
    yield* this.#process.write(write);
    if (world.random.chance(STRUCK_CHANCE)) world.onMessage(this.#process, 'commits');
  }
}
