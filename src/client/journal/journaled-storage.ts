/** Keeps a database whole whenever a process ends that writes to it (docs/CLIENT.md, "Crashes"). */

import { existsSync } from 'node:fs';
import { systemClock } from '../../platform/clock.js';
import { loggerOf, type Storage } from '../acebase.js';
import type { IPCLock, RootAddress } from '../core/host.js';
import { lostError } from '../core/lost-transactions.js';
import { failWithTables } from '../failed-tables.js';
import { RECORDS_AT, ROOT_ADDRESS_AT } from '../file-layout.js';
import { checksumOf, MARKS } from './database-file.js';
import type { IndexDescription } from './index-marks.js';
import { Indexes, tracked } from './indexes.js';
import { type Gate, Journal } from './journal.js';
import { MutationLog } from './mutation-log.js';
import { holdNotices } from './notices.js';
import { readFully } from './redo-log.js';
import { folderOf, type InnerStorage, type Method, typeOf } from './storage.js';
import type { Surroundings } from './surroundings.js';
import { LoneTables, MasterTables, type Tables } from './tables.js';
import { type LoggedMutation, Transaction } from './transaction.js';

/** What is to be done when a transaction is in the file, and again after a crash. */
export interface Notes {
  /** Indexes that are told of it. */
  readonly indexes: readonly IndexDescription[];
  /** What goes into the log of transactions. */
  readonly mutation?: LoggedMutation | undefined;
}

/** What is to be outlived: the end of the process, or of power as well. */
export type Durability = 'process' | 'power';

/** The calls that write. Each is one transaction, unless it is a part of another one. */
const WRITERS = [
  'setNode',
  'updateNode',
  '_updateNode',
  'transactNode',
  'repairNode',
  'repairNodeTree',
] as const;

/** The longest record of a table, before and after, and what belongs to it: a log as long as that has room on a disk that is full. */
const TABLES_LOG_BYTES = 2 * 65_536 + 1_024;

/** The paths of the logs of a storage. */
export function logPathsOf(storage: Pick<Storage, 'settings' | 'name'>): {
  readonly data: readonly [string, string];
  readonly tables: readonly [string];
} {
  const path = `${folderOf(storage)}/${typeOf(storage)}`;
  return { data: [`${path}.redo`, `${path}.redo2`], tables: [`${path}.tables.redo`] };
}

/** Why something has failed. */
interface Failure {
  readonly error: unknown;
}

/** What a storage is to begin with. */
export interface Beginning {
  /** Indexes that are to be made again. */
  readonly missing: readonly IndexDescription[];
  /** What is to go into the log of transactions again. */
  readonly mutation: LoggedMutation | undefined;
}

/** A storage whose transactions are committed as a whole. */
export class JournaledStorage {
  readonly #storage: InnerStorage;
  readonly #durability: Durability;
  readonly #surroundings: Surroundings;
  readonly #tables: Tables;
  readonly #indexes: Indexes;
  readonly #mutations: MutationLog;
  readonly #transactions = new Map<string, Transaction>();
  /** The call that begins in this moment: its first lock tells which transaction it is. */
  #beginning: Transaction | undefined;
  /** The transaction that has the lock for writing, and is committed as a whole: AceBase grants that to one at a time. */
  #writer: Transaction | undefined;
  /** Whether this moment is spent for another process, which has asked this master for something. */
  #servesOthers = false;
  #data: Journal<Notes> | undefined;
  #tablesJournal: Journal<never> | undefined;
  /** Writes to space that is fresh. */
  readonly #freshWrites = new Set<Promise<unknown>>();
  /** When what a crash has left to be logged is. */
  #untilLogged: Promise<void> | undefined;

