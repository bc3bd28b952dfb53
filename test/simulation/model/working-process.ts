import type { IPCLock } from '../../../src/client/core/host.js';
import type { Written } from '../checks/values.js';
import { addressOf, type HeldLock, Storage } from './storage.js';
import { begin, type Task, wait } from './task.js';
import type { Transaction } from './transaction.js';

/** What an operation fails with where the file has something else than the record that it looks for. */
export const CORRUPT_RECORD = 'corrupt record';

/** Something that is written under a lock. */
interface Work {
  readonly tid: string;
  /** It may be moved to the parent. */
  held: HeldLock;
  readonly transaction: Transaction | undefined;
}

/** A process that reads and writes as AceBase does: a worker through locks, space and keys of the master, a master through its own. */
export abstract class WorkingProcess extends Storage {
  /** When it last completed something; or, if the file is torn, tried to. */
  workedAt = 0;
  /** For how long the next operation holds its lock, beyond what it takes. */
  dawdles = 0;
  #operations = 0;

  override pause(milliseconds: number): void {
    const { limits, checks, file } = this.world;
    if (milliseconds >= limits.reconnectGrace) checks.values.rootWriterGone(this, file.committedRoot);
    super.pause(milliseconds);
  }

  protected override ended(): void {
    this.world.checks.values.rootWriterGone(this, this.world.file.committedRoot);
    super.ended();
  }

  /** Reads and writes, one after the other, until it ends. */
  protected loop(): void {
    const { random, plan } = this.world;
    const again = (): void => {
      this.after(this.world.pause(), () => this.loop());
    };
    if (!this.world.isWorking || this.isExiting) return;
    const task = plan.journals > 0 && random.chance(0.3) ? this.#writeTwo() : this.#readOrWrite();
    const done = (): void => {
      this.workedAt = this.world.clock.now();
      again();
    };
    begin(task, done, (error) => {
      this.operationFailed(error);
      if (this.world.checks.verdicts.torn.size > 0) this.workedAt = this.world.clock.now();
      again();
    });
  }

  protected operationFailed(error: Error): void {
    this.note(() => `fails: ${error.message}`);
    this.world.operationFailed(this, error);
  }

