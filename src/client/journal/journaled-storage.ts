/** Keeps a database whole that only this process has open, whenever it ends (docs/CLIENT.md, "Crashes"). */

import { ERRORS, IPCError } from '../../errors.js';
import { loggerOf, type Storage } from '../acebase.js';
import type { IPCLock, RootAddress } from '../core/host.js';
import { failWithTables } from '../failed-tables.js';
import { KEYS_AT, RECORDS_AT, ROOT_ADDRESS_AT } from '../file-layout.js';
import { checksumOf, removeUnfinished } from './database-file.js';
import {
  type DescribedIndex,
  descriptionOf,
  type IndexDescription,
  makeAgain,
  markBuilds,
  setMark,
  takeMarked,
} from './index-marks.js';
import { Journal, recover } from './journal.js';
import { readFully } from './redo-log.js';
import { type LoggedMutation, Transaction } from './transaction.js';
import { WriteBuffer } from './write-buffer.js';

/** What is to be done when a transaction is in the file, and again after a crash. */
interface Notes {
  /** Indexes that are told of it. */
  readonly indexes: readonly IndexDescription[];
  /** What goes into the log of transactions. */
  readonly mutation?: LoggedMutation | undefined;
}

/** What is to be outlived: the end of the process, or of power as well. */
export type Durability = 'process' | 'power';

type Method = (...details: unknown[]) => Promise<unknown>;

/** An index, with what is replaced in it. */
interface Index extends DescribedIndex {
  handleRecordUpdate: Method;
}

/** The members of AceBase's storage that are used here, beside those that are known already. */
interface InnerStorage
  extends Omit<
    Storage,
    'settings' | 'subscriptions' | 'indexes' | 'readData' | 'writeData' | 'txStorage' | 'ipc' | 'FST'
  > {
  readonly ipc: { once(event: 'exit', callback: () => void): unknown };
  readonly FST?: NonNullable<Storage['FST']> & { readonly ranges: object[] };
  readonly txStorage?: Storage & {
    _updateNode(path: string, value: object, options: object): Promise<unknown>;
  };
  readonly settings: Storage['settings'] & { readonly recordSize: number; readonly pageSize: number };
  readonly subscriptions: { trigger(...details: unknown[]): void };
  readonly indexes: Storage['indexes'] & { getAll(...details: unknown[]): Index[] };
  readData(
    position: number,
    buffer: ArrayBuffer | Uint8Array,
    offset?: number,
    length?: number,
  ): Promise<number>;
  writeData(position: number, buffer: Uint8Array, offset?: number, length?: number): Promise<number>;
  logMutation?(...details: unknown[]): unknown;
}

/** The calls that write. Each is one transaction, unless it is a part of another one. */
const WRITERS = [
  'setNode',
  'updateNode',
  '_updateNode',
  'transactNode',
  'repairNode',
  'repairNodeTree',
] as const;

/**
 * Makes each call that writes all or nothing. To be called while AceBase makes the storage, before it opens the file: what a crash has left
 * is mended then.
 *
 * @param isAlone asked before each call: whether no other process has the file open that knows nothing of this
 * @throws if mending fails: the file must not be used as it is
 */
export function keepWhole(storage: Storage, durability: Durability, isAlone: () => boolean): void {
  const { name, settings } = storage;
  const folder = `${settings.path}/${name}.acebase`;
  const type = settings.type ?? 'data';
  const [path, logPath] = [`${folder}/${type}.db`, `${folder}/${type}.redo`];
  let mutation: LoggedMutation | undefined;
  removeUnfinished(path);
  recover<Notes>(path, logPath, (notes) => {
    for (const index of notes.indexes) setMark(folder, index, false);
    mutation = notes.mutation;
    return mutation === undefined;
  });
  const missing = type === 'data' ? takeMarked(folder) : [];
  // All members are there when the constructor is over; nothing was done by then.
  queueMicrotask(() => {
    new JournaledStorage(storage as unknown as InnerStorage, {
      folder,
      logPath,
      durability,
      isAlone,
    }).begin(missing, mutation);
  });
}

/** Where the files of a storage are, and what they are to outlive. */
interface Place {
  readonly folder: string;
  readonly logPath: string;
  readonly durability: Durability;
  isAlone(): boolean;
}

