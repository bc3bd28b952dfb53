import { existsSync } from 'node:fs';
import { folderOf, loggerOf, type Storage } from '../acebase.js';
import { logPathsOf, MARKS, type MarkPlace } from '../patches/file-layout.js';
import { type Gate, Journal, type Leftover } from './journal.js';
import type { Notes } from './recovery.js';
import { type InnerStorage, typeOf } from './storage.js';
import type { Surroundings } from './surroundings.js';

/** What is to be outlived: nothing, the end of the process, or of power as well. */
export type Durability = 'off' | 'process' | 'power';

/** The longest record of a table, before and after, and what belongs to it: a log as long as that has room on a disk that is full. */
const TABLES_LOG_BYTES = 2 * 65_536 + 1_024;

/** The logs of a storage. One is made when something is committed to it. */
export class Logs {
  readonly #storage: InnerStorage;
  readonly #isSynced: boolean;
  readonly #surroundings: Pick<Surroundings, 'isLone' | 'gate' | 'outcomeUnknown' | 'unwritable'>;
  #data: Journal<Notes> | undefined;
  #tables: Journal<never> | undefined;

  constructor(
    storage: InnerStorage,
    durability: Durability,
    surroundings: Pick<Surroundings, 'isLone' | 'gate' | 'outcomeUnknown' | 'unwritable'>,
  ) {
    this.#storage = storage;
    this.#isSynced = durability === 'power';
    this.#surroundings = surroundings;
  }

  /** Of the data. */
  get data(): Journal<Notes> {
    this.#data ??= this.#open<Notes>(this.#paths.data, MARKS.data);
    return this.#data;
  }

  /** Of the tables; of a process that is alone, they are in the same one. */
  get tables(): Journal<never> {
    if (this.#surroundings.isLone) return this.data as Journal<never>;
    this.#tables ??= this.#open<never>(this.#paths.tables, MARKS.tables, TABLES_LOG_BYTES);
    return this.#tables;
  }

  /** Whether anything may have been logged of the data. */
  get hasData(): boolean {
    return this.#data !== undefined || this.#paths.data.some((path) => existsSync(path));
  }

  /** Whether a transaction may have been cut short. */
  get isPending(): boolean {
    return this.hasData && this.data.isPending;
  }

  /** Why the file is not used any more; `undefined` if it is. */
  get failure(): Error | undefined {
    return this.#data?.failure ?? this.#tables?.failure;
  }

  /** What the last commit has changed is on the disk when this returns, if it is to outlive a loss of power. */
  sync(): void {
    this.#data?.sync();
  }

  /**
   * Completes what a crash has cut short of the data.
   *
   * @param isMasterThere whether a master has the file open: then what a lone process has logged is not completed, as the tables are in it
   */
  look(isMasterThere: boolean): Leftover<Notes> | undefined {
    return this.data.look(({ isLone }) => !isLone || !isMasterThere, this.#surroundings.gate);
  }

  /**
   * Leaves nothing in them, for processes that know nothing of them [PROTOCOL-16.4]. To be called behind {@link Logs.look}.
   *
   * @param isMasterThere whether a master has the file open, which is this process
   */
  async empty(isMasterThere: boolean): Promise<void> {
    const { gate } = this.#surroundings;
    if (this.hasData) await this.data.empty(gate);
    if (!this.#paths.tables.some((path) => existsSync(path))) return;
    if (isMasterThere) await this.tables.empty(gate);
    else await this.#emptyTables(gate);
  }

  /** There is no master: what the last one has left half done is the next one's, who may know nothing of the log. */
  async #emptyTables(gate: Gate): Promise<void> {
    const journal = this.#open<never>(this.#paths.tables, MARKS.tables);
    try {
      journal.look(() => true, gate);
      await journal.empty(gate);
    } finally {
      journal.close();
    }
  }

  /** They are used no more. */
  retire(): void {
    for (const journal of [this.#data, this.#tables]) {
      try {
        journal?.retire();
      } catch (error) {
        loggerOf(this.#storage as unknown as Storage).error('A log cannot be closed:', error);
      }
    }
  }

  /** Others write to them, also to that of the tables if this process was the master. */
  forget(): void {
    this.retire();
    this.#data = undefined;
    this.#tables = undefined;
  }

  get #paths(): ReturnType<typeof logPathsOf> {
    const storage = this.#storage as unknown as Storage;
    return logPathsOf(folderOf(storage), typeOf(storage));
  }

  #open<N>(logPaths: readonly string[], mark: MarkPlace, leastLogBytes = 0): Journal<N> {
    const { file } = this.#storage;
    if (file === undefined) throw new TypeError('the file is not open');
    const { isLone } = this.#surroundings;
    return new Journal<N>({
      file,
      logPaths,
      mark,
      isSynced: this.#isSynced,
      isLone,
      leastLogBytes,
      failed: () => this.#surroundings.outcomeUnknown(),
      unwritable: (error) => this.#surroundings.unwritable(error),
    });
  }
}