  #readOrWrite(): Task<void> {
    const key = this.#anyKey();
    return this.world.random.chance(0.7) ? this.#write(key) : this.#read(key);
  }

  #anyKey(): string {
    return `key${this.world.random.below(this.world.plan.keys)}`;
  }

  *#read(key: string): Task<void> {
    const { values } = this.world.checks;
    const tid = this.#newTid();
    const held = yield* this.lock(key, tid, false);
    try {
      const least = values.acknowledgedOf(key);
      const record = yield* this.#find(key, tid);
      if (record !== undefined) yield* this.#readValue(key, record, tid, least);
      else if (least > 0) values.reads(this, key, 0, least);
    } finally {
      this.unlock(held);
    }
  }

  #write(key: string): Task<void> {
    return this.#transact(key, (work) => this.#addOne(key, work));
  }

  #writeTwo(): Task<void> {
    const keys = new Set([this.#anyKey(), this.#anyKey()]);
    return this.#transact('', (work) => this.#addOneToEach(keys, work));
  }

  /** Writes something under a lock, and tells of it. @param act returns what it has written */
  *#transact(path: string, act: (work: Work) => Task<readonly Written[]>): Task<void> {
    const tid = this.#newTid();
    const held = yield* this.lock(path, tid, true);
    const transaction = this.beginTransaction();
    const work = { tid, held, transaction };
    let written: readonly Written[] = [];
    try {
      if (this.dawdles > 0) yield* this.#dawdle(tid);
      written = yield* act(work);
      if (transaction !== undefined) {
        this.mayGoOn(tid);
        yield* this.commit(transaction);
      }
      for (const { key, value } of written) {
        yield* this.#updateIndexes(key, value);
        this.raise('value', key, value);
      }
    } catch (error) {
      this.drop(transaction, tid);
      throw error;
    } finally {
      this.unlock(work.held);
    }
    for (const { key, value } of written) this.world.checks.values.acknowledges(this, key, value);
  }

  /** Adds one to the value of a key, and moves its record sometimes. */
  *#addOne(key: string, work: Work): Task<readonly Written[]> {
    const { values } = this.world.checks;
    const { tid, transaction } = work;
    const record = yield* this.#find(key, tid);
    let value = 1;
    if (record !== undefined) {
      value = 1 + (yield* this.#readValue(key, record, tid, values.acknowledgedOf(key)));
    }
    if (record !== undefined && this.world.random.chance(0.4)) {
      this.mayGoOn(tid);
      values.writes(this, key, value);
      yield* this.writeRecord(record, { kind: 'value', key, value }, transaction);
    } else {
      this.mayGoOn(tid);
      const moved = yield* this.#create(key, value, transaction);
      work.held = yield* this.moveToParent(work.held);
      yield* this.#putIntoRoot(key, value, moved, tid, transaction);
      if (record !== undefined) this.#releaseWith(transaction, record);
    }
    return [{ key, value }];
  }

  /** Adds one to the values of some keys, or to none. Without a journal, the end of a process may leave one of them written. */
  *#addOneToEach(keys: ReadonlySet<string>, { tid, transaction }: Work): Task<readonly Written[]> {
    if (transaction === undefined) return [];
    const { values } = this.world.checks;
    const written: Written[] = [];
    const entries = yield* this.#readRoot();
    for (const key of keys) {
      const record = entries.get(key);
      if (record === undefined) continue;
      const value = 1 + (yield* this.#readValue(key, record, tid, values.acknowledgedOf(key)));
      yield* this.writeRecord(record, { kind: 'value', key, value }, transaction);
      written.push({ key, value });
    }
    values.writesTogether(this, written);
    return written;
  }

  /** Where the record of a key is: from the cache, or from the root. */
  *#find(key: string, tid: string): Task<number | undefined> {
    const cached = this.cache.get(key);
    if (cached !== undefined) return cached;
    const held = yield* this.lock('', tid, false);
    try {
      const entries = yield* this.#readRoot();
      const record = entries.get(key);
      if (record !== undefined) this.cache.set(key, record);
      return record;
    } finally {
      this.unlock(held);
    }
  }

  *#readRoot(): Task<Map<string, number>> {
    const { values } = this.world.checks;
    values.usesRoot(this, this.root);
    const record = yield* this.readRecord(this.root);
    const entries = new Map<string, number>();
    if (record?.kind !== 'root') values.wrongRecord(this, '', this.root);
    else for (const [name, address] of record.entries) entries.set(this.keyOf(name), address);
    return entries;
  }

  *#readValue(key: string, record: number, tid: string, least: number): Task<number> {
    const { values } = this.world.checks;
    this.mayGoOn(tid);
    const content = yield* this.readRecord(record);
    if (content?.kind !== 'value' || content.key !== key) {
      values.wrongRecord(this, key, record);
      throw new Error(CORRUPT_RECORD);
    }
    values.reads(this, key, content.value, least);
    return content.value;
  }

  *#create(key: string, value: number, transaction: Transaction | undefined): Task<number> {
    const record = yield* this.#allocateFor(transaction);
    this.world.checks.values.writes(this, key, value);
    yield* this.writeRecord(record, { kind: 'value', key, value }, transaction);
    this.#updateCache(key, record, transaction);
    return record;
  }

  *#allocateFor(transaction: Transaction | undefined): Task<number> {
    const record = yield* this.allocate();
    transaction?.allocated.add(record);
    return record;
  }

  #releaseWith(transaction: Transaction | undefined, record: number): void {
    if (transaction === undefined) this.release(record);
    else transaction.effects.push(() => this.release(record));
  }

  *#putIntoRoot(
    key: string,
    value: number,
    record: number,
    tid: string,
    transaction: Transaction | undefined,
  ): Task<void> {
    const held = yield* this.lock('', tid, true);
    try {
      const entries = (yield* this.#readRoot()).set(key, record);
      this.mayGoOn(tid);
      const named = new Map<number | string, number>();
      for (const [entry, address] of entries) named.set(this.#nameOf(entry), address);
      const former = this.root;
      const isMoved = this.world.random.chance(this.world.rootMoves);
      const root = isMoved ? yield* this.#allocateFor(transaction) : former;
      yield* this.writeRecord(root, { kind: 'root', entries: named }, transaction);
      if (!isMoved) return;
      if (transaction !== undefined) {
        this.moveRoot(transaction, root, key, value);
        this.#releaseWith(transaction, former);
        return;
      }
      this.world.checks.values.movesRoot(this, root, key, value);
      yield* wait<void>((resolve, reject) => this.updateRoot(addressOf('', root), resolve, reject));
      this.release(former);
    } finally {
      this.unlock(held);
    }
  }

  /** How a key is written: by its number if it has one; if not, a master gives it one at once, and a worker asks for one, for the next time. */
  #nameOf(key: string): number | string {
    if (!this.keys.includes(key)) this.addKey(key);
    const index = this.keys.indexOf(key);
    if (index < 0) return key;
    this.world.checks.values.usesKey(this, index, key);
    return index;
  }

  #updateCache(path: string, record: number, transaction: Transaction | undefined): void {
    this.cache.set(path, record);
    const tell = (): void =>
      this.notify({ type: 'cache.update', info: { path, address: addressOf(path, record) } });
    if (transaction === undefined) tell();
    else transaction.notices.push(tell);
  }

  *#updateIndexes(path: string, newValue: number): Task<void> {
    for (const fileName of this.indexes) {
      yield* this.updateIndex(fileName, path, newValue);
      this.world.checks.values.indexed(path);
    }
  }

  /** The callback of a transaction takes its time. */
  *#dawdle(tid: string): Task<void> {
    const milliseconds = this.dawdles;
    this.dawdles = 0;
    this.note(() => `holds its lock for ${Math.round(milliseconds)} ms`);
    this.ours?.client.lost.entersUserCode(tid);
    yield* wait<void>((resolve) => this.after(milliseconds, resolve));
    this.ours?.client.lost.leavesUserCode(tid);
  }

  /** Gets a lock from our client. */
  protected *lockOfOurs(path: string, tid: string, write: boolean): Task<HeldLock> {
    const { ours } = this;
    if (ours === undefined) throw new Error('it has no client of ours');
    const asked = ours.client.lock({ path, tid, write, comment: 'model' });
    const lock = yield* wait<IPCLock>((resolve, reject) => ours.whenSettled(asked, resolve, reject));
    return this.#believes(lock, tid);
  }

  protected *moveOfOurs({ belief, tid }: HeldLock, ipcLock: IPCLock): Task<HeldLock> {
    const moving = ipcLock.moveToParent();
    try {
      const moved = yield* wait<IPCLock>((resolve, reject) =>
        this.ours?.whenSettled(moving, resolve, reject),
      );
      this.world.checks.beliefs.ends(belief);
      return this.#believes(moved, tid);
    } catch (error) {
      this.world.checks.beliefs.ends(belief);
      throw error;
    }
  }

  #believes(ipcLock: IPCLock, tid: string): HeldLock {
    const { id, path, expires, forWriting: write, comment } = ipcLock;
    const lock = { id, path, tid, write, expires, comment };
    return { lock, belief: this.world.checks.beliefs.begins(this, lock), tid, ipcLock };
  }

  protected abstract lock(path: string, tid: string, write: boolean): Task<HeldLock>;
  /** Gives a lock back, and does not wait for the answer. */
  protected abstract unlock(held: HeldLock): void;
  protected abstract moveToParent(held: HeldLock): Task<HeldLock>;
  /** @throws if a transaction must not go on: its lock was lost */
  protected abstract mayGoOn(tid: string): void;
  protected abstract allocate(): Task<number>;
  /** Has the master give that key a number. */
  protected abstract addKey(key: string): void;
  protected abstract updateIndex(fileName: string, path: string, newValue: number): Task<void>;

  protected release(record: number): void {
    for (const [path, cached] of this.cache) if (cached === record) this.cache.delete(path);
    this.giveSpaceBack(record);
  }

  #newTid(): string {
    return `${this.name}.t${++this.#operations}`;
  }
}