  constructor(storage: InnerStorage, durability: Durability, surroundings: Surroundings) {
    this.#storage = storage;
    this.#durability = durability;
    this.#surroundings = surroundings;
    const { isLone } = surroundings;
    const tables = {
      storage,
      journal: () => (isLone ? (this.#openData() as Journal<never>) : this.#openTables()),
      gate: surroundings.gate,
      read: (position: number, bytes: Buffer) => this.#read(position, bytes),
      untilFree: () => (isLone ? this.#untilLogged : undefined),
    };
    this.#tables = isLone ? new LoneTables(tables) : new MasterTables(tables);
    this.#indexes = new Indexes({
      storage,
      writer: () => this.#current,
      isLone,
      outlivesPower: durability === 'power',
      losses: () => surroundings.losses,
    });
    this.#mutations = new MutationLog(storage);
  }

  /** To be called when all members of the storage are there, and before it does anything. */
  begin({ missing, mutation }: Beginning): void {
    const { ipc } = this.#storage;
    const { sayGoodbye } = ipc;
    // Nobody has a lock any more; the file is open still, and no other process was told that this one goes.
    ipc.sayGoodbye = (peerId) => {
      if (peerId === ipc.id) this.#close();
      sayGoodbye.call(ipc, peerId);
    };
    // With an IPC server, that is done already.
    if (this.#surroundings.isLone) this.#outer.once('ready', () => failWithTables(this.#outer));
    this.#wrapCalls();
    this.#wrapLocks();
    this.#wrapFile();
    this.#wrapSpace();
    if (!this.#surroundings.isLone) this.#wrapRequests();
    holdNotices(this.#storage, () => this.#current);
    this.#indexes.hold(missing);
    this.#mutations.hold(() => this.#current);
    if (mutation !== undefined) this.#untilLogged = this.#logAgain(mutation);
  }

  /**
   * Looks what others have left, and writes again what a crash has cut short; under a lock, or when nobody else has one.
   *
   * @returns whether the file has changed; with a promise, the lock is to be used only then
   */
  look(): boolean | Promise<boolean> {
    if (this.#storage.file === undefined) return false;
    if (this.#writer?.holdsLock() === true) return false;
    // It has lost its lock, and another one was granted.
    this.#othersMayGoOn(undefined);
    if (!this.#surroundings.isInForce && !this.#hasLog) return false;
    const journal = this.#openData();
    const leftover = journal.look(() => true, this.#surroundings.gate);
    if (leftover === undefined) return false;
    const { isRecovered, notes } = leftover;
    return notes === undefined ? isRecovered : this.#carryOut(notes, journal);
  }

  /** Whether a transaction may have been cut short: what was read without a lock is to be read again. */
  get isPending(): boolean {
    return this.#storage.file !== undefined && this.#hasLog && this.#openData().isPending;
  }

  /** Where it never was in force, none is made. */
  get #hasLog(): boolean {
    return this.#data !== undefined || logPathsOf(this.#outer).data.some((path) => existsSync(path));
  }

  /** This process has lost its place: others write, also to the tables if it was the master. */
  forget(): void {
    const writer = this.#writer;
    if (writer !== undefined) {
      writer.isLost = true;
      // It may be about to be committed: then what it has got is in use.
      writer.allocated.length = 0;
      this.#drop(writer);
    }
    this.#retire();
    this.#data = undefined;
    this.#tablesJournal = undefined;
    this.#tables.forget();
    this.#indexes.forget();
  }

  #close(): void {
    const { ipc } = this.#storage;
    const { isLone, gate } = this.#surroundings;
    try {
      if (isLone || (gate.isOpen && ipc.peers.length === 0)) this.#indexes.close();
    } catch (error) {
      loggerOf(this.#outer).error('It cannot be noted that the database is closed:', error);
    }
    this.#retire();
  }

  #retire(): void {
    for (const journal of [this.#data, this.#tablesJournal]) {
      try {
        journal?.retire();
      } catch (error) {
        loggerOf(this.#outer).error('A log cannot be closed:', error);
      }
    }
  }

  /** These are to be made again: the files are gone. */
  makeAgain(missing: readonly IndexDescription[]): void {
    this.#indexes.makeAgain(missing);
  }

  async #carryOut({ indexes, mutation }: Notes, journal: Journal<Notes>): Promise<boolean> {
    const areMarked = this.#indexes.makeAnew(indexes);
    if (mutation !== undefined) await this.#mutations.addWhenReady(mutation);
    if (areMarked) journal.lookIsOver(this.#surroundings.gate);
    return true;
  }

  /** The record of it stays in the journal until then. */
  async #logAgain(mutation: LoggedMutation): Promise<void> {
    await this.#mutations.addWhenReady(mutation);
    this.#openData().lookIsOver(this.#surroundings.gate);
  }

  /** The transaction for which this moment is spent, if it writes. */
  get #current(): Transaction | undefined {
    return this.#servesOthers ? undefined : this.#writer;
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
        if (this.#transactions.get(String(options.tid))?.isLost === true) return Promise.reject(lost());
        // With others, what counts is whether it is in force when the lock is granted.
        return isPart || (this.#surroundings.isLone && !this.#surroundings.isInForce)
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
    let failure: Failure | undefined;
    try {
      result = await doing;
    } catch (error) {
      failure = { error };
    }
    // One that wrote while the journal was not in force is AceBase's alone.
    if (transaction.keeper === undefined) transaction.isOver = true;
    else failure = await this.#end(transaction, failure);
    if (transaction.tid !== undefined) this.#transactions.delete(transaction.tid);
    if (failure !== undefined) throw failure.error;
    return result;
  }

  /** The call is over. @param failure why it has failed, if it has @returns why the transaction has */
  async #end(transaction: Transaction, failure: Failure | undefined): Promise<Failure | undefined> {
    await transaction.ended();
    let why = failure;
    try {
      if (why === undefined) await this.#commit(transaction);
    } catch (error) {
      why = { error };
    }
    try {
      if (why !== undefined) {
        this.#drop(transaction);
        this.#surroundings.writeFailed(String(transaction.tid));
      }
      this.#giveBackSpace(transaction);
    } finally {
      // AceBase does not wait for that either. One that is being closed is, when its last lock is gone: who waits for this call is told before.
      if (this.#storage.ipc._exiting) setImmediate(() => transaction.releaseKeeper());
      else transaction.releaseKeeper();
    }
    return why;
  }

  async #commit(transaction: Transaction): Promise<void> {
    if (transaction.isLost) throw lost();
    await Promise.all(this.#freshWrites);
    await this.#untilLogged;
    const { indexUpdates, mutation, buffer } = transaction;
    // The root of a new file is where AceBase takes it to be: all that is changed is in fresh space, and in the tables.
    const isWritten = buffer.changesAnything || transaction.tables.size > 0;
    if (isWritten) await this.#write(transaction);
    // From here on it has happened, whatever becomes of the rest.
    if (this.#writer === transaction) this.#writer = undefined;
    transaction.allocated.length = 0;
    try {
      const isCertain = await this.#indexes.tell(transaction);
      if (mutation !== undefined) await this.#mutations.add(mutation);
      const hasNotes = isWritten && (indexUpdates.length > 0 || mutation !== undefined);
      if (hasNotes && isCertain) this.#data?.done();
    } catch (error) {
      loggerOf(this.#outer).error('What follows a commit has failed in part:', error);
    } finally {
      for (const effect of transaction.effects) effect();
    }
  }

  async #write(transaction: Transaction): Promise<void> {
    const { indexUpdates, mutation, buffer } = transaction;
    const indexes = uniqueOf(indexUpdates.map(({ index }) => index));
    const notes = indexes.length > 0 || mutation !== undefined ? { indexes, mutation } : undefined;
    await this.#tables.settled;
    const journal = this.#openData();
    const takeBack = this.#tables.addTo(transaction);
    try {
      const written = transaction.written((at, length) => checksumOf(this.#file, at, length));
      await journal.commit({ changes: buffer.changes(), written, notes }, this.#gateOf(transaction));
    } catch (error) {
      takeBack();
      // It may happen yet: then what it has got is in use.
      if (journal.failure !== undefined) transaction.allocated.length = 0;
      throw error;
    }
    this.#tables.committed(transaction);
  }

  /** Nothing of it has happened. */
  #drop(transaction: Transaction): void {
    const storage = this.#storage;
    const { root } = transaction;
    if (this.#writer !== transaction) return;
    this.#tables.dropped(transaction);
    if (root !== undefined && transaction.hasMovedRoot) void storage.rootRecord?.update(root, true);
    storage.invalidateCache?.(true, '', true, 'write_failed');
    this.#writer = undefined;
  }

  /** What a transaction has got that was not committed: when nothing of it writes any more. */
  #giveBackSpace({ allocated }: Transaction): void {
    if (allocated.length === 0) return;
    this.#release?.(allocated).catch((error: unknown) => {
      loggerOf(this.#outer).warn('Space in the file could not be given back:', error);
    });
  }

  #wrapLocks(): void {
    const { nodeLocker } = this.#storage;
    const { lock } = nodeLocker;
    nodeLocker.lock = async (path, tid, write, comment) => {
      const transaction = this.#beginning ?? this.#transactions.get(String(tid));
      if (transaction?.isLost === true) throw lost();
      if (transaction === undefined) {
        const granted = await lock.call(nodeLocker, path, tid, write, comment);
        this.#othersMayGoOn(undefined);
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
      this.#othersMayGoOn(transaction);
      if (write) this.#mayWrite(transaction, granted);
      return this.#kept(granted, transaction);
    };
  }

  /** A lock was granted: nobody else writes now. The lock of who did before has expired, if that has not ended. */
  #othersMayGoOn(transaction: Transaction | undefined): void {
    const former = this.#writer;
    if (former === undefined || former === transaction) return;
    former.isLost = true;
    this.#drop(former);
  }

  #mayWrite(transaction: Transaction, lock: IPCLock): void {
    if (transaction.keeper !== undefined || transaction.isOver || !this.#surroundings.isInForce) return;
    const { losses } = this.#surroundings;
    const { isMaster } = this.#storage.ipc;
    transaction.keeper = lock;
    transaction.root = this.#root;
    transaction.holdsLock = () => {
      const { keeper, isLost } = transaction;
      if (keeper === undefined || isLost || losses !== this.#surroundings.losses) return false;
      // As AceBase sees it before it goes on reading.
      return isMaster ? keeper.state !== 'expired' : keeper.expires > systemClock.wallTime();
    };
    this.#writer = transaction;
  }

  /** The file may be written by a transaction as long as it has its lock. */
  #gateOf(transaction: Transaction): Gate {
    const { gate } = this.#surroundings;
    return {
      get isOpen() {
        return gate.isOpen && transaction.holdsLock();
      },
      wait: async () => {
        await gate.wait();
        if (!transaction.holdsLock()) throw lost();
      },
    };
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

  #wrapFile(): void {
    const storage = this.#storage;
    const { readData, writeData } = storage;
    storage.writeData = (position, buffer, offset = 0, given = -1) => {
      const length = given === -1 ? buffer.byteLength : given;
      if (this.#failure !== undefined) return Promise.reject(this.#failure);
      const write = (): Promise<number> => writeData.call(storage, position, buffer, offset, length);
      const bytes = buffer.subarray(offset, offset + length);
      const writer = this.#writer;
      if (position < RECORDS_AT && position !== ROOT_ADDRESS_AT) {
        const isWhole = writer !== undefined || this.#surroundings.isInForce;
        return isWhole ? this.#tables.write(position, bytes, writer) : this.#writeTable(write);
      }
      if (writer === undefined) return write();
      if (this.#isFresh(writer, position, length)) {
        // What was there may be what the last commit has set free, and is needed to carry that out.
        if (writer.isFirstFresh) this.#data?.sync();
        writer.writesFresh(position, bytes);
        return tracked(this.#freshWrites, inFull(write(), length));
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

  /** As AceBase does. */
  #writeTable(write: () => Promise<number>): Promise<number> {
    this.#tables.forget();
    return write();
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

  /** Really sets space free. */
  #release: ((ranges: Transaction['allocated']) => Promise<void>) | undefined;

  #wrapSpace(): void {
    const { FST } = this.#storage;
    if (FST?.allocate === undefined || FST.release === undefined) return;
    const { allocate, release } = FST;
    this.#release = (ranges) => release.call(FST, ranges);
    FST.allocate = async (records) => {
      const writer = this.#current;
      const ranges = await allocate.call(FST, records);
      writer?.gets(ranges);
      return ranges;
    };
    FST.release = async (ranges) => {
      // What could not be noted as taken comes back at once.
      if (!this.#surroundings.isLone) this.#current?.givesBack(ranges);
      this.#tables.release(() => void release.call(FST, ranges), this.#current);
    };
  }

  /** What others ask a master for is not part of what it writes itself. */
  #wrapRequests(): void {
    const { ipc } = this.#storage;
    const { handleMessage } = ipc;
    ipc.handleMessage = (message) => {
      if (message.type !== 'request') return handleMessage.call(ipc, message);
      this.#servesOthers = true;
      try {
        return handleMessage.call(ipc, message);
      } finally {
        this.#servesOthers = false;
      }
    };
  }

  /** Why the file is not used any more; `undefined` if it is. */
  get #failure(): Error | undefined {
    return this.#data?.failure ?? this.#tablesJournal?.failure;
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

  #openData(): Journal<Notes> {
    this.#data ??= this.#open<Notes>(logPathsOf(this.#outer).data, MARKS.data);
    return this.#data;
  }

  #openTables(): Journal<never> {
    this.#tablesJournal ??= this.#open<never>(logPathsOf(this.#outer).tables, MARKS.tables, TABLES_LOG_BYTES);
    return this.#tablesJournal;
  }

  #open<N>(
    logPaths: readonly string[],
    mark: (typeof MARKS)[keyof typeof MARKS],
    leastLogBytes = 0,
  ): Journal<N> {
    const { isLone } = this.#surroundings;
    const isSynced = this.#durability === 'power';
    const failed = (): void => this.#surroundings.outcomeUnknown();
    return new Journal<N>({ file: this.#file, logPaths, mark, isSynced, isLone, leastLogBytes, failed });
  }

  get #outer(): Storage {
    return this.#storage as unknown as Storage;
  }
}

/** A disk that becomes full takes a part, which is no error; nor does AceBase look. */
async function inFull(writing: Promise<number>, length: number): Promise<number> {
  const written = await writing;
  if (written < length) throw new Error(`ENOSPC: the disk has taken ${written} of ${length} bytes`);
  return written;
}

function lost(): Error {
  return lostError('its lock');
}

function uniqueOf(indexes: readonly IndexDescription[]): IndexDescription[] {
  return [...new Map(indexes.map((index) => [index.file, index])).values()];
}
