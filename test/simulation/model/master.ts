import { INDEX_NEWS_MS } from '../../../src/broker/limits.js';
import type { IPCLock, LockInfo, LockDetails as LockRequest } from '../../../src/client/core/host.js';
import type { World } from '../world.js';
import type { Answer, Message, Range, RequestData } from './messages.js';
import { type NodeLock, NodeLocker } from './node-locker.js';
import type { Host } from './patched-peer.js';
import type { HeldLock } from './storage.js';
import { begin, type Task, wait } from './task.js';
import { WorkingProcess } from './working-process.js';

/** How many records a page of the model's file has. */
const PAGE_RECORDS = 16;

/** The one index that workers have made. */
const INDEX_FILE = 'values.idx';

/** A master: it grants locks, hands out space, keeps the key table and makes indexes; one that is not dedicated reads and writes, too. */
export class Master extends WorkingProcess {
  readonly #locker: NodeLocker;
  /** Indexes that are being made, and who waits for that. */
  #builds = 0;
  readonly #waitingForBuilds: (() => void)[] = [];
  #free: number[] = [];
  #size = 0;
  protected override readonly host: Host = {
    file: this.storageFile,
    journal: this.journal,
    indexes: {
      localized: (message) => message,
      isUnknown: () => false,
      changed: () => undefined,
      built: () => this.#built(),
      over: () => this.#built(),
      announced: () => undefined,
    },
    masterLock: (details) => this.#masterLock(details),
    revoke: (info) => this.#locker.revoke(String(info.request.tid), info.lock?.id),
  };

  constructor(world: World, name: string, opensAfter: number, isOurs = false) {
    super(world, name, '[master]', isOurs);
    this.#locker = new NodeLocker(world.clock, world.limits.lockTimeout);
    this.openFile(opensAfter, () => {
      for (let loop = 0; loop < world.plan.masterLoops; loop++) this.loop();
    });
  }

  protected override readTables(): void {
    super.readTables();
    const { space } = this.world.file;
    this.#free = [...space.free];
    this.#size = space.size;
  }

  protected override ended(): void {
    this.#locker.stop();
    super.ended();
  }

  protected override *lock(path: string, tid: string, write: boolean): Task<HeldLock> {
    if (this.ours !== undefined) return yield* this.lockOfOurs(path, tid, write);
    if (this.isExiting && this.locks === 0) throw new Error('the IPC peer is exiting');
    this.locks += 1;
    const details = { path, tid, write, comment: 'model' };
    const granted = yield* wait<NodeLock>((resolve, reject) => {
      if (!this.#locker.lock(details, resolve)) reject(expired(tid));
    });
    return this.#believe(granted, tid);
  }

  protected override unlock({ lock, belief, ipcLock }: HeldLock): void {
    this.world.checks.beliefs.ends(belief);
    if (ipcLock !== undefined) {
      void ipcLock.release();
      return;
    }
    const granted = this.#locker.find(lock.id);
    if (granted !== undefined) this.#locker.unlock(granted);
    this.lockEnded();
  }

  protected override *moveToParent(held: HeldLock): Task<HeldLock> {
    if (held.ipcLock !== undefined) return yield* this.moveOfOurs(held, held.ipcLock);
    const lock = this.#locker.find(held.lock.id);
    if (lock === undefined) throw new Error('no such lock');
    this.world.checks.beliefs.ends(held.belief);
    const moved = yield* wait<NodeLock>((resolve, reject) => {
      if (!this.#locker.moveToParent(lock, resolve)) reject(new Error('has expired'));
    });
    return this.#believe(moved, held.tid);
  }

  /** AceBase's own way to a lock, that our client goes for the master and for the server (`ipc.js`). */
  async #masterLock(request: LockRequest): Promise<IPCLock> {
    const tid = String(request.tid);
    if (this.isExiting && !this.#holdsAny(tid)) {
      throw new Error('new transaction lock denied because the IPC peer is exiting');
    }
    const info: LockInfo = { tid, granted: false, request, lock: null };
    this.lockInfos.push(info);
    const details = { ...request, tid, comment: request.comment ?? '' };
    const granted = await new Promise<NodeLock>((resolve, reject) => {
      const refuse = (): void => reject(expired(tid));
      if (!this.#locker.lock(details, resolve, false, refuse)) refuse();
    });
    info.granted = true;
    info.lock = this.#ipcLockOf(granted, info);
    return info.lock;
  }

  #ipcLockOf(lock: NodeLock, info: LockInfo): IPCLock {
    const { id, details } = lock;
    return {
      id,
      tid: details.tid,
      path: details.path,
      forWriting: details.write,
      comment: details.comment,
      get state() {
        return lock.state;
      },
      get expires() {
        return lock.expires;
      },
      release: async () => {
        if (!this.isAlive) return;
        this.#locker.unlock(lock);
        const index = this.lockInfos.indexOf(info);
        if (index >= 0) this.lockInfos.splice(index, 1);
        if (this.lockInfos.length === 0) this.locksCleared();
      },
      moveToParent: async () => {
        const moved = await new Promise<NodeLock>((resolve, reject) => {
          if (!this.#locker.moveToParent(lock, resolve)) reject(expired(details.tid));
        });
        info.lock = this.#ipcLockOf(moved, info);
        return info.lock;
      },
    };
  }

  #holdsAny(tid: string): boolean {
    return this.lockInfos.some((info) => info.granted && info.tid === tid);
  }

  #believe({ id, details, expires }: NodeLock, tid: string): HeldLock {
    const lock = { id, ...details, expires };
    return { lock, belief: this.world.checks.beliefs.begins(this, lock), tid };
  }

