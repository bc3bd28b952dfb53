import type { World } from '../world.js';
import type { Lock, Message, Question, Range } from './messages.js';
import type { Anchor, Asked } from './our-locks.js';
import { lockOf } from './stock-peer.js';
import { addressOf, type HeldLock, Storage } from './storage.js';
import { begin, type Task, wait } from './task.js';

/** A worker: it reads and writes as AceBase does, through locks, space and keys of the master. */
export class Worker extends Storage {
  /** When it last completed something. */
  workedAt = 0;
  /** For how long the next operation holds its lock, beyond what it takes. */
  dawdles = 0;
  #operations = 0;

  constructor(world: World, name: string, opensAfter: number, loops: number, isOurs = false) {
    super(world, name, `${name.toLowerCase()}-of-the-model`, isOurs);
    this.subscriptions.add('value ');
    this.openFile(opensAfter, () => {
      for (let loop = 0; loop < loops; loop++) this.#loop();
    });
  }

  /** Asks for an index. */
  createIndex(): void {
    const data = { type: 'index.create', path: '', key: 'value' } as const;
    const created = (result: { fileName: string }): void => void this.indexes.add(result.fileName);
    this.ask<{ fileName: string }>({ type: 'request', data })(created, (error) => this.#failed(error));
  }

  /** A master does what it is asked; a worker is asked nothing. */
  protected override asked({ type }: Message): void {
    this.world.checks.killed(this, `a ${type}`);
    throw new Error('workers are not supposed to receive requests');
  }

  protected override heardEvent({ data, from }: Message & { type: 'event' }): void {
    this.world.checks.values.reads(`${this.name} hears from ${from}:`, data.path, data.val, 0);
  }

  override pause(milliseconds: number): void {
    const { limits, checks, file } = this.world;
    if (milliseconds >= limits.reconnectGrace) checks.values.rootWriterGone(this, file.root);
    super.pause(milliseconds);
  }

  protected override ended(): void {
    this.world.checks.values.rootWriterGone(this, this.world.file.root);
    super.ended();
  }

  #loop(): void {
    const { random } = this.world;
    const again = (): void => {
      this.after(this.world.pause(), () => this.#loop());
    };
    if (!this.world.isWorking || this.isExiting) return;
    const keys = this.world.plan.keys;
    const key = `key${random.below(keys)}`;
    const task = random.chance(0.7) ? this.#write(key) : this.#read(key);
    const done = (): void => {
      this.workedAt = this.world.clock.now();
      again();
    };
    begin(task, done, (error) => {
      this.#failed(error);
      again();
    });
  }

  #failed(error: Error): void {
    this.note(() => `fails: ${error.message}`);
    this.world.operationFailed(this, error);
  }

