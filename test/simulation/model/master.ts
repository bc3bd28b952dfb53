import { INDEX_NEWS_MS } from '../../../src/broker/limits.js';
import { SERVER_ID } from '../../../src/protocol/frames.js';
import type { World } from '../world.js';
import type { Answer, LockDetails, Message, Range, RequestData } from './messages.js';
import { type NodeLock, NodeLocker } from './node-locker.js';
import type { HeldLock } from './storage.js';
import { begin, type Task, wait } from './task.js';
import { WorkingProcess } from './working-process.js';

/** How many records a page of the model's file has. */
const PAGE_RECORDS = 16;

/** A master: it grants locks, hands out space, keeps the key table and makes indexes; one that is not dedicated reads and writes, too. */
export class Master extends WorkingProcess {
  readonly #locker: NodeLocker;
  /** Indexes that are being made, with the repair `index-builds`, and who wants to write meanwhile. */
  #builds = 0;
  #waitingForBuilds: (Message & { type: 'lock-request' })[] = [];
  #formerRoots: NodeLock[] = [];
  #rootAlias: { readonly from: string; readonly to: string } | undefined;
  #free: number[] = [];
  #size = 0;
  /** Who asked for each lock. */
  readonly #holders = new Map<LockDetails, string>();

  constructor(world: World, name: string, opensAfter: number, isOurs = false) {
    super(world, name, '[master]', isOurs);
    this.#locker = new NodeLocker(world.clock, world.limits.lockTimeout);
    this.openFile(opensAfter, () => {
      this.#free = [...world.file.space.free];
      this.#size = world.file.space.size;
      for (let loop = 0; loop < world.plan.masterLoops; loop++) this.loop();
    });
  }

  protected override ended(): void {
    this.#locker.stop();
    super.ended();
  }

  override lockHolders(): Iterable<string> {
    return this.#locker.held().map(({ details }) => this.#holders.get(details) ?? '');
  }

  override lockRanOut(lockId: number): void {
    const lock = this.#locker.find(lockId);
    if (lock === undefined) return;
    this.#locker.unlock(lock);
    this.lockEnded();
  }

