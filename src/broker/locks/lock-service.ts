/**
 * The locks of one database, for its workers (docs/PROTOCOL.md, sections 6 and 12): what they ask is answered here, and never
 * reaches the master. The master is asked for one lock, on everything, for all of them together.
 */

import {
  type AskedLock,
  grant,
  type LockMessage,
  lockNote,
  moved,
  type NamedLock,
  readLockRequest,
  readNamedLock,
  refusal,
  unlocked,
} from '../../protocol/lock-messages.js';
import type { LockRequestType } from '../../protocol/messages.js';
import { type RequestFailure, reasonFor } from '../../protocol/server-messages.js';
import { type ClaimedLock, parseTurn, yieldWord } from '../../protocol/session.js';
import type { FileNews } from '../file-metadata.js';
import { invariant } from '../invariants.js';
import type { JournalSwitch } from '../journal-switch.js';
import { INDEX_NEWS_MS, WAITING_REQUEST_BYTES } from '../limits.js';
import { BytesByOwner, keptCopy } from '../memory.js';
import type { Delivery } from '../peers/delivery.js';
import { asksOnlyHere, type Peer } from '../peers/peer.js';
import type { Scope } from '../ports.js';
import type { ServerRequests } from '../server-requests.js';
import { LockClaims } from './lock-claims.js';
import { type GrantHold, LockManager, type WaitReason } from './lock-manager.js';
import type { Lock, LockRequest } from './lock-table.js';
import { RootLock } from './root-lock.js';

/** What the locks of a database work with. */
export interface LockServiceSettings extends Scope {
  readonly delivery: Delivery;
  readonly news: FileNews;
  readonly journal: Pick<JournalSwitch, 'isCheckedByWorker'>;
  readonly asked: ServerRequests;
  /** The number of the first lock: no other server gave it, or a higher one. */
  readonly firstId: number;
  /** A master answers pings, and does not grant the root lock: a server that is gone holds it there. */
  masterIsStuck(master: Peer): void;
  /** A worker holds what others may be given, or have been: it must not go on as what it was. */
  placeIsLost(worker: Peer, cause: string): void;
  /** Whether others have used the database at this server of late, and all have left it. */
  readonly wasServed: boolean;
  /** For how long somebody may be at the door, in milliseconds; and whether somebody is who was there before, and not let in yet. */
  readonly longestAtDoor: number;
  isAnyoneAtDoor(): boolean;
}

/** The locks of a database, to look at: nothing of them is to be changed. */
export interface LocksView {
  readonly table: Pick<LockManager['table'], 'size' | 'expiredCount' | 'all'>;
  /** Oldest first. */
  readonly queue: Pick<LockManager['queue'], 'size' | 'first' | 'all'>;
  /** What the server has at the master, for all workers together. */
  readonly root: Pick<RootLock, 'kind' | 'since' | 'isAsked'>;
  /** Why a request waits. */
  reasonFor(request: LockRequest): WaitReason;
}

/** The locks of one database. */
export class LockService {
  /** Locks that another server granted. */
  readonly claims: LockClaims;
  /** What the server has at the master, for all workers together. */
  readonly root: RootLock;
  /** Whether the file is as the master found it when it opened it, or as a worker without a lock left it. */
  isFileAsOpened = false;
  readonly #settings: LockServiceSettings;
  readonly #manager: LockManager;
  /** Bytes that the requests and the locks of each worker take. */
  readonly #bytes: BytesByOwner<Peer>;
  /** Stock workers that have not read all that they were told of indexes, and how often they were told. */
  readonly #reading = new WeakMap<Peer, number>();
  /** Whether a master takes part that was not given what waited for it; or did when it left, and no other one was since. */
  #isMasterOpening = false;