  *#read(key: string): Task<void> {
    const { values } = this.world.checks;
    const tid = this.#newTid();
    const held = yield* this.#lock(key, tid, false);
    try {
      const least = values.acknowledgedOf(key);
      const record = yield* this.#find(key, tid);
      if (record !== undefined) yield* this.#readValue(key, record, tid, least);
      else if (least > 0) values.reads(this.name, key, 0, least);
    } finally {
      this.#unlock(held);
    }
  }

  /** Adds one to the value of a key, and moves its record sometimes. */
  *#write(key: string): Task<void> {
    const { values } = this.world.checks;
    const tid = this.#newTid();
    let held = yield* this.#lock(key, tid, true);
    let value = 1;
    try {
      if (this.dawdles > 0) yield* this.#dawdle(held);
      const record = yield* this.#find(key, tid);
      if (record !== undefined) {
        value = 1 + (yield* this.#readValue(key, record, tid, values.acknowledgedOf(key)));
      }
      if (record !== undefined && this.world.random.chance(0.4)) {
        this.#mayGoOn(tid);
        values.writes(key, value);
        yield* this.writeRecord(record, { kind: 'value', key, value });
      } else {
        this.#mayGoOn(tid);
        const moved = yield* this.#create(key, value);
        held = yield* this.#moveToParent(held);
        yield* this.#putIntoRoot(key, value, moved, tid);
        if (record !== undefined) this.#release(record);
      }
      yield* this.#updateIndexes(key, value);
      this.raise('value', key, value);
    } finally {
      this.#unlock(held);
    }
    values.acknowledges(this, key, value);
  }

  /** Where the record of a key is: from the cache, or from the root. */
  *#find(key: string, tid: string): Task<number | undefined> {
    const cached = this.cache.get(key);
    if (cached !== undefined) return cached;
    const held = yield* this.#lock('', tid, false);
    try {
      const entries = yield* this.#readRoot();
      const record = entries.get(key);
      if (record !== undefined) this.cache.set(key, record);
      return record;
    } finally {
      this.#unlock(held);
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
    this.#mayGoOn(tid);
    const content = yield* this.readRecord(record);
    if (content?.kind !== 'value' || content.key !== key) {
      values.wrongRecord(this, key, record);
      throw new Error('corrupt record');
    }
    values.reads(this.name, key, content.value, least);
    return content.value;
  }

  *#create(key: string, value: number): Task<number> {
    const record = yield* this.#allocate();
    this.world.checks.values.writes(key, value);
    yield* this.writeRecord(record, { kind: 'value', key, value });
    this.#updateCache(key, record);
    return record;
  }

  *#putIntoRoot(key: string, value: number, record: number, tid: string): Task<void> {
    const held = yield* this.#lock('', tid, true);
    try {
      const entries = (yield* this.#readRoot()).set(key, record);
      this.#mayGoOn(tid);
      const named = new Map<number | string, number>();
      for (const [entry, address] of entries) named.set(this.#nameOf(entry), address);
      const former = this.root;
      const isMoved = this.world.random.chance(this.world.rootMoves);
      const root = isMoved ? yield* this.#allocate() : former;
      yield* this.writeRecord(root, { kind: 'root', entries: named });
      if (!isMoved) return;
      this.world.checks.values.movesRoot(this, root, key, value);
      yield* wait<void>((resolve) => this.updateRoot(addressOf('', root), resolve));
      this.#release(former);
    } finally {
      this.#unlock(held);
    }
  }

  /** How a key is written: by its number if it has one; if not, the master is asked for one, for the next time. */
  #nameOf(key: string): number | string {
    const index = this.keys.indexOf(key);
    if (index >= 0) {
      this.world.checks.values.usesKey(this, index, key);
      return index;
    }
    this.askUnawaited({ type: 'request', data: { type: 'kit.add', key } }, (result) => {
      const { index: added } = result as { index: number };
      if (added >= 0) this.keys[added] = key;
    });
    return key;
  }

  #updateCache(path: string, record: number): void {
    this.cache.set(path, record);
    this.notify({ type: 'cache.update', info: { path, address: addressOf(path, record) } });
  }

  *#updateIndexes(path: string, newValue: number): Task<void> {
    for (const fileName of this.indexes) {
      const data = { type: 'index.update', fileName, path, newValue } as const;
      yield* wait(this.ask({ type: 'request', data }));
      this.world.checks.values.indexed(path);
    }
  }

  *#allocate(): Task<number> {
    const [ready] = this.ours?.space.take(1) ?? [];
    if (ready !== undefined) return ready.recordNr;
    const question: Question = { type: 'request', data: { type: 'fst.allocate', records: 1 } };
    const { allocation } = yield* wait(this.ask<{ allocation: readonly Range[] }>(question));
    const record = allocation[0]?.recordNr ?? -1;
    this.world.checks.space.allocated(this, record);
    return record;
  }

  #release(record: number): void {
    for (const [path, cached] of this.cache) if (cached === record) this.cache.delete(path);
    const ranges = [{ pageNr: 0, recordNr: record, length: 1 }];
    this.askUnawaited({ type: 'request', data: { type: 'fst.release', ranges } });
  }

  *#lock(path: string, tid: string, write: boolean): Task<HeldLock> {
    if (this.isExiting && this.locks === 0) throw new Error('the IPC peer is exiting');
    this.locks += 1;
    const asked = { tid, write };
    try {
      for (;;) {
        const shared = this.#share(asked);
        if (shared !== undefined) return shared;
        const joiners = this.ours?.locks.joinersFor(asked);
        if (joiners === undefined) break;
        yield* wait<void>((resolve) => joiners.push(resolve));
      }
      return yield* this.#askForLock(path, asked);
    } catch (error) {
      this.lockEnded();
      throw error;
    }
  }

  *#askForLock(path: string, asked: Asked): Task<HeldLock> {
    const { tid, write } = asked;
    const locks = this.ours?.locks;
    const { name = tid, isCommon = false } = locks?.asks(asked) ?? {};
    let anchor: Anchor | undefined;
    try {
      const data = { path, tid: name, write, comment: 'model' };
      const lock = lockOf(yield* wait(this.ask({ type: 'lock-request', data })));
      const held = this.#believe(lock, tid, isCommon);
      if (held.anchor !== undefined) yield* this.underLock();
      anchor = held.anchor;
      return held;
    } finally {
      locks?.answered(asked, isCommon, anchor);
    }
  }

  /** A lock of ours serves for further ones. */
  #share(asked: Asked): HeldLock | undefined {
    if (this.ours === undefined) return undefined;
    const { tid } = asked;
    this.#mayGoOn(tid);
    const { clock, limits } = this.world;
    const anchor = this.ours.locks.share(asked, clock.wallTime() + limits.lockTimeout / 2, clock.now());
    return anchor === undefined ? undefined : { lock: anchor.lock, belief: anchor.belief, tid, anchor };
  }

  /** AceBase looks whether its lock has run out before it goes on; one that is lost has. */
  #mayGoOn(tid: string): void {
    if (this.ours?.locks.isLost(tid) === true) {
      throw new Error(`lock on tid ${tid} was lost with the connection, not allowed to continue`);
    }
  }

  *#moveToParent(held: HeldLock): Task<HeldLock> {
    if (held.anchor !== undefined) return held;
    const data = { id: held.lock.id, move_to: 'parent' } as const;
    try {
      const lock = lockOf(yield* wait(this.ask({ type: 'move-lock-request', data })));
      this.world.checks.beliefs.ends(held.belief);
      return this.#believe({ ...lock, expires: lock.expires ?? held.lock.expires }, held.tid);
    } catch (error) {
      this.world.checks.beliefs.ends(held.belief);
      throw error;
    }
  }

  #believe(lock: Lock, tid: string, isCommon = false): HeldLock {
    const { checks, clock } = this.world;
    const belief = checks.beliefs.begins(this, lock);
    const anchor = this.ours?.locks.granted(lock, belief, tid, isCommon ? clock.now() : undefined);
    return anchor === undefined ? { lock, belief, tid } : { lock, belief, tid, anchor };
  }

  /** Gives a lock back, and does not wait for the answer. */
  #unlock({ lock, belief, tid, anchor }: HeldLock): void {
    if (anchor !== undefined) {
      this.#endShare(anchor, tid);
      return;
    }
    this.world.checks.beliefs.ends(belief);
    this.askUnawaited({ type: 'unlock-request', data: { id: lock.id } }, () => this.lockEnded());
  }

  #endShare(anchor: Anchor, tid: string): void {
    this.ours?.locks.ends(anchor, tid);
    if (anchor.shares.size === 0) {
      // Who has read may read something else in the same turn.
      if (this.world.clock.now() < anchor.openUntil && !this.isExiting)
        this.after(0, () => this.#leave(anchor));
      else this.#leave(anchor);
    }
    this.lockEnded();
  }

  #leave(anchor: Anchor): void {
    const { ours } = this;
    if (anchor.shares.size > 0 || ours === undefined) return;
    this.world.checks.beliefs.ends(anchor.belief);
    if (!ours.locks.leaves(anchor)) return;
    const question = { type: 'unlock-request', data: { id: anchor.lock.id } } as const;
    this.askUnawaited(question, () => ours.locks.returned(anchor));
  }

  *#dawdle({ lock }: HeldLock): Task<void> {
    const milliseconds = this.dawdles;
    this.dawdles = 0;
    this.note(() => `holds its lock for ${Math.round(milliseconds)} ms`);
    yield* wait<void>((resolve) => this.after(milliseconds, resolve));
    const { clock, checks } = this.world;
    if (clock.wallTime() >= lock.expires) checks.verdicts.tear(`${this.name} writes though its lock ran out`);
  }

  #newTid(): string {
    return `${this.name}.t${++this.#operations}`;
  }
}