  override peerStayedAway(id: string): void {
    super.peerStayedAway(id);
    for (const lock of this.#locker.held()) {
      if (this.#holders.get(lock.details) !== id) continue;
      this.#locker.unlock(lock);
      this.lockEnded();
    }
  }

  protected override *lock(path: string, tid: string, write: boolean): Task<HeldLock> {
    if (this.isExiting && this.locks === 0) throw new Error('the IPC peer is exiting');
    this.locks += 1;
    const { ours } = this;
    if (ours !== undefined) yield* wait<void>((resolve) => ours.whenRootIsAsked(resolve));
    const details = { path, tid, write, comment: 'model' };
    let isAllowed = true;
    const granted = yield* wait<NodeLock>((resolve, reject) => {
      isAllowed = this.#locker.lock(details, resolve);
      if (!isAllowed) reject(new Error(`lock on tid ${tid} has expired, not allowed to continue`));
    });
    const held = this.#believe(granted, tid);
    yield* this.underLock();
    return held;
  }

  protected override unlock({ lock, belief }: HeldLock): void {
    this.world.checks.beliefs.ends(belief);
    const granted = this.#locker.find(lock.id);
    if (granted !== undefined) this.#locker.unlock(granted);
    this.lockEnded();
  }

  protected override *moveToParent(held: HeldLock): Task<HeldLock> {
    const lock = this.#locker.find(held.lock.id);
    if (lock === undefined) throw new Error('no such lock');
    this.world.checks.beliefs.ends(held.belief);
    const moved = yield* wait<NodeLock>((resolve, reject) => {
      if (!this.#locker.moveToParent(lock, resolve)) reject(new Error('has expired'));
    });
    return this.#believe(moved, held.tid);
  }

  #believe({ id, details, expires }: NodeLock, tid: string): HeldLock {
    const lock = { id, ...details, expires };
    return { lock, belief: this.world.checks.beliefs.begins(this, lock), tid };
  }

  protected override mayGoOn(): void {}

  protected override *allocate(): Task<number> {
    const record = this.#allocate(1)[0]?.recordNr ?? -1;
    yield* wait<void>((resolve) => this.#saveSpace(resolve));
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
    yield* wait<void>((resolve) => this.disk(resolve));
    this.world.indexFiles.get(fileName)?.set(path, newValue);
  }

  /** A master subscribes to nothing. */
  protected override heardEvent(): void {}

  protected override asked(message: Message & { id: string }): void {
    switch (message.type) {
      case 'lock-request':
        this.#lock(message);
        return;
      case 'unlock-request':
        this.#unlock(message);
        return;
      case 'move-lock-request':
        this.#move(message);
        return;
      case 'request':
        if (!this.isFileOpen) {
          this.world.checks.verdicts.violation('asked before the file is open', message.data.type);
        }
        this.#serve(message, message.data);
        return;
    }
  }

  /** The server is a new one: the lock of the last one stays until it has asked for its own (`src/client/root-handover.ts`). */
  override beginsRootHandover(): void {
    this.#rootAlias = undefined;
    this.#formerRoots = this.#locker.held().filter(({ details }) => this.#holders.get(details) === SERVER_ID);
  }

  override rootMayHaveBeenAsked(): void {
    if (this.#rootAlias === undefined) this.#endRootHandover();
  }

  #endRootHandover(): void {
    for (const lock of this.#formerRoots) {
      if (this.#locker.find(lock.id) !== lock) continue;
      this.#locker.unlock(lock);
      this.lockEnded();
    }
    this.#formerRoots = [];
  }

  #lock(asked: Message & { type: 'lock-request' }): void {
    const isRoot = asked.from === SERVER_ID;
    let message = asked;
    const [former] = this.#formerRoots;
    if (isRoot && former !== undefined) this.#rootAlias ??= { from: asked.data.tid, to: former.details.tid };
    if (isRoot && this.#rootAlias?.from === asked.data.tid) {
      message = { ...asked, data: { ...asked.data, tid: this.#rootAlias.to } };
    }
    if (this.ours !== undefined) this.#holders.set(message.data, message.from);
    const holdsAny = this.#locker.held().some(({ details }) => details.tid === message.data.tid);
    if (this.#builds > 0 && message.data.write && !holdsAny) {
      this.#waitingForBuilds.push(message);
      return;
    }
    if (this.isExiting && !holdsAny) {
      const reason = 'new transaction lock denied because the IPC peer is exiting';
      this.#answer(message, { type: 'lock-result', ok: false, reason });
      return;
    }
    // It exits when they have all ended, and waits for those who wait.
    this.locks += 1;
    const isAllowed = this.#locker.lock(message.data, (lock) => {
      this.#grant(message, lock);
      if (isRoot) this.#endRootHandover();
    });
    if (isAllowed) return;
    const reason = `lock on tid ${message.data.tid} has expired, not allowed to continue`;
    this.#answer(message, { type: 'lock-result', ok: false, reason });
    // AceBase leaves the entry.
    if (this.ours !== undefined) this.lockEnded();
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
        begin(
          this.ours === undefined ? this.#createIndex() : this.#createIndexAlone(),
          reply,
          ({ message: reason }) => reply({ ok: false, reason }),
        );
        return;
      case 'index.update':
        this.world.indexFiles.get(data.fileName)?.set(data.path, data.newValue);
        reply({ ok: this.indexes.has(data.fileName) });
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

  #saveSpace(saved: () => void): void {
    const space = { free: [...this.#free], size: this.#size };
    this.disk(() => {
      this.world.writesFile(this, () => {
        this.world.file.space = space;
      });
      saved();
    });
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

  /** Scans the file under a lock of its own; only when it is built does it tell the others. */
  *#createIndex(): Task<{ ok: true; fileName: string }> {
    const { indexFiles, file, random } = this.world;
    const fileName = 'values.idx';
    if (this.indexes.has(fileName)) return { ok: true, fileName };
    this.indexes.add(fileName);
    const details = { path: '', tid: `${this.name}.index`, write: false, comment: 'index' };
    const lock = yield* wait<NodeLock>((resolve) => this.#locker.lock(details, resolve));
    yield* this.underLock();
    yield* wait<void>((resolve) => this.disk(resolve));
    const found = file.readAll();
    indexFiles.set(fileName, new Map(typeof found === 'string' ? [] : found));
    this.#locker.unlock(lock);
    yield* wait<void>((resolve) => this.after(random.fraction() * 100, resolve));
    this.notify({ type: 'index.created', fileName });
    return { ok: true, fileName };
  }

  /** With the repair `index-builds`: writers begin again when all have heard of the index. */
  *#createIndexAlone(): Task<{ ok: true; fileName: string }> {
    this.#builds += 1;
    try {
      return yield* this.#createIndex();
    } finally {
      this.after(INDEX_NEWS_MS, () => {
        this.#builds -= 1;
        if (this.#builds === 0) for (const message of this.#waitingForBuilds.splice(0)) this.#lock(message);
      });
    }
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
