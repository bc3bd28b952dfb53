/**
 * Grants locks to workers (docs/PROTOCOL.md, section 12): by AceBase's own rule, under the root lock that the server holds at
 * the master, in the order in which they were asked for. Whoever holds a lock never waits for those who wait for it.
 */

import { invariant } from '../invariants.js';
import { type Limits, SLICE_WAIT_MS } from '../limits.js';
import type { Peer } from '../peers/peer.js';
import type { Cancel, Scope } from '../ports.js';
import { type Lock, LockQueue, type LockRequest, LockTable, type NewLock } from './lock-table.js';
import type { RootDemand, RootLock } from './root-lock.js';

/** What the lock manager works with. */
export interface LockManagerSettings extends Pick<Scope, 'clock'> {
  readonly limits: Pick<Limits, 'lockTimeout' | 'readerDelay'>;
  readonly root: RootLock;
  /** The number of the first lock; higher than any that another server gave a lock of this database. */
  readonly firstId: number;
}

/** What the lock manager tells. */
export interface LockManagerHost {
  /** A lock is granted. */
  granted(request: LockRequest, lock: Lock): void;
  /** The lock of a transaction has expired: it gets no further one until it is released. */
  refused(request: LockRequest): void;
  /** A lock has expired; if it is for writing, its holder may be in the midst of a write. */
  expired(lock: Lock): void;
  /** A lock for writing is wanted by others: its holder is to start no further transaction under it. */
  sliceIsOver(lock: Lock): void;
  /**
   * Why transactions that hold no lock are given none, whatever is free; `undefined` if nothing holds them back. Asked whenever one might
   * be granted. Of several reasons, one under which not even the master may write.
   */
  hold(): GrantHold | undefined;
}

/** Why nobody may write, the master included. */
const WHOLE_FILE = ['locks of before the restart', 'the file is in doubt', 'the journal is checked'] as const;

/** Why transactions that hold no lock are given none, whatever is free. */
export type GrantHold = (typeof WHOLE_FILE)[number] | 'the master opens its file' | 'draining';

/** Why a request waits, for people to read. */
export type WaitReason =
  | 'no master'
  | 'the master has its turn'
  | 'locks of others'
  | 'an index is made'
  | 'a writer goes first'
  | 'its process is disconnected'
  | GrantHold;

/** The locks of one database. */
export class LockManager {
  readonly #settings: LockManagerSettings;
  readonly #host: LockManagerHost;
  readonly #table: LockTable;
  readonly #queue = new LockQueue();
  /** What held transactions back when that was last looked at. */
  #lastHold: GrantHold | undefined;
  #areWritersKeptBack = false;
  /** The lock for writing that is held, until its holder is told that others want it. */
  #slice: Lock | undefined;
  #isServing = false;
  /** Whether something changed since the round began that is running. */
  #isStale = false;
  #cancelTimer: Cancel | undefined;
  #timerAt = Number.POSITIVE_INFINITY;

  constructor(settings: LockManagerSettings, host: LockManagerHost) {
    this.#settings = settings;
    this.#host = host;
    this.#table = new LockTable(settings.firstId);
  }

  /** What is held, for who asks. */
  get table(): Omit<LockTable, 'grant' | 'claim' | 'release' | 'expire'> {
    return this.#table;
  }

  /** What waits, for who asks. */
  get queue(): Omit<LockQueue, 'add' | 'remove' | 'suspend' | 'resume' | 'takeAllOf'> {
    return this.#queue;
  }

  /** A lock is asked for. It is granted now, or when its turn has come; or refused, since its transaction has expired. */
  request(request: LockRequest): void {
    if (this.#table.hasExpired(request.tid)) {
      this.#host.refused(request);
      return;
    }
    const { requester, tid, isWrite } = request;
    const isNext = (): boolean => this.#isFirst(request) || this.#overtakes(request);
    const hasTurn = (): boolean =>
      this.#table.isHolding(tid) || (!this.#queue.isSuspended(requester) && isNext());
    if (this.#mayGoOn(tid, isWrite) && hasTurn()) {
      const isQuiet = this.#isQuiet;
      this.#grant(request);
      if (isQuiet) return;
    } else this.#queue.add(request);
    this.review();
  }

