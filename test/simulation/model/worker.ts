import type { World } from '../world.js';
import type { Lock, Message, Question, Range } from './messages.js';
import type { Anchor, Asked } from './our-locks.js';
import { lockOf } from './stock-peer.js';
import type { HeldLock } from './storage.js';
import { type Task, wait } from './task.js';
import { WorkingProcess } from './working-process.js';

/** A worker: it reads and writes as AceBase does, through locks, space and keys of the master. */
export class Worker extends WorkingProcess {
  constructor(world: World, name: string, opensAfter: number, loops: number, isOurs = false) {
    super(world, name, `${name.toLowerCase()}-of-the-model`, isOurs);
    this.subscriptions.add('value ');
    this.openFile(opensAfter, () => {
      for (let loop = 0; loop < loops; loop++) this.loop();
    });
  }

  /** Asks for an index. */
  createIndex(): void {
    const data = { type: 'index.create', path: '', key: 'value' } as const;
    const created = (result: { fileName: string }): void => void this.indexes.add(result.fileName);
    this.ask<{ fileName: string }>({ type: 'request', data })(created, (error) =>
      this.operationFailed(error),
    );
  }

  /** A master does what it is asked; a worker is asked nothing. */
  protected override asked({ type }: Message): void {
    this.world.checks.killed(this, `a ${type}`);
    throw new Error('workers are not supposed to receive requests');
  }

  protected override heardEvent({ data, from }: Message & { type: 'event' }): void {
    this.world.checks.values.reads(`${this.name} hears from ${from}:`, data.path, data.val, 0);
  }

  protected override *allocate(): Task<number> {
    const [ready] = this.ours?.space.take(1) ?? [];
    if (ready !== undefined) return ready.recordNr;
    const question: Question = { type: 'request', data: { type: 'fst.allocate', records: 1 } };
    const { allocation } = yield* wait(this.ask<{ allocation: readonly Range[] }>(question));
    const record = allocation[0]?.recordNr ?? -1;
    this.world.checks.space.allocated(this, record);
    return record;
  }

  protected override giveSpaceBack(record: number): void {
    const ranges = [{ pageNr: 0, recordNr: record, length: 1 }];
    this.askUnawaited({ type: 'request', data: { type: 'fst.release', ranges } });
  }

  protected override addKey(key: string): void {
    this.askUnawaited({ type: 'request', data: { type: 'kit.add', key } }, (result) => {
      const { index: added } = result as { index: number };
      if (added >= 0) this.keys[added] = key;
    });
  }

  protected override *updateIndex(fileName: string, path: string, newValue: number): Task<void> {
    const data = { type: 'index.update', fileName, path, newValue } as const;
    yield* wait(this.ask({ type: 'request', data }));
  }

  protected override *lock(path: string, tid: string, write: boolean): Task<HeldLock> {
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
    this.mayGoOn(tid);
    const { clock, limits } = this.world;
    const anchor = this.ours.locks.share(asked, clock.wallTime() + limits.lockTimeout / 2, clock.now());
    return anchor === undefined ? undefined : { lock: anchor.lock, belief: anchor.belief, tid, anchor };
  }

  /** AceBase looks whether its lock has run out before it goes on; one that is lost has. */
  protected override mayGoOn(tid: string): void {
    if (this.ours?.locks.isLost(tid) === true) {
      throw new Error(`lock on tid ${tid} was lost with the connection, not allowed to continue`);
    }
  }

  protected override *moveToParent(held: HeldLock): Task<HeldLock> {
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

  protected override unlock({ lock, belief, tid, anchor }: HeldLock): void {
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
}