  constructor(settings: LockServiceSettings) {
    this.#settings = settings;
    const { kept, limits, news } = settings;
    this.#bytes = new BytesByOwner(kept, limits.maxMailPerPeer);
    const root = new RootLock({ ...settings, answered: () => this.#manager.rootChanged() });
    this.root = root;
    this.#manager = new LockManager(
      { ...settings, root },
      {
        granted: (request, lock) => this.#granted(request, lock),
        refused: (request) => this.#refuse(request, 'IPC_REQUEST_LOCK_LOST'),
        expired: ({ holder, isWrite }) => {
          if (isWrite) news.writeWasCutShort(holder.id);
        },
        sliceIsOver: ({ holder, id }) => {
          if (holder.can('slice')) holder.outbox.say(yieldWord(id));
        },
        hold: () => this.#hold(),
      },
    );
    this.claims = new LockClaims({
      ...settings,
      isAnyInTheWayOf: ({ write }) => this.#manager.table.hasGrantedInTheWayOf({ isWrite: write }),
      claim: (worker, lock) => this.#claim(worker, lock),
    });
  }

  /** A worker asks for a lock, moves one, or gives one back. @returns false if the message is malformed */
  receive(worker: Peer, type: LockRequestType, message: Uint8Array): boolean {
    if (type === 'lock-request') {
      const asked = readLockRequest(message);
      if (asked !== undefined) this.#request(worker, asked);
      return asked !== undefined;
    }
    const named = readNamedLock(type, message);
    if (named === undefined) return false;
    if (type === 'unlock-request') this.#unlock(worker, named);
    else this.#move(worker, named);
    return true;
  }

  /** Whether that worker holds a lock, be it one that has expired. */
  isHolder(worker: Peer): boolean {
    return this.#manager.table.isHolder(worker);
  }

  /** The workers that hold any lock. */
  get holders(): Iterable<Peer> {
    return this.#manager.table.holders;
  }

  /** Whether others may be waiting for that worker: it holds a lock, or is to be served before them. */
  isWaitedFor(worker: Peer): boolean {
    const { queue } = this.#manager;
    const isInTheWay = this.isHolder(worker) || queue.hasAnyOf(worker);
    return isInTheWay && (queue.hasOthersThan(worker) || this.root.turnOverSince !== undefined);
  }

  /** Whether anybody waits for a lock, or for the root lock that takes those that are held. */
  get isAnybodyWaiting(): boolean {
    return this.#manager.queue.size > 0 || this.root.isAsked;
  }

  /** A worker is disconnected, and may come back. */
  isAway(worker: Peer): void {
    this.#manager.suspend(worker);
  }

  /** A worker is back. */
  isBack(worker: Peer): void {
    this.#settings.news.isBack(worker);
    if (!this.#reading.has(worker)) this.#manager.resume(worker);
  }

  /**
   * A stock worker is told of an index. It has no turn until it has read that, and had the time to open it: what it writes before, the
   * index would never hear of [PROTOCOL-8.6]. Our clients wait by themselves.
   */
  holdUntilRead(worker: Peer): void {
    this.#reading.set(worker, (this.#reading.get(worker) ?? 0) + 1);
    this.#manager.suspend(worker);
    worker.whenRead(() => this.#settings.clock.schedule(INDEX_NEWS_MS, () => this.#hasRead(worker)));
  }

  #hasRead(worker: Peer): void {
    const left = (this.#reading.get(worker) ?? 1) - 1;
    if (left > 0) this.#reading.set(worker, left);
    else this.#reading.delete(worker);
    if (left === 0 && worker.state === 'present') this.#manager.resume(worker);
  }

  /** A worker is gone for good: what it held is free, and what it asked for has no meaning any more. */
  isGone(worker: Peer): void {
    const { incidents, counters, clock, delivery, limits, news } = this.#settings;
    this.claims.isGone(worker);
    const hadWrites = this.#manager.table.locksOf(worker).some(({ isWrite }) => isWrite);
    // Who is granted a lock next must know before.
    if (hadWrites) news.writeWasCutShort(worker.id);
    const mayLive = this.isHolder(worker) && !worker.hasStopped(clock.now(), limits.reconnectGrace);
    invariant(!mayLive, 'lock-given-away-early');
    const { locks, requests } = this.#manager.remove(worker);
    this.#bytes.giveAllOf(worker);
    if (requests > 0) delivery.reportOrphanedRequests(worker.id, requests);
    if (locks.length === 0) return;
    for (const { since } of locks) counters.lockHold.observe(clock.now() - since);
    counters.recoveredLocks += locks.length;
    const fields = { peer: worker.id, locks: locks.length };
    incidents.record('locks-recovered', fields);
  }

  /** A worker is disconnected, and must not come back: what it asked for has no meaning any more. What it holds it keeps. */
  dropRequestsOf(worker: Peer): void {
    for (const request of this.#manager.withdrawAllOf(worker)) this.#bytes.give(worker, request.keptBytes);
  }

  /** What is kept for a worker, in bytes. */
  bytesOf(worker: Peer): number {
    return this.#bytes.of(worker);
  }

  /**
   * A master takes part. It is asked for the root lock that takes what workers hold; but no transaction begins before it has
   * what they said to it before: it would write something, and not tell those who had subscribed to that.
   */
  masterCame(master: Peer): void {
    this.#isMasterOpening = true;
    // One whose lock has expired may be writing all the same.
    this.isFileAsOpened = !this.#manager.table.isAnyForWriting;
    this.root.masterConnected(master);
    this.#manager.rootChanged();
  }

  /** A master says whether its transactions wait for the root lock. @returns false if it is no master, or the word is malformed */
  hearTurn(sender: Peer, frame: Uint8Array): boolean {
    const isWanted = sender.isMaster && sender.can('turn') ? parseTurn(frame) : undefined;
    if (isWanted === undefined) return false;
    sender.wantsTurnSince = isWanted ? (sender.wantsTurnSince ?? this.#settings.clock.now()) : undefined;
    this.#manager.review();
    return true;
  }

  /** The master has opened its file, and was given what waited for it. */
  masterIsReady(): void {
    this.#isMasterOpening = false;
  }

  /** The master is gone, and with it what it granted. @returns whether it may have granted the root lock, and have it still */
  masterLeft(): boolean {
    this.#settings.news.masterIsGone();
    const mayHold = this.root.masterLeft();
    this.#manager.rootChanged();
    return mayHold;
  }

  /** While a worker makes an index, other transactions get no locks for writing. */
  keepWritersBack(areKeptBack: boolean): void {
    this.#manager.keepWritersBack(areKeptBack);
  }

  /** Whether a worker holds a lock that has not expired. */
  get isAnyHeld(): boolean {
    return this.#manager.table.size > 0;
  }

  /** To be called after everything that happens in the database: whoever was held back until now is served. */
  settle(): void {
    this.#manager.settle();
  }

  /** The workers were sent away: the master gets its root lock back, unless one of them has a lock yet. */
  giveRootBack(): void {
    this.root.close(this.#manager.isInUse);
  }

  /** The request that has waited for longest, for as long as there is no master; `undefined` if none waits. */
  get oldestRequest(): LockRequest | undefined {
    return this.#manager.queue.first;
  }

  /** Answers a request with an error, and forgets it. */
  fail(request: LockRequest, failure: RequestFailure): void {
    if (this.#manager.withdraw(request)) this.#refuse(request, failure);
  }

  /**
   * Fails what those wait for who hold a lock, if they may need it to come to an end: what is asked for by the transaction that holds it, and what
   * is read, which may be part of a scan [PROTOCOL-12.5].
   *
   * @param most how many are failed at most
   * @returns how many were
   */
  failOfHolders(most: number): number {
    const { queue, table } = this.#manager;
    let failed = 0;
    for (const holder of table.holders) {
      for (const request of [...queue.ofPeer(holder)]) {
        if (request.isWrite && !table.isHolding(request.tid)) continue;
        if (failed === most) return failed;
        this.fail(request, 'IPC_REQUEST_NO_MASTER');
        failed++;
      }
    }
    return failed;
  }

  /** Fails what waits of workers that are connected, and would not ask the next server for it. */
  failBeforeDraining(): void {
    for (const request of [...this.#manager.queue.all()]) {
      if (asksOnlyHere(request.requester)) this.fail(request, 'IPC_REQUEST_DRAINING');
    }
  }

  /** The server stops. */
  stop(): void {
    this.giveRootBack();
    this.root.stop();
    this.claims.stop();
    this.#manager.stop();
    this.#bytes.clear();
  }

  /** What is held and what waits, to look at. */
  get view(): LocksView {
    const { table, queue } = this.#manager;
    return { table, queue, root: this.root, reasonFor: (request) => this.#manager.reasonFor(request) };
  }

  #request(worker: Peer, asked: AskedLock): void {
    const keptBytes = asked.message.length + WAITING_REQUEST_BYTES;
    if (!this.#bytes.take(worker, keptBytes)) {
      const { kept, delivery } = this.#settings;
      delivery.reportTooManyRequests(worker.id);
      const failure = kept.hasRoom(keptBytes) ? 'IPC_REQUEST_TOO_MANY' : 'IPC_REQUEST_NO_MEMORY';
      this.#sayNo(worker, asked, failure);
      return;
    }
    const since = this.#settings.clock.now();
    const { tid, isWrite } = asked;
    const request: LockRequest = { asked, requester: worker, tid, isWrite, since, keptBytes };
    this.#manager.request(request);
    // Only what has to wait is copied out of the chunk that it came in.
    if (request.place !== undefined) request.asked = { ...asked, message: keptCopy(asked.message) };
  }

  #unlock(worker: Peer, named: NamedLock): void {
    const lock = this.#find(worker, named);
    // A transaction that holds others may wait for the answer: AceBase does, where a write looks for the space of each child.
    const canWait = lock === undefined || this.#manager.table.isTheOnlyOne(lock);
    // Before the lock is somebody else's: his grant must not overtake anything that is told to this one.
    this.#settings.delivery.send(worker, unlocked(named, worker.idBytes), canWait);
    if (lock === undefined) return;
    const { clock, counters, news } = this.#settings;
    counters.lockHold.observe(clock.now() - lock.since);
    this.#bytes.give(worker, lock.keptBytes);
    // Its holder went on with its write after all others were told to forget what they had cached, until it was refused something.
    if (lock.state === 'expired' && lock.isWrite) news.writeWasCutShort(worker.id);
    this.#manager.release(lock);
  }

  /** To the parent of its path: that changes nothing of a lock, since paths are ignored. */
  #move(worker: Peer, named: NamedLock): void {
    const lock = this.#find(worker, named);
    if (lock?.state !== 'held') {
      this.#sayNo(worker, named, 'IPC_REQUEST_LOCK_LOST');
      return;
    }
    const expires = this.root.masterTime(lock.expiresAt);
    this.#settings.delivery.send(worker, moved(named, worker.idBytes, lock, expires));
  }

  #find(worker: Peer, { lockId }: NamedLock): Lock | undefined {
    return lockId === undefined ? undefined : this.#manager.table.find(worker, lockId);
  }

  #sayNo(worker: Peer, request: LockMessage, failure: RequestFailure): void {
    const { delivery, database } = this.#settings;
    delivery.send(worker, refusal(request, worker.idBytes, reasonFor(failure, database)));
  }

  #granted({ asked, since }: LockRequest, lock: Lock): void {
    const { counters, clock, news, delivery } = this.#settings;
    const { id, holder, isWrite, expiresAt } = lock;
    counters.lockWait.observe(clock.now() - since);
    if (isWrite) this.isFileAsOpened = false;
    news.bringUpToDate(holder);
    const lasts = holder.session === undefined ? undefined : expiresAt - clock.now();
    const expires = this.root.masterTime(expiresAt);
    lock.message = grant(asked, holder.idBytes, id, expires, lasts);
    delivery.send(holder, lock.message);
  }

  #refuse(request: LockRequest, failure: RequestFailure): void {
    const { requester, asked } = request;
    this.#bytes.give(requester, request.keptBytes);
    const fields = { to: requester.id, type: 'lock-request', failure };
    this.#settings.incidents.record('answered-for-master', fields);
    this.#sayNo(requester, asked, failure);
  }

  #claim(worker: Peer, { id, tid, write: isWrite, ...rest }: ClaimedLock): boolean {
    const message = lockNote({ ...rest, tid, write: isWrite });
    const keptBytes = message.length + WAITING_REQUEST_BYTES;
    if (!this.#bytes.take(worker, keptBytes)) return false;
    if (isWrite) this.isFileAsOpened = false;
    const since = this.#settings.clock.now();
    const isNew = this.#manager.claim({ id, holder: worker, tid, isWrite, since, message, keptBytes });
    if (!isNew) this.#bytes.give(worker, keptBytes);
    return true;
  }

  /** Why no transaction may begin now. */
  #hold(): GrantHold | undefined {
    const { news, journal, isClosing } = this.#settings;
    if (this.claims.isHolding) return 'locks of before the restart';
    if (news.isInDoubt) return 'the file is in doubt';
    if (journal.isCheckedByWorker) return 'the journal is checked';
    if (isClosing()) return 'draining';
    return this.#isMasterOpening ? 'the master opens its file' : undefined;
  }
}