  /**
   * Whether some locks are held and nobody waits: then one more or less of them lets nobody be served, the root lock stays, and it is known
   * when the oldest one expires.
   */
  get #isQuiet(): boolean {
    return this.#queue.size === 0 && this.#table.size > 0;
  }

  /** The master has granted the root lock, or is gone. Who holds a lock may have waited for it, too. */
  rootChanged(): void {
    this.#serveHolders();
    this.review();
  }

  #serveHolders(): void {
    if (!this.#isServing) for (const tid of [...this.#table.tids]) this.#serveHolder(tid);
  }

  /** A request is not to be served any more. @returns false if it does not wait: it has its answer */
  withdraw(request: LockRequest): boolean {
    const isOut = this.#queue.remove(request);
    if (isOut) this.review();
    return isOut;
  }

  /** Whether any worker holds a lock, or may hold one from before a restart. */
  get isInUse(): boolean {
    return this.#table.size > 0 || this.#isWholeFileHeld;
  }

  /** Whether nobody may write, the master included, though no lock is known that stands in the way. */
  get #isWholeFileHeld(): boolean {
    const hold = this.#host.hold();
    return WHOLE_FILE.some((why) => why === hold);
  }

  /** A worker gives a lock back. */
  release(lock: Lock): void {
    this.#table.release(lock);
    if (!this.#isQuiet) this.review();
  }

  /** Notes a lock that another server granted. @returns false if its number is taken */
  claim(claimed: Omit<NewLock, 'expiresAt'>): boolean {
    const lock = this.#table.claim({ ...claimed, expiresAt: this.#expiry });
    this.review();
    return lock !== undefined;
  }

  /** A worker is disconnected, or has something to read first: what it waits for has no turn until it is resumed. What it holds it keeps. */
  suspend(worker: Peer): void {
    this.#queue.suspend(worker);
    this.review();
  }

  /** A worker is back, or ready. */
  resume(worker: Peer): void {
    this.#queue.resume(worker);
    this.#serveHolders();
    this.review();
  }

  /** What a worker waits for is not to be served any more. @returns its requests */
  withdrawAllOf(worker: Peer): readonly LockRequest[] {
    const requests = this.#queue.takeAllOf(worker);
    this.review();
    return requests;
  }

  /** A worker is gone for good. @returns the locks that it held, and how many requests it had */
  remove(worker: Peer): { readonly locks: readonly Lock[]; readonly requests: number } {
    const requests = this.#queue.takeAllOf(worker).length;
    const locks = this.#table.locksOf(worker);
    for (const lock of locks) this.#table.release(lock);
    this.review();
    return { locks, requests };
  }

  /** To be called after everything that happens in the database: what held transactions back may have ended. */
  settle(): void {
    if (this.#host.hold() !== this.#lastHold) this.review();
  }

  /** While a worker makes an index, other transactions that hold no lock are given none for writing. */
  keepWritersBack(areKeptBack: boolean): void {
    this.#areWritersKeptBack = areKeptBack;
    this.review();
  }

  /** Something changed at the root lock, or outside: serves all that may be served, and asks the master for what it takes. */
  review(): void {
    // A host may call back while it is told of a grant; what that changes is seen by the round that is running.
    this.#isStale = true;
    if (this.#isServing) return;
    this.#isServing = true;
    this.#expire();
    while (this.#isStale) {
      this.#isStale = false;
      this.#lastHold = this.#host.hold();
      this.#settings.root.meet(this.#demand());
      this.#serve();
    }
    this.#endSlice();
    this.#isServing = false;
    this.#schedule();
  }

  /** Why a request waits that is not served. */
  reasonFor(request: LockRequest): WaitReason {
    const { root } = this.#settings;
    const { tid, isWrite } = request;
    if (!this.#queue.hasTurn(request))
      return request.requester.state === 'present' ? 'an index is made' : 'its process is disconnected';
    if (!root.isAvailable) return 'no master';
    const hold = this.#host.hold();
    const isHolding = this.#table.isHolding(tid);
    if (hold !== undefined && (!isHolding || !this.#mayWrite(tid, isWrite))) return hold;
    if (!this.#table.allows(tid, isWrite)) return 'locks of others';
    if (isWrite && !isHolding && this.#areWritersKeptBack) return 'an index is made';
    if (!root.covers(isWrite) || root.turnOverSince !== undefined || root.oldSince !== undefined)
      return 'the master has its turn';
    return 'a writer goes first';
  }

  /** The server stops. */
  stop(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#isServing = true;
  }

  /** Whether a request of a transaction that holds nothing needs not wait, neither behind others nor for a turn. */
  #isFirst(request: LockRequest): boolean {
    if (this.#queue.size > 0 || this.#host.hold() !== undefined) return false;
    if (this.#isKeptBack(request, false)) return false;
    return !request.isWrite || (this.#table.size === 0 && !this.#areWritersKeptBack);
  }

  #serve(): void {
    // Of several that hold locks, none can have become able to write; for reading they were served when they asked.
    const { onlyHolder } = this.#table;
    if (onlyHolder !== undefined) this.#serveHolder(onlyHolder);
    if (this.#host.hold() === undefined) {
      this.#serveReads();
      this.#serveWrites();
    }
  }

  /** Whether a transaction may have such a lock now, whoever waits. While it has only read, so may others who have not said yet what they hold. */
  #mayGoOn(tid: string, isWrite: boolean): boolean {
    return (
      this.#settings.root.covers(isWrite) && this.#table.allows(tid, isWrite) && this.#mayWrite(tid, isWrite)
    );
  }

  #mayWrite(tid: string, isWrite: boolean): boolean {
    return !isWrite || this.#table.isWriting(tid) || this.#host.hold() !== 'locks of before the restart';
  }

  /** Further locks of a transaction that holds some. */
  #serveHolder(tid: string): void {
    if (!this.#table.isHolding(tid)) return;
    for (const isWrite of [false, true]) {
      if (!this.#mayGoOn(tid, isWrite)) continue;
      for (const request of this.#queue.of(tid, isWrite)) this.#grant(request);
    }
  }

  #serveReads(): void {
    const { root } = this.#settings;
    while (!this.#table.hasWriter && root.covers(false)) {
      const request = this.#queue.firstRead;
      if (request === undefined) return;
      if (this.#isKeptBack(request, this.#doesWriterWait)) {
        this.#serveParts();
        return;
      }
      this.#grant(request);
    }
  }

  /** Under an old root lock, what waits first may wait for the end of a scan whose parts are behind it. */
  #serveParts(): void {
    const { oldSince } = this.#settings.root;
    if (oldSince === undefined) return;
    for (const peer of this.#queue.peers())
      for (const request of this.#queue.ofPeer(peer))
        if (this.#queue.hasTurn(request) && this.#mayBePart(request, oldSince)) this.#grant(request);
  }

  #serveWrites(): void {
    if (this.#table.size > 0 || this.#areWritersKeptBack || !this.#settings.root.covers(true)) return;
    const request = this.#queue.firstWrite;
    if (request !== undefined && !this.#isKeptBack(request, false)) this.#grant(request);
  }

  /** Whether a request of a transaction that holds nothing is to wait: for a writer, or for the master's turn. */
  #isKeptBack(request: LockRequest, isForWriter: boolean): boolean {
    const { root, clock, limits } = this.#settings;
    if (root.oldSince !== undefined) return !this.#mayBePart(request, root.oldSince);
    const isForMaster = root.turnOverSince !== undefined && !this.#mayBePart(request, root.turnOverSince);
    return (isForWriter || isForMaster) && clock.now() < request.since + limits.readerDelay;
  }

  /**
   * Whether a request may be part of what was being read at that time. A scan holds one lock, and its parts ask under other
   * transactions: they must not wait for its end. What its process reads besides comes to an end with what it held then.
   */
  #mayBePart({ requester, isWrite }: LockRequest, at: number): boolean {
    return !isWrite && (this.#table.holdsSince(requester) ?? Number.POSITIVE_INFINITY) < at;
  }

  /** Whether a request for reading overtakes those that are kept back for the master's turn, or since the root lock is old. */
  #overtakes(request: LockRequest): boolean {
    const { turnOverSince, oldSince = turnOverSince } = this.#settings.root;
    if (oldSince === undefined || this.#host.hold() !== undefined) return false;
    return this.#mayBePart(request, oldSince) && !this.#isKeptBack(request, this.#doesWriterWait);
  }

  get #doesWriterWait(): boolean {
    return this.#queue.writeCount > 0 && !this.#areWritersKeptBack;
  }

  #grant(request: LockRequest): void {
    this.#queue.remove(request);
    const { requester: holder, tid, isWrite, asked, keptBytes } = request;
    invariant(this.#settings.root.covers(isWrite), 'lock-without-root');
    this.#isStale = true;
    const since = this.#settings.clock.now();
    const { message } = asked;
    const expiresAt = this.#expiry;
    const lock = this.#table.grant({ holder, tid, isWrite, message, keptBytes, since, expiresAt });
    if (isWrite) this.#slice = lock;
    this.#host.granted(request, lock);
  }

  /** Who writes may go on with its next transaction, unless somebody has waited for a while, or something else is to have its turn. */
  #endSlice(): void {
    const slice = this.#slice;
    if (slice === undefined || this.#settings.clock.now() < this.#sliceEndsAt) return;
    this.#slice = undefined;
    if (slice.state === 'held') this.#host.sliceIsOver(slice);
  }

  get #sliceEndsAt(): number {
    const { root, limits } = this.#settings;
    const isDue = this.#host.hold() !== undefined || this.#areWritersKeptBack || root.oldSince !== undefined;
    if (isDue || root.turnOverSince !== undefined) return Number.NEGATIVE_INFINITY;
    const { firstRead, firstWrite } = this.#queue;
    const never = Number.POSITIVE_INFINITY;
    // Who is kept back for writers would not be served yet.
    const readWait = this.#doesWriterWait ? Math.max(SLICE_WAIT_MS, limits.readerDelay) : SLICE_WAIT_MS;
    return Math.min((firstRead?.since ?? never) + readWait, (firstWrite?.since ?? never) + SLICE_WAIT_MS);
  }

  /** When a lock expires that is granted now: never later than the root lock, or the master would write beside its holder. */
  get #expiry(): number {
    const { clock, limits, root } = this.#settings;
    return Math.min(clock.now() + limits.lockTimeout, root.expiresAt ?? Number.POSITIVE_INFINITY);
  }

  /** What the root lock is needed for. */
  #demand(): RootDemand {
    const { onlyHolder, hasWriter, size } = this.#table;
    // Locks that are not known yet may be for writing.
    if (this.#isWholeFileHeld) return { kind: 'write', isInUse: true, isUpgrade: false };
    const isUpgrade = onlyHolder !== undefined && this.#queue.has(onlyHolder, true);
    const isHeld = this.#host.hold() !== undefined;
    const mayWrite = !isHeld && !this.#areWritersKeptBack && this.#queue.firstWrite !== undefined;
    const mayRead = !isHeld && this.#queue.firstRead !== undefined;
    const isInUse = size > 0;
    if (hasWriter || isUpgrade || mayWrite) return { kind: 'write', isInUse, isUpgrade };
    return { kind: isInUse || mayRead ? 'read' : 'none', isInUse, isUpgrade };
  }

  #expire(): void {
    const { clock } = this.#settings;
    for (let { oldest } = this.#table; oldest !== undefined; oldest = this.#table.oldest) {
      if (clock.now() < oldest.expiresAt) return;
      this.#table.expire(oldest);
      for (const isWrite of [false, true]) this.#refuseAllOf(oldest.tid, isWrite);
      this.#host.expired(oldest);
    }
  }

  #refuseAllOf(tid: string, isWrite: boolean): void {
    for (const request of this.#queue.of(tid, isWrite)) {
      this.#queue.remove(request);
      this.#host.refused(request);
    }
  }

  /** Looks again when something changes by time alone. */
  #schedule(): void {
    const at = this.#nextChange();
    // One that is early costs a look, and less than to set another one for each lock.
    const isEarlyEnough = this.#cancelTimer !== undefined && this.#timerAt <= at;
    if (isEarlyEnough && at !== Number.POSITIVE_INFINITY) return;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#timerAt = at;
    if (at === Number.POSITIVE_INFINITY) return;
    const { clock } = this.#settings;
    this.#cancelTimer = clock.schedule(Math.max(0, at - clock.now()), () => {
      this.#cancelTimer = undefined;
      this.review();
    });
  }

  #nextChange(): number {
    const { clock, limits, root } = this.#settings;
    const { oldest } = this.#table;
    const { firstRead, firstWrite } = this.#queue;
    const now = clock.now();
    const never = Number.POSITIVE_INFINITY;
    const endOfDelay = (request: LockRequest | undefined): number => {
      const at = (request?.since ?? -never) + limits.readerDelay;
      return at > now ? at : never;
    };
    return Math.min(
      endOfDelay(firstRead),
      endOfDelay(firstWrite),
      this.#slice === undefined ? never : this.#sliceEndsAt,
      oldest?.expiresAt ?? never,
      this.#queue.size > 0 || this.#table.size === 0 ? root.changesAt : (root.expiresAt ?? never),
    );
  }
}