/** A storage whose transactions are committed as a whole. */
class JournaledStorage {
  readonly #storage: InnerStorage;
  readonly #place: Place;
  readonly #transactions = new Map<string, Transaction>();
  /** The call that begins in this moment: its first lock tells which transaction it is. */
  #beginning: Transaction | undefined;
  /** The transaction that has the lock for writing: AceBase grants that to one at a time. */
  #writer: Transaction | undefined;
  #journal: Journal<Notes> | undefined;
  /** What the tables of keys and of free space were written as last, by their places. */
  readonly #tableBytes = new Map<number, Uint8Array>();
  /** Those that a transaction which was dropped has left to be written. */
  readonly #unwritten = new Map<number, Uint8Array>();
  /** Writes to space that is fresh. */
  readonly #freshWrites = new Set<Promise<unknown>>();
  /** When what a crash has left to be logged is. */
  #untilLogged: Promise<void> | undefined;
  readonly #known = new WeakSet<Index>();

  constructor(storage: InnerStorage, place: Place) {
    this.#storage = storage;
    this.#place = place;
  }

  /** @param missing indexes that are to be made again @param mutation what is to go into the log of transactions again */
  begin(missing: readonly IndexDescription[], mutation: LoggedMutation | undefined): void {
    this.#storage.ipc.once('exit', () => {
      this.#journal?.close();
    });
    this.#storage.once('ready', () => failWithTables(this.#storage as unknown as Storage));
    this.#wrapCalls();
    this.#wrapLocks();
    this.#wrapFile();
    this.#wrapSpace();
    this.#wrapEvents();
    this.#wrapIndexes(missing);
    this.#wrapLog(mutation);
  }

  #wrapCalls(): void {
    const storage = this.#storage as unknown as Record<string, Method | undefined>;
    for (const name of WRITERS) {
      const method = storage[name];
      if (method === undefined) continue;
      storage[name] = (...details) => {
        const options = Object(details[2]) as { tid?: unknown; no_lock?: boolean };
        const isPart =
          this.#beginning !== undefined ||
          (options.tid !== undefined && this.#transactions.has(String(options.tid))) ||
          (name === 'transactNode' && options.no_lock === true);
        return isPart || !this.#place.isAlone()
          ? method.apply(storage, details)
          : this.#transact(() => method.apply(storage, details));
      };
    }
  }

  async #transact(call: () => Promise<unknown>): Promise<unknown> {
    const transaction = new Transaction((position, bytes) => this.#read(position, bytes));
    this.#beginning = transaction;
    let doing: Promise<unknown>;
    try {
      doing = call();
    } finally {
      this.#beginning = undefined;
    }
    let result: unknown;
    let failure: { readonly error: unknown } | undefined;
    try {
      result = await doing;
    } catch (error) {
      failure = { error };
    }
    await transaction.ended();
    try {
      if (failure === undefined) await this.#commit(transaction);
      else this.#drop(transaction);
    } catch (error) {
      failure = { error };
    } finally {
      if (transaction.tid !== undefined) this.#transactions.delete(transaction.tid);
      if (this.#writer === transaction) this.#writer = undefined;
      await transaction.releaseLocks();
    }
    if (failure !== undefined) throw failure.error;
    return result;
  }

  async #commit(transaction: Transaction): Promise<void> {
    if (transaction.isLost) throw new Error('its lock has expired, and others have written since');
    await Promise.all(this.#freshWrites);
    await this.#untilLogged;
    const { indexUpdates, mutation, buffer } = transaction;
    // The root of a new file is where AceBase takes it to be: all that is changed is in fresh space, and in the tables.
    const isWritten = buffer.changes().length > 0 || transaction.tables.size > 0;
    if (isWritten) {
      const indexes = uniqueOf(indexUpdates.map(({ index }) => index));
      const notes = indexes.length > 0 || mutation !== undefined ? { indexes, mutation } : undefined;
      const takeBack = this.#setFree(transaction);
      this.#addTables(transaction);
      try {
        const written = transaction.written((at, length) => checksumOf(this.#file, at, length));
        this.#openJournal().commit({ changes: buffer.changes(), written, notes });
      } catch (error) {
        takeBack();
        this.#drop(transaction);
        throw this.#failure ?? error;
      }
      for (const [position, bytes] of transaction.tables) this.#tableBytes.set(position, bytes);
      this.#unwritten.clear();
    }
    const done = await Promise.allSettled(indexUpdates.map(({ update }) => update()));
    done.forEach((outcome, place) => {
      if (outcome.status === 'rejected') this.#indexFailed(indexUpdates[place]?.index, outcome.reason);
    });
    // Some kinds of indexes do not wait for what they begin.
    await Promise.all(updatesOf(this.#storage));
    if (mutation !== undefined)
      await this.#logAgain(mutation).catch((error: unknown) => this.#notLogged(error));
    if (isWritten && (indexUpdates.length > 0 || mutation !== undefined)) this.#journal?.done();
    for (const effect of transaction.effects) effect();
  }

  /** Space is set free in the same commit that has it needed no longer. @returns what takes it back */
  #setFree({ frees }: Transaction): () => void {
    if (frees.length === 0) return () => undefined;
    const ranges = this.#storage.FST?.ranges ?? [];
    const before = ranges.map((range) => ({ ...range }));
    for (const free of frees) free();
    return () => void ranges.splice(0, ranges.length, ...before);
  }

  /** The tables are written with what uses them. */
  #addTables({ tables, buffer }: Transaction): void {
    for (const [position, bytes] of this.#unwritten) if (!tables.has(position)) tables.set(position, bytes);
    for (const [position, bytes] of tables) this.#addTable(buffer, position, bytes);
  }

  #addTable(buffer: WriteBuffer, position: number, bytes: Uint8Array): void {
    const known = this.#tableBytes.get(position);
    // As if it had been read.
    if (known !== undefined) buffer.overlay(position, new Uint8Array(known));
    buffer.write(position, bytes);
  }

  /** Nothing of it has happened; but keys that it has added are known by now, and go into the file with the next one. */
  #drop(transaction: Transaction): void {
    const storage = this.#storage;
    const { root, allocated, tables } = transaction;
    const { rootRecord, FST } = storage;
    if (this.#writer !== transaction) return;
    const keys = tables.get(KEYS_AT);
    if (keys !== undefined) this.#unwritten.set(KEYS_AT, keys);
    if (root !== undefined && rootRecord?.exists === true) void rootRecord.update(root, true);
    storage.invalidateCache?.(true, '', true, 'write_failed');
    this.#writer = undefined;
    if (allocated.length > 0) void FST?.release?.(allocated);
  }

  #wrapLocks(): void {
    const { nodeLocker } = this.#storage;
    const { lock } = nodeLocker;
    nodeLocker.lock = async (path, tid, write, comment) => {
      const transaction = this.#beginning ?? this.#transactions.get(String(tid));
      if (transaction === undefined) return await lock.call(nodeLocker, path, tid, write, comment);
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
      if (write) this.#mayWrite(transaction);
      return this.#kept(granted, transaction);
    };
  }

  /** Nobody else writes now: the lock of who did before has expired, if that has not ended. */
  #mayWrite(transaction: Transaction): void {
    const former = this.#writer;
    if (former === transaction) return;
    if (former !== undefined) {
      former.isLost = true;
      this.#drop(former);
    }
    transaction.root = this.#root;
    this.#writer = transaction;
  }

  /** A lock that is given back when its transaction ends. */
  #kept(lock: IPCLock, transaction: Transaction): IPCLock {
    const { release, moveToParent } = lock;
    lock.release = async () => transaction.endsLock(() => release.call(lock));
    lock.moveToParent = async () => {
      const moved = await moveToParent.call(lock);
      return moved === lock ? moved : this.#kept(moved, transaction);
    };
    return lock;
  }

  #wrapFile(): void {
    const storage = this.#storage;
    const { readData, writeData } = storage;
    storage.writeData = (position, buffer, offset = 0, given = -1) => {
      const length = given === -1 ? buffer.byteLength : given;
      if (this.#failure !== undefined) return Promise.reject(this.#failure);
      const write = (): Promise<number> => writeData.call(storage, position, buffer, offset, length);
      const isTable = position < RECORDS_AT && position !== ROOT_ADDRESS_AT;
      const bytes = buffer.subarray(offset, offset + length);
      if (isTable && this.#writer === undefined) return this.#writeTable(position, bytes);
      if (isTable) {
        this.#writer?.tables.set(position, bytes);
        return Promise.resolve(length);
      }
      const writer = this.#writer;
      if (writer === undefined) return write();
      if (this.#isFresh(writer, position, length)) {
        writer.writesFresh(position, bytes);
        return tracked(this.#freshWrites, write());
      }
      writer.buffer.write(position, bytes);
      return Promise.resolve(length);
    };
    storage.readData = async (position, buffer, offset = 0, length = -1) => {
      if (this.#failure !== undefined) throw this.#failure;
      const read = await readData.call(storage, position, buffer, offset, length);
      const bytes = buffer instanceof ArrayBuffer ? new Uint8Array(buffer) : buffer;
      // AceBase takes the memory of an array as a whole.
      const all = new Uint8Array(bytes.buffer, bytes instanceof Buffer ? bytes.byteOffset : 0);
      this.#writer?.buffer.overlay(position, all.subarray(offset, offset + read));
      return read;
    };
  }

  /** Of nobody's transaction. */
  async #writeTable(position: number, bytes: Uint8Array): Promise<number> {
    await this.#untilLogged;
    const buffer = new WriteBuffer((at, read) => this.#read(at, read));
    this.#addTable(buffer, position, bytes);
    this.#openJournal().commit({ changes: buffer.changes() });
    this.#tableBytes.set(position, bytes);
    return bytes.length;
  }

  #isFresh(writer: Transaction, position: number, length: number): boolean {
    const { recordSize, pageSize } = this.#storage.settings;
    const first = Math.floor((position - RECORDS_AT) / recordSize);
    const behind = Math.ceil((position + length - RECORDS_AT) / recordSize);
    const pageNr = Math.floor(first / pageSize);
    return (
      position >= RECORDS_AT && writer.hasGot(pageNr, first - pageNr * pageSize, behind - pageNr * pageSize)
    );
  }

  #wrapSpace(): void {
    const { FST } = this.#storage;
    if (FST?.allocate === undefined || FST.release === undefined) return;
    const { allocate, release } = FST;
    FST.allocate = async (records) => {
      const writer = this.#writer;
      const ranges = await allocate.call(FST, records);
      writer?.gets(ranges);
      return ranges;
    };
    FST.release = async (ranges) => {
      if (this.#writer === undefined) await release.call(FST, ranges);
      else this.#writer.frees.push(() => void release.call(FST, ranges));
    };
  }

  #wrapEvents(): void {
    const { subscriptions } = this.#storage;
    const { trigger } = subscriptions;
    subscriptions.trigger = (...details) => {
      if (this.#writer === undefined) trigger.apply(subscriptions, details);
      else this.#writer.effects.push(() => process.nextTick(() => trigger.apply(subscriptions, details)));
    };
  }

  #wrapIndexes(missing: readonly IndexDescription[]): void {
    const waiting = [...missing];
    const { indexes } = this.#storage;
    const { load, getAll } = indexes;
    indexes.load = async () => {
      await load.call(indexes);
      await makeAgain(this.#storage as unknown as Storage, waiting.splice(0));
    };
    indexes.getAll = (...details) => {
      const found = getAll.apply(indexes, details);
      for (const index of found) this.#hold(index);
      return found;
    };
    markBuilds(this.#storage as unknown as Storage);
  }

  /** An index is told of a transaction when that is committed. */
  #hold(index: Index): void {
    if (this.#known.has(index)) return;
    this.#known.add(index);
    watchUpdates(index, this.#storage);
    const { handleRecordUpdate } = index;
    index.handleRecordUpdate = async (...details) => {
      const update = (): Promise<unknown> => handleRecordUpdate.apply(index, details);
      if (this.#writer === undefined) return await update();
      this.#writer.indexUpdates.push({ index: descriptionOf(index), update });
      return undefined;
    };
  }

  /** It is not as the data is: it is made anew when nobody writes. */
  #indexFailed(index: IndexDescription | undefined, reason: unknown): void {
    if (index === undefined) return;
    const { folder } = this.#place;
    loggerOf(this.#storage as unknown as Storage).error(
      `The index ${index.file} could not be written, and is made anew:`,
      reason,
    );
    setMark(folder, index, false);
    const storage = this.#storage as unknown as Storage;
    storage.indexes
      .create(index.path, index.key, { ...index.options, rebuild: true })
      .catch((error: unknown) => {
        loggerOf(storage).error(
          `The index ${index.file} could not be made anew; it will be when the database is opened next:`,
          error,
        );
      });
  }

  #wrapLog(mutation: LoggedMutation | undefined): void {
    const storage = this.#storage;
    const { txStorage, logMutation } = storage;
    if (txStorage === undefined || logMutation === undefined) return;
    storage.logMutation = (...details) => {
      const writer = this.#writer;
      if (writer === undefined || txStorage.isReady !== true) return logMutation.apply(storage, details);
      writer.mutation = captured(txStorage, () => logMutation.apply(storage, details));
      return (details[3] as { acebase_cursor?: string }).acebase_cursor;
    };
    if (mutation !== undefined) this.#untilLogged = this.#repeat(mutation, txStorage);
  }

  /** The record of it stays in the journal until then. */
  async #repeat(mutation: LoggedMutation, txStorage: Storage): Promise<void> {
    for (const storage of [this.#storage, txStorage]) {
      if (storage.isReady !== true) await new Promise<void>((resolve) => storage.once('ready', resolve));
    }
    await this.#logAgain(mutation).catch((error: unknown) => this.#notLogged(error));
    this.#openJournal().done();
  }

  /** As AceBase does. */
  #notLogged(error: unknown): void {
    loggerOf(this.#storage as unknown as Storage).error(
      'A mutation could not be added to the transaction log:',
      error,
    );
  }

  async #logAgain({ cursor, item }: LoggedMutation): Promise<void> {
    await this.#storage.txStorage?._updateNode(
      'history',
      { [cursor]: item },
      { merge: true, _internal: true },
    );
  }

  /** Why the file is not used any more; `undefined` if it is. */
  get #failure(): IPCError | undefined {
    const failure = this.#journal?.failure;
    if (failure === undefined) return undefined;
    const { summary } = ERRORS.IPC_CLIENT_OUTCOME_UNKNOWN;
    return new IPCError('IPC_CLIENT_OUTCOME_UNKNOWN', `IPC_CLIENT_OUTCOME_UNKNOWN: ${summary} (${failure})`);
  }

  get #root(): RootAddress | undefined {
    const { rootRecord } = this.#storage;
    if (rootRecord?.exists !== true) return undefined;
    return { path: '', pageNr: rootRecord.pageNr, recordNr: rootRecord.recordNr };
  }

  #read(position: number, bytes: Buffer): void {
    readFully(this.#file, bytes, position);
  }

  get #file(): number {
    const { file } = this.#storage;
    if (file === undefined) throw new TypeError('the file is not open');
    return file;
  }

  #openJournal(): Journal<Notes> {
    const { logPath, durability } = this.#place;
    const isSynced = durability === 'power';
    this.#journal ??= new Journal<Notes>({
      file: this.#file,
      logPath,
      isSynced,
    });
    return this.#journal;
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