  /** AceBase looks whether its lock has expired before it goes on reading; one that was lost has. */
  protected override mayGoOn(tid: string): void {
    if (this.ours?.client.lost.has(tid) === true) throw expired(tid);
  }

  protected override *allocate(): Task<number> {
    const record = this.#allocate(1)[0]?.recordNr ?? -1;
    yield* wait<void>((resolve, reject) => this.#saveSpace(resolve, reject));
    this.world.checks.space.allocated(this, record);
    return record;
  }

  protected override giveSpaceBack(recordNr: number): void {
    this.#release({ pageNr: 0, recordNr, length: 1 });
    this.#saveSpace(() => undefined);
  }

  protected override addKey(key: string): void {
    this.#indexOf(key);
  }

  protected override *updateIndex(fileName: string, path: string, newValue: number): Task<void> {
    yield* wait<void>((resolve, reject) => this.disk(resolve, reject));
    this.world.indexFiles.get(fileName)?.set(path, newValue);
  }

  /** A master subscribes to nothing. */
  protected override heardEvent(): void {}

  protected override asked(message: Message & { id: string }): unknown {
    switch (message.type) {
      case 'lock-request':
        return this.ours === undefined ? this.#lock(message) : this.#lockForOthers(message);
      case 'unlock-request':
        return this.ours === undefined ? this.#unlock(message) : this.#unlockForOthers(message);
      case 'move-lock-request':
        return this.ours === undefined ? this.#move(message) : this.#moveForOthers(message);
      case 'request':
        if (!this.isFileOpen) {
          this.world.checks.verdicts.violation('asked before the file is open', message.data.type);
        }
        return this.#serve(message, message.data);
      default:
        return undefined;
    }
  }

  /** With our client, as `handleMessage` of `ipc.js`: a promise of having answered. */
  async #lockForOthers(message: Message & { type: 'lock-request' }): Promise<void> {
    await this.#answerWithLock(message, () => this.ours?.client.lock(message.data));
  }

