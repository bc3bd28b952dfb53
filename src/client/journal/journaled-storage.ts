/** Keeps a database whole whenever a process ends that writes to it (docs/CLIENT.md, "Crashes"). */

import { loggerOf, type Storage } from '../acebase.js';
import type { RootAddress } from '../core/host.js';
import { failWithTables } from '../patches/failed-tables.js';
import { readFully } from '../patches/file-access.js';
import { RECORDS_AT, ROOT_ADDRESS_AT } from '../patches/file-layout.js';
import { checksumOf } from './database-file.js';
import type { IndexDescription } from './index-marks.js';
import { Indexes } from './indexes.js';
import type { Journal } from './journal.js';
import { type Durability, Logs } from './logs.js';
import { MutationLog, whenReady } from './mutation-log.js';
import { holdKeys, holdNotices } from './notices.js';
import type { Notes } from './recovery.js';
import type { InnerStorage, Method } from './storage.js';
import type { Surroundings } from './surroundings.js';
import { LoneTables, MasterTables, type Tables } from './tables.js';
import { type LoggedMutation, lost, Transaction } from './transaction.js';
import { TransactionLocks } from './transaction-locks.js';

/** The calls that write. Each is one transaction, unless it is a part of another one. */
const WRITERS = [
  'setNode',
  'updateNode',
  '_updateNode',
  'transactNode',
  'repairNode',
  'repairNodeTree',
] as const;

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
  readonly #surroundings: Surroundings;
  readonly #logs: Logs;
  readonly #locks: TransactionLocks;
  readonly #tables: Tables;
  readonly #indexes: Indexes;
  readonly #mutations: MutationLog;
  /** Whether this moment is spent for what another process has asked, or told. */
  #servesOthers = false;
  /** Writes to space that is fresh. */
  readonly #freshWrites = new Set<Promise<unknown>>();
  /** What is being done of that which commits have noted. */
  readonly #followUps = new Set<Promise<unknown>>();
  /** When what a crash has left to be logged is. */
  #untilLogged: Promise<void> | undefined;
  /** The mutation whose transaction's indexes are known to be right, or marked: it may be found in the journal many times before it can be logged. */
  #settledIndexesOf: string | undefined;

  constructor(storage: InnerStorage, durability: Durability, surroundings: Surroundings) {
    this.#storage = storage;
    this.#surroundings = surroundings;
    this.#logs = new Logs(storage, durability, surroundings);
    this.#locks = new TransactionLocks({
      storage,
      surroundings,
      drop: (transaction) => this.#drop(transaction),
    });
    const { isLone } = surroundings;
    const tables = {
      storage,
      journal: () => this.#logs.tables,
      gate: surroundings.gate,
      read: (position: number, bytes: Buffer) => this.#read(position, bytes),
      untilFree: async () => {
        if (isLone) await this.#untilFree();
      },
    };
    this.#tables = isLone ? new LoneTables(tables) : new MasterTables(tables);
    this.#indexes = new Indexes({
      storage,
      writer: () => this.#current,
      isLone,
      durability,
      losses: () => surroundings.losses,
    });
    this.#mutations = new MutationLog(storage, surroundings.classes);
  }

  /** To be called when all members of the storage are there, and before it does anything. */
  begin({ missing, mutation }: Beginning): void {
    const { ipc } = this.#storage;
    const { sayGoodbye, emitOnce } = ipc;
    // Nobody has a lock any more; the file is open still, and no other process was told that this one goes.
    ipc.sayGoodbye = (peerId) => {
      if (peerId === ipc.id) this.#close();
      sayGoodbye.call(ipc, peerId);
    };
    // AceBase closes the file then. Of keys that others have asked for, it does not wait until they are in there.
    ipc.emitOnce = (event, ...details) => {
      const atRest = event === 'exit' ? this.#tables.atRest : undefined;
      if (atRest === undefined) emitOnce.call(ipc, event, ...details);
      else
        void atRest.then(() => {
          this.#logs.retire();
          emitOnce.call(ipc, event, ...details);
        });
    };
    // With an IPC server, that is done already.
    if (this.#surroundings.isLone) this.#outer.once('ready', () => failWithTables(this.#outer));
    this.#wrapCalls();
    this.#locks.hold();
    this.#wrapFile();
    this.#wrapSpace();
    if (!this.#surroundings.isLone) this.#wrapRequests();
    if (!this.#surroundings.isLone && ipc.isMaster)
      holdKeys(ipc, (tell) => (this.#surroundings.isInForce ? this.#tables.whenSettled(tell) : tell()));
    holdNotices(this.#storage, () => this.#current);
    this.#indexes.hold(missing);
    this.#mutations.hold(() => this.#current);
    if (mutation !== undefined) this.#untilLogged = this.#logAgain(mutation);
  }

  /**
   * Looks what others have left, and completes what a crash has cut short; under a lock, or when nobody else has one.
   *
   * @param isMasterThere whether a master has the file open; one that is about to come knows nothing of the log, perhaps
   * @returns whether the file has changed; with a promise, the lock is to be used only then
   */
  look(isMasterThere = true): boolean | Promise<boolean> {
    if (this.#storage.file === undefined) return false;
    if (this.#locks.writer?.holdsLock() === true) return false;
    // It has lost its lock, and another one was granted.
    const waiting = this.#locks.othersMayGoOn(undefined);
    return waiting === undefined ? this.#look(isMasterThere) : waiting.then(() => this.#look(isMasterThere));
  }

  #look(isMasterThere: boolean): boolean | Promise<boolean> {
    if (!this.#surroundings.isInForce && !this.#logs.hasData) return false;
    const leftover = this.#logs.look(isMasterThere);
    if (leftover?.notes !== undefined) return this.#carryOut(leftover.notes, this.#logs.data);
    // What this process could not log, another one has; and marked what it could not.
    this.#mutations.forget();
    this.#indexes.forgetUnmarked();
    return leftover?.isRecovered === true;
  }

  /**
   * Looks, and leaves nothing in the logs that changes the file, nor can anybody who is late: processes come that know nothing of them. In a master, under a lock; in a
   * worker, when there is no master, and nobody has a lock.
   *
   * @returns whether the file has changed
   */
  async empty(): Promise<boolean> {
    if (this.#storage.file === undefined) return false;
    const { isMaster } = this.#storage.ipc;
    const hasChanged = await this.look(isMaster);
    await this.#logs.empty(isMaster);
    return hasChanged;
  }

  /** Whether a transaction may have been cut short: what was read without a lock is to be read again. */
  get isPending(): boolean {
    return this.#storage.file !== undefined && this.#logs.isPending;
  }

  /** This process has lost its place: others write, also to the tables if it was the master. */
  forget(): void {
    const { writer } = this.#locks;
    if (writer !== undefined) {
      writer.loss = lost();
      // It may be about to be committed: then what it has got is in use.
      writer.allocated.length = 0;
      this.#drop(writer);
    }
    this.#logs.forget();
    this.#tables.forget();
    this.#indexes.forget();
    this.#indexes.forgetUnmarked();
    this.#mutations.forget();
  }

  #close(): void {
    const { ipc } = this.#storage;
    const { isLone, gate } = this.#surroundings;
    try {
      if (isLone || (gate.isOpen && ipc.peers.length === 0)) this.#indexes.close();
    } catch (error) {
      loggerOf(this.#outer).error('Cannot record that the database is closed:', error);
    }
    if (this.#tables.atRest === undefined) this.#logs.retire();
  }

  /** These are to be made again: the files are gone. */
  makeAgain(missing: readonly IndexDescription[]): void {
    this.#indexes.makeAgain(missing);
  }

  async #carryOut({ indexes, mutation }: Notes, journal: Journal<Notes>): Promise<boolean> {
    const isSettled = mutation !== undefined && mutation.cursor === this.#settledIndexesOf;
    const areMarked = isSettled || this.#indexes.makeAnew(indexes);
    if (areMarked) this.#settledIndexesOf = mutation?.cursor;
    const isLogged = mutation === undefined || (await this.#mutations.addWhenReady(mutation));
    if (areMarked && isLogged) journal.lookIsOver(this.#surroundings.gate);
    return true;
  }

  /** The record of it stays in the journal until then. Whether it could be added, {@link MutationLog.complete} tells. */
  async #logAgain(mutation: LoggedMutation): Promise<void> {
    try {
      if (!(await this.#mutations.addWhenReady(mutation))) return;
      await whenReady(this.#storage);
      const { gate } = this.#surroundings;
      this.#logs.data.look(() => false, gate);
      this.#logs.data.lookIsOver(gate);
    } catch (error) {
      const what =
        'What was added to the transaction log could not be noted as done; it will be added once more:';
      loggerOf(this.#outer).error(what, error);
    }
  }

  /** Resolves when the journal may be written over. @throws if something that it has noted cannot be done */
  async #untilFree(): Promise<void> {
    await this.#untilLogged;
    // Of one whose lock has expired: its notes are not to be written over before that is done.
    await Promise.all(this.#followUps);
    this.#indexes.complete();
    await this.#mutations.complete();
  }

  /** The transaction for which this moment is spent, if it writes. */
  get #current(): Transaction | undefined {
    return this.#servesOthers ? undefined : this.#locks.writer;
  }

  #wrapCalls(): void {
    const storage = this.#storage as unknown as Record<string, Method | undefined>;
    for (const name of WRITERS) {
      const method = storage[name];
      if (method === undefined) continue;
      storage[name] = (...details) => {
        const options = Object(details[2]) as { tid?: unknown; no_lock?: boolean };
        const known = options.tid === undefined ? undefined : this.#locks.find(options.tid);
        if (known?.isLost === true) return Promise.reject(known.whyNot());
        const isPart =
          this.#locks.isAnyBeginning ||
          known !== undefined ||
          (name === 'transactNode' && options.no_lock === true);
        // With others, what counts is whether it is in force when the lock is granted.
        if (isPart || (this.#surroundings.isLone && !this.#surroundings.isInForce))
          return method.apply(storage, details);
        const transaction = new Transaction((position, bytes) => this.#read(position, bytes));
        if (name === 'transactNode') watchCallback(details, transaction);
        return this.#transact(transaction, () => method.apply(storage, details));
      };
    }
  }

  async #transact(transaction: Transaction, call: () => Promise<unknown>): Promise<unknown> {
    const doing = this.#locks.begin(transaction, call);
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
    this.#locks.end(transaction);
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
      // What is being written there comes before those who get that space.
      await Promise.all(this.#freshWrites);
      this.#giveBackSpace(transaction);
    } finally {
      // AceBase does not wait for that either. One that is being closed is, when its last lock is gone: who waits for this call is told before.
      if (this.#storage.ipc._exiting) setImmediate(() => transaction.releaseKeeper());
      else transaction.releaseKeeper();
    }
    return why;
  }

  async #commit(transaction: Transaction): Promise<void> {
    if (transaction.isLost) throw transaction.whyNot();
    await Promise.all(this.#freshWrites);
    const { indexUpdates, mutation, buffer } = transaction;
    // The root of a new file is where AceBase takes it to be: all that is changed is in fresh space, and in the tables.
    const isWritten = buffer.changesAnything || transaction.tables.size > 0;
    if (isWritten) await this.#write(transaction);
    // From here on it has happened, whatever becomes of the rest. At once: when its lock has expired, others may have moved the root.
    for (const notice of transaction.notices) notice();
    this.#locks.settle(transaction);
    transaction.allocated.length = 0;
    const hasNotes = isWritten && (indexUpdates.length > 0 || mutation !== undefined);
    try {
      await tracked(this.#followUps, this.#followUp(transaction, hasNotes));
    } catch (error) {
      loggerOf(this.#outer).error('Work that follows a commit failed in part:', error);
    } finally {
      for (const effect of transaction.effects) effect();
    }
  }

  /** It is committed: its indexes are told, and the log of transactions. @param hasNotes whether the journal has that noted */
  async #followUp(transaction: Transaction, hasNotes: boolean): Promise<void> {
    const { mutation } = transaction;
    let isCertain = await this.#indexes.tell(transaction);
    // Others may have told them of what they have written since.
    if (!transaction.holdsLock()) isCertain = this.#indexes.makeAnew(indexesOf(transaction)) && isCertain;
    if (isCertain) this.#settledIndexesOf = mutation?.cursor;
    const isLogged = mutation === undefined || (await this.#mutations.add(mutation));
    if (hasNotes && isCertain && isLogged) this.#logs.data.done(this.#locks.gateOf(transaction));
  }

  async #write(transaction: Transaction): Promise<void> {
    const { mutation, buffer } = transaction;
    const indexes = indexesOf(transaction);
    const notes = indexes.length > 0 || mutation !== undefined ? { indexes, mutation } : undefined;
    await this.#untilFree();
    await this.#tables.settled;
    const journal = this.#logs.data;
    const takeBack = this.#tables.addTo(transaction);
    try {
      const written = transaction.written((at, length) => checksumOf(this.#file, at, length));
      await journal.commit({ changes: buffer.changes(), written, notes }, this.#locks.gateOf(transaction));
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
    const { root, movedRoot } = transaction;
    if (this.#locks.writer !== transaction) return;
    this.#tables.dropped(transaction);
    // If its lock had expired, others may have moved it since.
    const isStill = movedRoot !== undefined && isRoot(storage, movedRoot);
    if (root !== undefined && isStill) void storage.rootRecord?.update(root, true);
    storage.invalidateCache?.(true, '', true, 'write_failed');
    this.#locks.settle(transaction);
  }

  /** What a transaction has got that was not committed: when nothing of it writes any more. */
  #giveBackSpace({ allocated }: Transaction): void {
    if (allocated.length === 0) return;
    this.#release?.(allocated).catch((error: unknown) => {
      loggerOf(this.#outer).warn('Space in the file could not be given back:', error);
    });
  }

  #wrapFile(): void {
    const storage = this.#storage;
    const { readData, writeData } = storage;
    storage.writeData = (position, buffer, offset = 0, given = -1) => {
      const length = given === -1 ? buffer.byteLength : given;
      if (this.#logs.failure !== undefined) return Promise.reject(this.#logs.failure);
      const write = (): Promise<number> => writeData.call(storage, position, buffer, offset, length);
      const bytes = buffer.subarray(offset, offset + length);
      const { writer } = this.#locks;
      if (position < RECORDS_AT && position !== ROOT_ADDRESS_AT) {
        const isWhole = writer !== undefined || this.#surroundings.isInForce;
        return isWhole ? this.#tables.write(position, bytes, writer) : this.#writeTable(write);
      }
      if (writer === undefined) return this.#isOfNobody(position) ? Promise.reject(lost()) : write();
      if (this.#isFresh(writer, position, length)) {
        // What was there may be what the last commit has set free, and is needed to carry that out.
        if (writer.isFirstFresh) this.#logs.sync();
        writer.writesFresh(position, bytes);
        return tracked(this.#freshWrites, writer.activity.during(write));
      }
      writer.buffer.write(position, bytes);
      return Promise.resolve(length);
    };
    storage.readData = async (position, buffer, offset = 0, length = -1) => {
      if (this.#logs.failure !== undefined) throw this.#logs.failure;
      const reading = (): Promise<number> => readData.call(storage, position, buffer, offset, length);
      const { writer } = this.#locks;
      const read = await (writer === undefined ? reading() : writer.activity.during(reading));
      const bytes = buffer instanceof ArrayBuffer ? new Uint8Array(buffer) : buffer;
      // AceBase takes the memory of an array as a whole.
      const all = new Uint8Array(bytes.buffer, bytes instanceof Buffer ? bytes.byteOffset : 0);
      this.#locks.writer?.buffer.overlay(position, all.subarray(offset, offset + read));
      return read;
    };
  }

  /** As AceBase does. */
  #writeTable(write: () => Promise<number>): Promise<number> {
    this.#tables.bypassed();
    return write();
  }

  /** Whether a record is written by a transaction that has no lock any more: all others hold back what they write. */
  #isOfNobody(position: number): boolean {
    return position >= RECORDS_AT && this.#surroundings.isInForce && this.#locks.isAnyHanging;
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

  /** What others ask a process for, or tell it, is not part of what it writes itself. */
  #wrapRequests(): void {
    const { ipc } = this.#storage;
    const { handleMessage } = ipc;
    ipc.handleMessage = (message) => {
      if (message.type !== 'request' && message.type !== 'notification')
        return handleMessage.call(ipc, message);
      this.#servesOthers = true;
      try {
        return handleMessage.call(ipc, message);
      } finally {
        this.#servesOthers = false;
      }
    };
  }

  #read(position: number, bytes: Buffer): void {
    readFully(this.#file, bytes, position);
  }

  get #file(): number {
    const { file } = this.#storage;
    if (file === undefined) throw new TypeError('the file is not open');
    return file;
  }

  get #outer(): Storage {
    return this.#storage as unknown as Storage;
  }
}

/** Code of the user may take as long as it likes. */
function watchCallback(details: unknown[], { activity }: Transaction): void {
  const [, callback] = details;
  if (typeof callback !== 'function') return;
  details[1] = (value: unknown) => activity.inUserCode(() => callback(value) as unknown);
}

function isRoot({ rootRecord }: InnerStorage, { pageNr, recordNr }: RootAddress): boolean {
  return rootRecord?.pageNr === pageNr && rootRecord.recordNr === Number(recordNr);
}

function indexesOf({ indexUpdates }: Transaction): IndexDescription[] {
  return [...new Map(indexUpdates.map(({ index }) => [index.file, index])).values()];
}

/** Remembers what is under way until it is over. */
function tracked<T>(all: Set<Promise<unknown>>, doing: Promise<T>): Promise<T> {
  const done: Promise<void> = doing.then(
    () => void all.delete(done),
    () => void all.delete(done),
  );
  all.add(done);
  return doing;
}