function tracked<T>(all: Set<Promise<unknown>>, doing: Promise<T>): Promise<T> {
  const done: Promise<void> = doing.then(
    () => void all.delete(done),
    () => void all.delete(done),
  );
  all.add(done);
  return doing;
}

/** What indexes are being told, by their storage. */
const updates = new WeakMap<object, Set<Promise<unknown>>>();

/** Classes of indexes that are watched. */
const watched = new WeakSet<object>();

function updatesOf(storage: object): Iterable<Promise<unknown>> {
  return updates.get(storage) ?? [];
}

/** All kinds of indexes go by the method of one class. */
function watchUpdates(index: Index, storage: object): void {
  if (!updates.has(storage)) updates.set(storage, new Set());
  let methods: Index = index;
  while (!Object.hasOwn(methods, '_getTree')) methods = Object.getPrototypeOf(methods) as Index;
  if (watched.has(methods)) return;
  watched.add(methods);
  const { handleRecordUpdate } = methods;
  methods.handleRecordUpdate = function (this: Index & { readonly storage: object }, ...details) {
    const all = updates.get(this.storage);
    const doing = handleRecordUpdate.apply(this, details);
    return all === undefined ? doing : tracked(all, doing);
  };
}

function uniqueOf(indexes: readonly IndexDescription[]): IndexDescription[] {
  return [...new Map(indexes.map((index) => [index.file, index])).values()];
}
