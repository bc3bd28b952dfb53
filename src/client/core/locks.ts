import { momentOf } from '../../elapsed.js';
import type { ClaimedLock } from '../../protocol/session.js';
import type { DatabaseFile, IPCLock, IPCPeer, LockDetails, LockInfo, Log, Message } from './host.js';
import { type LostTransactions, lostError } from './lost-transactions.js';
import { subjectOf } from './outgoing.js';
import type { Clock } from './ports.js';
import { Anchor, byOwnClock, type GrantedLock, lockUnder, type TransactionId } from './shared-lock.js';
import { Habit, Slices } from './slices.js';
import { TurnBreaks } from './turn-breaks.js';

/** The share of the lock timeout that a lock must have left for others to be granted under it. */
const LEAST_TIME_LEFT = 1 / 2;

/**
 * Milliseconds after its grant for which a lock for reading serves other transactions too: for so much longer than one of
 * them, writers of other processes may have to wait.
 */
export const OPEN_MS = 5;

/** How many reads in a row without a pause are a habit. */
const READING_HABIT = 1;

/** What AceBase asks a master for only while it holds a lock, and waits for. */
const UNDER_LOCK = new Set(['fst.allocate', 'index.update']);

/** Whether a message is such a request. */
export function isAskedUnderLock(message: Message): boolean {
  return message.type === 'request' && UNDER_LOCK.has(subjectOf(message) ?? '');
}

/** A lock that the master is asked for. */
interface PendingAnchor {
  readonly anchor: Promise<unknown>;
  readonly write: boolean;
  /** Whether it may serve other transactions, too: those that wait for it, or for a while. */
  readonly isCommon: boolean;
  /** Whether another transaction asked for it. */
  readonly isJoined: boolean;
}

/** The locks of one transaction. */
interface TransactionLocks {
  /** Those under which it holds any. */
  readonly anchors: Set<Anchor>;
  /** Those that it waits for. */
  readonly pending: Set<PendingAnchor>;
}

/** What the locks of a worker work with. */
export interface WorkerLocksSettings {
  readonly ipc: IPCPeer;
  readonly file: Pick<DatabaseFile, 'lockTimeout'>;
  readonly log: Pick<Log, 'warn'>;
  readonly clock: Clock;
  /** Makes an id for a request. */
  createId(): string;
  /** Makes the error that AceBase throws for a lock that is asked for while it closes. */
  exitingError(message: string): Error;
  /** To be awaited before a lock that the master granted is used. */
  granted(): Promise<void>;
  /** A request is not to be asked any more. */
  forget(requestId: string): void;
  /** Transactions whose locks were lost with the place in the cluster. */
  readonly lost: LostTransactions;
  /** The last lock of a transaction is about to go. */
  ends(tid: TransactionId): void;
  /** Whether locks are granted here, without asking the master. */
  readonly areShared: boolean;
  /**
   * Milliseconds after its grant for which a lock for writing serves further transactions, one after the other; `undefined` if the server
   * does not say when others want it.
   */
  slice(): number | undefined;
  /** What was said is to leave now. */
  flush(): void;
}

/**
 * The locks of a worker, with as few questions to the master as its rule allows (docs/PROTOCOL.md, section 12.1), which
 * looks at no path: while a transaction holds a lock for writing, any further lock of it is certain to be granted; while
 * anybody holds one for reading, so are further ones for reading, to whomever.
 *
 * So transactions that read at one time, or one right after the other, do so under one lock. The master knows it by a number
 * of its own, not by the transaction that happened to ask first: that one may write next, while others still read.
 *
 * Those that write do so one after the other, for a while, under one lock for writing: a slice.
 */
export class WorkerLocks {
  readonly #settings: WorkerLocksSettings;
  readonly #transactions = new Map<TransactionId, TransactionLocks>();
  /** What the master counts as held. */
  readonly #anchors = new Set<Anchor>();
  /** Given back, and the master has not said so yet. */
  readonly #returning = new Set<Anchor>();
  /** The lock for reading that was granted last, for transactions that hold none; and the one that is asked for. */
  #common: Anchor | undefined;
  #comingCommon: PendingAnchor | undefined;
  /** Open, and not used: given back at the end of this turn of the event loop. */
  readonly #idle = new Set<Anchor>();
  /** How many locks for writing are asked for. */
  #writesAsked = 0;
  readonly #slices: Slices;
  readonly #readingHabit: Habit;
  readonly #breaks: TurnBreaks;
  #ended: Error | undefined;