  async #moveForOthers(message: Message & { type: 'move-lock-request' }): Promise<void> {
    await this.#answerWithLock(message, () => this.#lockInfo(message.data.id)?.lock?.moveToParent());
  }

  async #answerWithLock(
    message: Message & { id: string },
    get: () => Promise<IPCLock> | undefined,
  ): Promise<void> {
    const { id, from } = message;
    const result = { type: 'lock-result', id, from: this.id, to: from } as const;
    try {
      const lock = await get();
      if (lock === undefined) throw new TypeError("Cannot read properties of undefined (reading 'lock')");
      const { id: lockId, path, tid, forWriting, expires, comment } = lock;
      const data = { id: lockId, path, tid, write: forWriting, expires, comment };
      this.send({ ...result, ok: true, data });
    } catch (error) {
      this.send({ ...result, ok: false, reason: (error as Error).message });
    }
  }

  async #unlockForOthers(message: Message & { type: 'unlock-request' }): Promise<void> {
    const { id, from, data } = message;
    const result = { type: 'unlock-result', id, from: this.id, to: from, data } as const;
    const lock = this.#lockInfo(data.id)?.lock;
    if (lock === undefined || lock === null) {
      const reason = "TypeError: Cannot read properties of undefined (reading 'lock')";
      this.send({ ...result, ok: false, reason });
      return;
    }
    await lock.release();
    this.send({ ...result, ok: true });
  }

  #lockInfo(lockId: number): LockInfo | undefined {
    return this.lockInfos.find(({ lock }) => lock?.id === lockId);
  }

  #lock(message: Message & { type: 'lock-request' }): void {
    const holdsAny = this.#locker.held().some(({ details }) => details.tid === message.data.tid);
    if (this.isExiting && !holdsAny) {
      const reason = 'new transaction lock denied because the IPC peer is exiting';
      this.#answer(message, { type: 'lock-result', ok: false, reason });
      return;
    }
    // It exits when they have all ended, and waits for those who wait.
    this.locks += 1;
    const isAllowed = this.#locker.lock(message.data, (lock) => this.#grant(message, lock));
    // AceBase leaves the entry.
    if (!isAllowed)
      this.#answer(message, { type: 'lock-result', ok: false, reason: expired(message.data.tid).message });
  }

  #grant(message: Message & { id: string }, { id, details, expires }: NodeLock): void {
    const { path, tid, write, comment } = details;
    const data = { id, path, tid, write, expires, comment };
    this.#answer(message, { type: 'lock-result', ok: true, data });
  }

  #unlock(message: Message & { type: 'unlock-request' }): void {
    const lock = this.#locker.find(message.data.id);
    if (lock === undefined || lock.state === 'pending') {
      const reason = "TypeError: Cannot read properties of undefined (reading 'lock')";
      this.#answer(message, { type: 'unlock-result', ok: false, reason, data: { id: message.data.id } });
      return;
    }
    // Those who waited for it are granted theirs afterwards.
    this.#answer(message, { type: 'unlock-result', ok: true, data: { id: message.data.id } });
    this.#locker.unlock(lock);
    this.lockEnded();
  }

  #move(message: Message & { type: 'move-lock-request' }): void {
    const lock = this.#locker.find(message.data.id);
    const isMoved = lock !== undefined && this.#locker.moveToParent(lock, (it) => this.#grant(message, it));
    if (!isMoved) this.#answer(message, { type: 'lock-result', ok: false, reason: 'no such lock' });
  }

  #serve(message: Message & { id: string }, data: RequestData): void {
    const reply = (result: unknown): void =>
      this.#answer(message, { type: 'result', ok: true, data: result });
    switch (data.type) {
      case 'fst.allocate': {
        const allocation = this.#allocate(data.records);
        this.#saveSpace(() => reply({ ok: true, allocation }));
        return;
      }
      case 'fst.release':
        for (const range of data.ranges) this.#release(range);
        this.#saveSpace(() => undefined);
        reply({ ok: true });
        return;
      case 'kit.add':
        reply({ ok: true, index: this.#indexOf(data.key) });
        return;
      case 'index.create':
        begin(this.#createIndex(), reply, ({ message: reason }) => reply({ ok: false, reason }));
        return;
      case 'index.update':
        this.disk(
          () => {
            this.world.indexFiles.get(data.fileName)?.set(data.path, data.newValue);
            reply({ ok: this.indexes.has(data.fileName) });
          },
          ({ message: reason }) => reply({ ok: false, reason }),
        );
        return;
    }
  }

  #allocate(records: number): Range[] {
    const allocation: Range[] = [];
    for (let count = 0; count < records; count++) {
      if (this.#free.length === 0) {
        for (let index = 0; index < PAGE_RECORDS; index++) this.#free.push(this.#size++);
      }
      const recordNr = this.#free.shift() ?? 0;
      allocation.push({ pageNr: 0, recordNr, length: 1 });
    }
    return allocation;
  }

  #release({ recordNr, length }: Range): void {
    for (let record = recordNr; record < recordNr + length; record++) {
      this.world.checks.space.released(this, record);
      this.#free.push(record);
    }
    this.#free.sort((a, b) => a - b);
  }

  #saveSpace(saved: () => void, failed: (error: Error) => void = () => undefined): void {
    const space = { free: [...this.#free], size: this.#size };
    this.disk(() => {
      this.world.writesFile(this, () => {
        this.world.file.space = space;
      });
      saved();
    }, failed);
  }

  #indexOf(key: string): number {
    // Such keys never enter the table.
    if (key.length > 15 || key.length === 1 || /^[0-9]+$/.test(key)) return -1;
    const known = this.keys.indexOf(key);
    if (known >= 0) return known;
    const index = this.keys.push(key) - 1;
    this.notify({ type: 'kit.new_key', key, index });
    const keys = [...this.keys] as string[];
    this.disk(() => {
      this.world.writesFile(this, () => {
        this.world.file.keys = keys;
      });
    });
    return index;
  }

  /** With the repair `index-builds`, nobody writes until all have heard of the index. */
  *#createIndex(): Task<{ ok: true; fileName: string }> {
    if (this.ours === undefined) return yield* this.#createIndexAtOnce();
    if (this.indexes.has(INDEX_FILE)) return { ok: true, fileName: INDEX_FILE };
    const held = yield* this.lock('', `${this.name}.reading`, false);
    let isMade = false;
    this.#builds += 1;
    try {
      const made = yield* this.#createIndexAtOnce();
      isMade = true;
      return made;
    } finally {
      this.#builds -= 1;
      if (this.#builds === 0) for (const goOn of this.#waitingForBuilds.splice(0)) goOn();
      if (isMade) this.after(INDEX_NEWS_MS, () => this.unlock(held));
      else this.unlock(held);
    }
  }

  #built(): Promise<void> | undefined {
    if (this.#builds === 0) return undefined;
    return new Promise((resolve) => void this.#waitingForBuilds.push(resolve));
  }

  /** Scans the file under a lock of its own; only when it is built does it tell the others. */
  *#createIndexAtOnce(): Task<{ ok: true; fileName: string }> {
    const { indexFiles, file, random } = this.world;
    if (this.indexes.has(INDEX_FILE)) return { ok: true, fileName: INDEX_FILE };
    this.indexes.add(INDEX_FILE);
    const details = { path: '', tid: `${this.name}.index`, write: false, comment: 'index' };
    const isOurs = this.ours !== undefined;
    const held = isOurs ? yield* this.lock('', details.tid, false) : undefined;
    const lock = isOurs ? undefined : yield* wait<NodeLock>((resolve) => this.#locker.lock(details, resolve));
    yield* wait<void>((resolve, reject) => this.disk(resolve, reject));
    const found = file.readAll();
    indexFiles.set(INDEX_FILE, new Map(typeof found === 'string' ? [] : found));
    if (held !== undefined) this.unlock(held);
    if (lock !== undefined) this.#locker.unlock(lock);
    yield* wait<void>((resolve) => this.after(random.fraction() * 100, resolve));
    this.notify({ type: 'index.created', fileName: INDEX_FILE });
    return { ok: true, fileName: INDEX_FILE };
  }

  /** AceBase's master answers some turns of the event loop after it was asked. */
  #answer(asked: Message & { id: string }, answer: Omit<Answer, 'id' | 'from' | 'to'>): void {
    const { type, ...rest } = answer;
    this.after(0.02, () => {
      try {
        this.send({ type, id: asked.id, from: this.id, to: asked.from, ...rest });
      } catch (error) {
        this.die(`unhandled rejection: ${(error as Error).message}`);
      }
    });
  }
}

function expired(tid: string): Error {
  return new Error(`lock on tid ${tid} has expired, not allowed to continue`);
}
