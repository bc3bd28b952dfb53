import type { World } from '../world.js';
import type { Lock, Message, Range, RequestData } from './messages.js';
import type { Host } from './patched-peer.js';
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

  protected override readonly host: Host = {
    file: this.storageFile,
    journal: this.journal,
    indexes: {
      localized: (message) => message,
      isUnknown: () => false,
      changed: () => undefined,
      built: () => undefined,
      over: () => undefined,
      announced: () => undefined,
    },
    masterLock: () => Promise.reject(new Error('a worker has no locks of its own')),
    revoke: () => undefined,
  };

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
    const data = { type: 'fst.allocate', records: 1 } as const;
    const { allocation } = yield* this.#askForSpace<{ allocation: readonly Range[] }>(data);
    return allocation[0]?.recordNr ?? -1;
  }

  *#askForSpace<T>(data: RequestData): Task<T> {
    const { ours } = this;
    const promise = ours?.client.ask(data);
    if (ours !== undefined && promise !== undefined)
      return (yield* wait<unknown>((resolve, reject) => ours.whenSettled(promise, resolve, reject))) as T;
    const answer = yield* wait(this.ask<{ allocation?: readonly Range[] }>({ type: 'request', data }));
    for (const { recordNr } of answer.allocation ?? []) this.world.checks.space.allocated(this, recordNr);
    return answer as T;
  }

  protected override giveSpaceBack(record: number): void {
    const data = { type: 'fst.release', ranges: [{ pageNr: 0, recordNr: record, length: 1 }] } as const;
    if (this.ours === undefined) this.askUnawaited({ type: 'request', data });
    else void this.ours.client.ask(data);
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
    if (this.ours !== undefined) return yield* this.lockOfOurs(path, tid, write);
    if (this.isExiting && this.locks === 0) throw new Error('the IPC peer is exiting');
    this.locks += 1;
    try {
      const data = { path, tid, write, comment: 'model' };
      return this.#believe(lockOf(yield* wait(this.ask({ type: 'lock-request', data }))), tid);
    } catch (error) {
      this.lockEnded();
      throw error;
    }
  }

  /** AceBase looks whether its lock has run out before it goes on; one that is lost has. */
  protected override mayGoOn(tid: string): void {
    if (this.lockInfos.some((info) => info.tid === tid && info.lock?.expires === 0)) {
      throw new Error(`lock on tid ${tid} has expired, not allowed to continue`);
    }
  }

  protected override *moveToParent(held: HeldLock): Task<HeldLock> {
    if (held.ipcLock !== undefined) return yield* this.moveOfOurs(held, held.ipcLock);
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

  #believe(lock: Lock, tid: string): HeldLock {
    return { lock, belief: this.world.checks.beliefs.begins(this, lock), tid };
  }

  protected override unlock({ lock, belief, ipcLock }: HeldLock): void {
    this.world.checks.beliefs.ends(belief);
    if (ipcLock !== undefined) void ipcLock.release();
    else this.askUnawaited({ type: 'unlock-request', data: { id: lock.id } }, () => this.lockEnded());
  }
}