  constructor(settings: WorkerLocksSettings) {
    this.#settings = settings;
    this.#breaks = new TurnBreaks(settings.clock);
    this.#readingHabit = new Habit(settings.clock, READING_HABIT);
    this.#slices = new Slices({
      clock: settings.clock,
      milliseconds: () => (settings.areShared ? settings.slice() : undefined),
      hasTimeLeft: (slice) => this.#hasTimeLeft(slice),
      take: (slice, { tid }) => this.#take(slice, tid),
      ask: (details, milliseconds) =>
        this.#asWriter(() => this.#request(details, settings.createId(), milliseconds)),
    });
  }

  /**
   * Asks for a lock.
   *
   * @throws as AceBase does: if it is closing, if the master refuses, and for a transaction whose locks were lost
   */
  async lock(details: LockDetails): Promise<IPCLock> {
    const { ipc } = this.#settings;
    this.#throwIfOver(details.tid);
    const info: LockInfo = { tid: details.tid, granted: false, request: details, lock: null };
    ipc._locks.push(info);
    try {
      if (!this.#transactions.has(details.tid)) {
        if (details.write) this.#slices.writerComes();
        else this.#readingHabit.begins();
      }
      let anchor = await this.#anchorFor(details);
      while (anchor.isLost) {
        this.#release(anchor, details.tid);
        // Nothing was done under it. But what wants to read may be part of what was lost, which would wait for it.
        if (!details.write) throw lostError(`lock on tid ${details.tid}`);
        this.#throwIfOver(details.tid);
        anchor = await this.#anchorFor(details);
      }
      info.granted = true;
      info.lock = lockUnder(anchor, details, () => {
        this.#release(anchor, details.tid);
        this.#remove(info);
      });
      return info.lock;
    } catch (error) {
      this.#remove(info);
      throw error;
    }
  }

  /** What the master is told of by a new server: everything that it may still count as held. */
  claims(): ClaimedLock[] {
    const held = [...this.#anchors, ...this.#returning].filter((anchor) => !this.#hasRunOut(anchor));
    return held.map(({ granted }) => ({
      id: granted.id,
      tid: String(granted.tid),
      path: granted.path,
      write: granted.write,
      comment: granted.comment,
    }));
  }

  /** Whether a lock is held that is not about to be given back, and has not run out. */
  get isHolding(): boolean {
    return [...this.#anchors].some((anchor) => !this.#hasRunOut(anchor));
  }

  /** Whether what was done under a lock may not have been heard of: it is held, or was given back, and nobody has said so. */
  get isAnyOpen(): boolean {
    return this.#anchors.size > 0 || this.#returning.size > 0;
  }

  /** This process may not take part any more: nothing is asked for. */
  end(error: Error): void {
    this.#ended = error;
    this.#slices.end(error);
  }

  #hasRunOut({ granted }: Anchor): boolean {
    return granted.expires <= this.#settings.clock.wallTime();
  }

  /** The locks are given back by others: what goes on under them must end. @returns when it has */
  async lose(): Promise<void> {
    const { lost } = this.#settings;
    for (const [tid, { anchors }] of this.#transactions) if (anchors.size > 0) lost.add(tid);
    const names = new Set(lost.ids);
    for (const anchor of this.#anchors) {
      anchor.lose();
      names.add(anchor.granted.tid);
    }
    this.#anchors.clear();
    this.#returning.clear();
    this.#common = undefined;
    this.#slices.isOver();
    for (const { tid, lock } of this.#settings.ipc._locks) {
      // AceBase looks at this before it goes on reading or writing.
      if (lock !== null && lost.has(tid)) lock.expires = 0;
    }
    this.#endRequestsOf(names);
    await lost.over();
  }

  /**
   * What is asked under a lost lock must not be answered any more; and who waits for it would never end. Nor must what wants to read be, if any was
   * lost: it may be part of what that one reads, which would wait for it, and the way back for both. Nor is space that is
   * asked for without a lock, to have some at hand: asked for again by another peer, as this one comes back, it is given twice.
   */
  #endRequestsOf(names: ReadonlySet<TransactionId>): void {
    const { ipc, forget } = this.#settings;
    for (const [id, { request, reject }] of [...ipc._requests]) {
      const { type, data } = request;
      const { tid, write } = data as { tid?: TransactionId; write?: boolean };
      const isEnded = tid !== undefined && (names.has(tid) || (write === false && names.size > 0));
      const isLock = type === 'lock-request' && isEnded;
      if (!isLock && !isAskedUnderLock(request)) continue;
      forget(id);
      reject(lostError('the lock'));
    }
  }

  /** @param hasJoined whether it has waited already for what another transaction asked for: once is enough */
  async #anchorFor(details: LockDetails, hasJoined = false): Promise<Anchor> {
    const transaction = this.#transactionOf(details.tid);
    if (!this.#settings.areShared) return this.#ask(details, transaction);
    const anchor = this.#usable(transaction, details);
    if (anchor !== undefined) {
      this.#take(anchor, details.tid);
      const pause = this.#breaks.next();
      if (pause !== undefined) await pause;
      return anchor;
    }
    const own = this.#coming(transaction, details);
    const mayJoin = !hasJoined && this.#mayJoin(transaction, details.write);
    const common = mayJoin ? this.#comingCommon : undefined;
    if (own !== undefined) {
      // Whether it was refused is said to who asked for it; and to all who joined.
      if (own.isJoined) await own.anchor;
      else await own.anchor.catch(() => undefined);
    } else if (common !== undefined) await this.#join(common, details.tid, transaction);
    else if (details.write && transaction.anchors.size === 0 && this.#slices.areThere) {
      return this.#turn(details, transaction);
    } else return this.#ask(details, transaction);
    this.#throwIfOver(details.tid);
    return this.#anchorFor(details, hasJoined || common !== undefined);
  }

  /** Waits for its turn in a slice. */
  async #turn(details: LockDetails, transaction: TransactionLocks): Promise<Anchor> {
    const anchor = this.#slices.turn(details);
    const pending: PendingAnchor = { anchor, write: true, isCommon: false, isJoined: false };
    transaction.pending.add(pending);
    try {
      return await anchor;
    } finally {
      transaction.pending.delete(pending);
      this.#forgetIfUnused(details.tid, transaction);
    }
  }

  /** Waits for what another transaction asks for. The entry is gone before anybody goes on: nobody waits for it twice. */
  async #join(common: PendingAnchor, tid: TransactionId, transaction: TransactionLocks): Promise<void> {
    const joined: PendingAnchor = {
      ...common,
      isJoined: true,
      anchor: common.anchor.finally(() => {
        transaction.pending.delete(joined);
        this.#forgetIfUnused(tid, transaction);
      }),
    };
    transaction.pending.add(joined);
    await joined.anchor;
  }

  /** A lock under which this one is certain to be granted. */
  #usable(transaction: TransactionLocks, { write }: LockDetails): Anchor | undefined {
    for (const anchor of transaction.anchors) {
      if ((anchor.granted.write || !write) && this.#hasTimeLeft(anchor)) return anchor;
    }
    const common = this.#mayJoin(transaction, write) ? this.#common : undefined;
    const isOpen = common?.isOpen(this.#settings.clock.now()) === true;
    return isOpen && this.#hasTimeLeft(common) ? common : undefined;
  }

  #hasTimeLeft({ granted }: Anchor): boolean {
    const { file, clock } = this.#settings;
    return granted.expires > clock.wallTime() + file.lockTimeout * LEAST_TIME_LEFT;
  }

  /** Such a lock that it waits for; or one that the master knows by another number: to write, it must hold that first. */
  #coming({ pending }: TransactionLocks, { write }: LockDetails): PendingAnchor | undefined {
    for (const coming of pending) if (coming.write || !write || coming.isCommon) return coming;
    return undefined;
  }

  /**
   * Whether a transaction may read under a lock that another one asked for. Not if it holds any: a question of its own is
   * never kept waiting for those who wait for it.
   */
  #mayJoin({ anchors }: TransactionLocks, write: boolean): boolean {
    return !write && anchors.size === 0;
  }

  async #ask(details: LockDetails, transaction: TransactionLocks): Promise<Anchor> {
    const { tid, write } = details;
    const isCommon = this.#settings.areShared && !write && transaction.anchors.size === 0;
    if (isCommon) {
      this.#slices.readerComes();
      // What is kept of a slice goes back: who reads must not wait for it.
      this.giveBackIdle();
    }
    const asked = write
      ? this.#asWriter(() => this.#askFor(details, transaction))
      : this.#askFor(details, transaction, isCommon);
    const anchor = asked.then((granted) => {
      if (isCommon) this.#open(granted, this.#comingCommon !== pending || this.#writesAsked > 0);
      return granted;
    });
    const pending: PendingAnchor = { write, anchor, isCommon, isJoined: false };
    transaction.pending.add(pending);
    if (isCommon) this.#comingCommon = pending;
    try {
      return await anchor;
    } finally {
      if (this.#comingCommon === pending) this.#comingCommon = undefined;
      transaction.pending.delete(pending);
      this.#forgetIfUnused(tid, transaction);
    }
  }

  /** Lets others read under a lock. @param isForThose whether only those who waited for it already, since somebody wants to write */
  #open(anchor: Anchor, isForThose: boolean): void {
    this.#common = anchor;
    if (!isForThose) return;
    this.#settings.clock.atEndOfTurn(() => {
      anchor.close();
      this.giveBackIdle();
    });
  }

  /** Asks for a lock for writing: who comes later and wants to read waits behind it. */
  async #asWriter(ask: () => Promise<Anchor>): Promise<Anchor> {
    this.#common?.close();
    this.#comingCommon = undefined;
    this.giveBackIdle();
    this.#writesAsked++;
    try {
      return await ask();
    } finally {
      this.#writesAsked--;
    }
  }

  async #askFor(details: LockDetails, transaction: TransactionLocks, isCommon = false): Promise<Anchor> {
    const { tid, write } = details;
    const held = [...transaction.anchors].at(-1);
    const name = isCommon ? this.#settings.createId() : (held?.granted.tid ?? tid);
    for (const anchor of write ? this.#anchors : []) {
      if (anchor.granted.tid !== name) continue;
      anchor.close();
      if (anchor.isSharedBeside(tid)) await this.#becomeOnlyHolder(tid, anchor);
    }
    return this.#request(details, name, isCommon ? OPEN_MS : 0, true);
  }

  /**
   * Asks the master.
   *
   * @param name by which it knows the lock
   * @param openFor milliseconds for which transactions that hold nothing may use it
   * @param isTaken whether it is for the transaction of these details, and not for whoever is next
   */
  async #request(
    details: LockDetails,
    name: TransactionId,
    openFor: number,
    isTaken = false,
  ): Promise<Anchor> {
    const { ipc, createId, granted: makeReady, clock } = this.#settings;
    const asked = momentOf(clock);
    const answer = (await ipc.request({
      type: 'lock-request',
      id: createId(),
      from: ipc.id,
      to: ipc.masterPeerId,
      data: { ...details, tid: name },
    })) as GrantedLock;
    const anchor = new Anchor(byOwnClock(answer, asked, clock), clock.now() + openFor);
    this.#anchors.add(anchor);
    if (isTaken) this.#take(anchor, details.tid);
    try {
      await makeReady();
      if (isTaken && anchor.isLost) throw lostError(`lock on tid ${details.tid}`);
    } catch (error) {
      if (isTaken) this.#release(anchor, details.tid);
      else if (!anchor.isLost) this.#giveBack(anchor);
      if (isTaken || !anchor.isLost) throw error;
    }
    return anchor;
  }

  /** Who reads under a lock with others, and wants to write, has to wait for them, as it would if each had its own. */
  async #becomeOnlyHolder(tid: TransactionId, anchor: Anchor): Promise<void> {
    if (!(await anchor.becomesOnlyOf(tid, this.#settings.clock))) {
      throw new Error(`lock on tid ${tid} has expired, not allowed to continue`);
    }
    this.#settings.lost.refuse(tid);
  }

  #take(anchor: Anchor, tid: TransactionId): void {
    anchor.take(tid);
    this.#transactionOf(tid).anchors.add(anchor);
  }

  /** One lock less under it; the last one gives it back, and waits for no answer. */
  #release(anchor: Anchor, tid: TransactionId): void {
    if (!anchor.drop(tid)) return;
    const transaction = this.#transactionOf(tid);
    transaction.anchors.delete(anchor);
    this.#forgetIfUnused(tid, transaction);
    if (transaction.anchors.size === 0) this.#transactionEnded(tid);
    const isForWriting = anchor.granted.write;
    if (isForWriting) this.#slices.released(anchor);
    else this.#readingHabit.ends();
    if (!anchor.isUsed && !anchor.isLost) this.#giveBackOrKeep(anchor);
    // Code of the user goes on in this turn, perhaps for seconds. Others must not wait for its end.
    const isOver = isForWriting || !this.#anchors.has(anchor);
    if (isOver && !anchor.isLost) this.#settings.flush();
  }

  #giveBackOrKeep(anchor: Anchor): void {
    const { ipc, clock } = this.#settings;
    const isRead = !anchor.granted.write;
    const isWanted = isRead
      ? this.#writesAsked === 0 && this.#readingHabit.isThere
      : this.#slices.isKept(anchor);
    if (!isWanted || !anchor.isOpen(clock.now()) || ipc._exiting) {
      this.#giveBack(anchor);
      return;
    }
    // Behind all promises that are due: who has read mostly reads something else, who has written without a pause writes.
    if (this.#idle.size === 0) clock.atEndOfTurn(() => this.giveBackIdle());
    this.#idle.add(anchor);
  }

  #transactionEnded(tid: TransactionId): void {
    const { lost, ends } = this.#settings;
    ends(tid);
    lost.ended(tid);
  }

  /** Somebody waits for that lock for writing: transactions that come later are to wait for him. */
  yieldWrite(lockId: number): void {
    this.#slices.yield(lockId);
    this.giveBackIdle();
  }

  /** What nobody uses goes back now. */
  giveBackIdle(): void {
    const idle = [...this.#idle].filter((anchor) => !anchor.isUsed && this.#anchors.has(anchor));
    this.#idle.clear();
    for (const anchor of idle) this.#giveBack(anchor);
  }

  #giveBack(anchor: Anchor): void {
    const { ipc, log, createId } = this.#settings;
    const { id } = anchor.granted;
    this.#anchors.delete(anchor);
    if (this.#common === anchor) this.#common = undefined;
    this.#returning.add(anchor);
    const message = {
      type: 'unlock-request',
      id: createId(),
      from: ipc.id,
      to: ipc.masterPeerId,
      data: { id },
    };
    ipc
      .request(message)
      .catch((error: unknown) => log.warn(`Lock ${id} could not be given back:`, error))
      .finally(() => this.#returning.delete(anchor));
    this.#slices.isOver(anchor);
  }

  #throwIfOver(tid: TransactionId): void {
    if (this.#ended !== undefined) throw this.#ended;
    const { ipc, exitingError } = this.#settings;
    if (ipc._exiting && !ipc._locks.some((lock) => lock.tid === tid && lock.granted)) {
      throw exitingError('new transaction lock denied because the IPC peer is exiting');
    }
    this.#settings.lost.refuse(tid);
  }

  #transactionOf(tid: TransactionId): TransactionLocks {
    let transaction = this.#transactions.get(tid);
    if (transaction === undefined) {
      transaction = { anchors: new Set(), pending: new Set() };
      this.#transactions.set(tid, transaction);
    }
    return transaction;
  }

  #forgetIfUnused(tid: TransactionId, { anchors, pending }: TransactionLocks): void {
    if (anchors.size === 0 && pending.size === 0) this.#transactions.delete(tid);
  }

  #remove(info: LockInfo): void {
    const { _locks: locks } = this.#settings.ipc;
    const index = locks.indexOf(info);
    if (index >= 0) locks.splice(index, 1);
    if (locks.length === 0) this.#settings.ipc.emit('locks-cleared');
  }
}
