/**
 * The locks of one database, for its workers (docs/PROTOCOL.md, sections 6 and 12): what they ask is answered here, and never
 * reaches the master. The master is asked for one lock, on everything, for all of them together.
 */

import { SERVER_ID } from '../../protocol/frames.js';
import {
  dataOf,
  type LockRequestType,
  type MasterAnswer,
  type MasterRequest,
  parseMasterRequest,
} from '../../protocol/messages.js';
import {
  grant,
  moved,
  type RequestFailure,
  reasonFor,
  refusal,
  rootRelease,
  rootRequest,
  unlocked,
} from '../../protocol/server-messages.js';
import { parseTurn, yieldWord } from '../../protocol/session.js';
import type { FileNews } from '../file-metadata.js';
import { invariant } from '../invariants.js';
import type { JournalSwitch } from '../journal-switch.js';
import {
  ASK_PING_MS,
  DEAD_ROOT_MS,
  type Limits,
  LOCK_EXPIRY_TOLERANCE_MS,
  ROOT_LINGER_IF_TOLD_MS,
  ROOT_LINGER_MS,
  ROOT_TURN_MS,
  SLICE_WAIT_MS,
  WAITING_REQUEST_BYTES,
} from '../limits.js';
import { type ByteBudget, keptCopy } from '../memory.js';
import type { Service } from '../peers/admission.js';
import type { Delivery } from '../peers/delivery.js';
import { isPresent, type Peer } from '../peers/peer.js';
import type { Cancel, Clock, Counters, Incidents } from '../ports.js';
import { PeerBytes, type Usage } from '../shares.js';
import { LockClaims } from './lock-claims.js';
import { type GrantHold, LockManager, type WaitReason } from './lock-manager.js';
import type { Lock, LockRequest } from './lock-table.js';
import { RootLock, type RootRequest } from './root-lock.js';

/** What the locks of a database work with. */
export interface LockServiceSettings extends Service {
  readonly database: string;
  readonly clock: Clock;
  readonly limits: Limits;
  readonly kept: ByteBudget;
  readonly incidents: Incidents;
  readonly counters: Counters;
  readonly delivery: Delivery;
  readonly news: FileNews;
  readonly journal: Pick<JournalSwitch, 'isCheckedByWorker'>;
  /** A master answers pings, and does not grant the root lock: a server that is gone holds it there. */
  masterIsStuck(master: Peer): void;
  /** A worker holds what others may be given, or have been: it must not go on as what it was. */
  placeIsLost(worker: Peer, cause: string): void;
  /** Whether somebody who was there before is at the door, and not let in yet. */
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

/** Lock numbers begin at the time at which the database was first connected to, in hundredths of a millisecond: no other server gave them. */
const IDS_PER_MS = 100;

/** The locks of one database. */
export class LockService {
  /** Locks that another server granted. */
  readonly claims: LockClaims;
  readonly #settings: LockServiceSettings;
  readonly #root: RootLock;
  readonly #manager: LockManager;
  /** Bytes that the requests and the locks of each worker take. */
  readonly #bytes: PeerBytes;
  /** Tells the requests of this server from those of others, at a master that was asked by both. */
  readonly #name: string;
  #master: Peer | undefined;
  /** Whether a master takes part that was not given what waited for it; or did when it left, and no other one was since. */
  #isMasterOpening = false;
  #isDraining = false;
  /** The highest number that the master, or the last one, gave a lock of the server. */
  #highestRootId = 0;
  #rootTid: string | undefined;
  /** Root locks that were given back to the master, which has not said that it knows. */
  readonly #returning = new Set<string>();
  /** Whether no worker has written since before the master came. */
  #isFileAsOpened = false;
  /** Ends what follows from the first request for the root lock. */
  #cancelRootCheck: Cancel | undefined;
  /** Ends the wait for the next ping while a request for the root lock is not answered, and for the pong to the last. */
  #cancelAskPing: Cancel | undefined;
  #cancelAskPong: Cancel | undefined;
  #isAskPingOpen = false;

  constructor(settings: LockServiceSettings) {
    this.#settings = settings;
    const { clock, limits, kept } = settings;
    this.#bytes = new PeerBytes(kept, limits.maxMailPerPeer);
    const firstId = Math.floor(clock.wallTime() * IDS_PER_MS);
    this.#name = `${SERVER_ID}${firstId.toString(36)}-`;
    this.#root = new RootLock({
      clock,
      masterTurn: ROOT_TURN_MS,
      linger: ROOT_LINGER_MS,
      lingerIfTold: ROOT_LINGER_IF_TOLD_MS,
      lockTimeout: limits.lockTimeout,
      ask: (request) => this.#askForRoot(request),
      release: (lockId) => this.#releaseRoot(lockId),
    });
    this.#manager = new LockManager(
      {
        clock,
        root: this.#root,
        lockTimeout: limits.lockTimeout,
        readerDelay: limits.readerDelay,
        sliceWait: SLICE_WAIT_MS,
        firstId,
      },
      {
        granted: (request, lock) => this.#granted(request, lock),
        refused: (request) => this.#refuse(request, 'IPC_REQUEST_LOCK_LOST'),
        expired: (lock) => this.#expired(lock),
        sliceIsOver: ({ holder, id }) => {
          if (holder.session?.can('slice') === true) holder.outbox.say(yieldWord(id));
        },
        hold: () => this.#hold(),
      },
    );
    this.claims = new LockClaims({
      clock,
      grace: limits.reconnectGrace,
      servedSince: settings.servedSince,
      isAnyoneAtDoor: () => settings.isAnyoneAtDoor(),
      isGrantedToOthers: ({ tid, write }) => this.#manager.table.isGrantedToOthers(tid, write),
      rootIsClaimed: (root) => settings.news.rootIsClaimed(root),
      claim: (worker, id, tid, isWrite, details) => this.#claim(worker, id, tid, isWrite, details),
      placeIsLost: (worker, cause) => settings.placeIsLost(worker, cause),
    });
  }

  /** A worker asks for a lock, moves one, or gives one back. @returns false if the message is malformed */
  receive(worker: Peer, type: LockRequestType, message: Uint8Array): boolean {
    const request = parseMasterRequest(type, message);
    if (request === undefined) return false;
    if (type === 'lock-request') return this.#request(worker, request, message);
    if (type === 'unlock-request') this.#unlock(worker, request);
    else this.#move(worker, request);
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
    return isInTheWay && (queue.hasOthersThan(worker) || this.#root.turnOverSince !== undefined);
  }

  /** Whether anybody waits for a lock, or for the root lock that takes those that are held. */
  get isAnybodyWaiting(): boolean {
    return this.#manager.queue.size > 0 || this.#root.isAsked;
  }

  /** A worker is disconnected, and may come back. */
  isAway(worker: Peer): void {
    this.#manager.suspend(worker);
  }

  /** A worker is back. */
  isBack(worker: Peer): void {
    this.#settings.news.isBack(worker);
    this.#manager.resume(worker);
  }

  /** A worker is gone for good: what it held is free, and what it asked for has no meaning any more. */
  isGone(worker: Peer): void {
    const { database, incidents, counters, clock, delivery, limits } = this.#settings;
    this.claims.isGone(worker);
    const hadWrites = this.#manager.table.locksOf(worker).some(({ isWrite }) => isWrite);
    // Who is granted a lock next must know before.
    if (hadWrites) this.#writeWasCutShort(worker);
    const mayLive = this.isHolder(worker) && !worker.hasStopped(clock.now(), limits.reconnectGrace);
    invariant(!mayLive, 'lock-given-away-early');
    const { locks, requests } = this.#manager.remove(worker);
    this.#bytes.giveAllOf(worker);
    if (requests > 0) delivery.reportOrphanedRequests(worker.id, requests);
    if (locks.length === 0) return;
    for (const { since } of locks) counters.lockHold.observe(clock.now() - since);
    counters.recoveredLocks += locks.length;
    const fields = { database, peer: worker.id, locks: locks.length };
    incidents.record('locks-recovered', fields, 'a worker went away with locks; they were given back');
  }

  /** A worker is disconnected, and must not come back: what it asked for has no meaning any more. What it holds it keeps. */
  dropRequestsOf(worker: Peer): void {
    for (const request of this.#manager.withdrawAllOf(worker)) this.#give(worker, request);
  }

  /** Adds what is kept for each worker. */
  addUsageTo(usage: Usage): void {
    this.#bytes.addUsageTo(usage);
  }

  /**
   * A master takes part. It is asked for the root lock that takes what workers hold; but no transaction begins before it has
   * what they said to it before: it would write something, and not tell those who had subscribed to that.
   */
  masterCame(master: Peer): void {
    this.#isMasterOpening = true;
    this.#master = master;
    // One whose lock has expired may be writing all the same.
    this.#isFileAsOpened = !this.#manager.table.isAnyForWriting;
    this.#highestRootId = 0;
    this.#root.masterConnected(master.session?.can('turn') === true);
    this.#root.masterWantsTurn(master.wantsTurn);
    this.#manager.rootChanged();
  }

  /** A master says whether its transactions wait for the root lock. @returns false if it is no master, or the word is malformed */
  hearTurn(sender: Peer, frame: Uint8Array): boolean {
    const isWanted = sender.isMaster && sender.session?.can('turn') === true ? parseTurn(frame) : undefined;
    if (isWanted === undefined) return false;
    sender.saysTurn(isWanted);
    if (sender !== this.#master) return true;
    this.#root.masterWantsTurn(isWanted);
    this.#manager.review();
    return true;
  }

  /** Whether the file is as the master found it when it opened it, or as a worker without a lock left it. */
  get isFileAsOpened(): boolean {
    return this.#isFileAsOpened;
  }

  /** The master has opened its file, and was given what waited for it. */
  masterIsReady(): void {
    this.#isMasterOpening = false;
  }

  /** The master is gone, and with it what it granted. @returns whether it may have granted the root lock, and have it still */
  masterLeft(): boolean {
    const mayHold = this.#root.kind !== undefined || this.#root.isAsked || this.#returning.size > 0;
    this.#returning.clear();
    this.#endRootCheck();
    this.#endAskPings();
    this.#master = undefined;
    this.#settings.news.masterIsGone();
    this.#root.masterLeft();
    this.#manager.rootChanged();
    return mayHold;
  }

  /** What is known of the locks that the last master gave the server: its highest number, and the transaction. */
  get lastRoot(): { readonly highestId: number; readonly tid: string | undefined } {
    return { highestId: this.#highestRootId, tid: this.#rootTid };
  }

  /** A master answered the server. @returns whether it was asked that here, by this server or by one that is gone */
  answered(master: Peer, { id, lockId }: MasterAnswer, expires: number | undefined): boolean {
    if (!id.startsWith(SERVER_ID)) return false;
    if (master !== this.#master || this.#returning.delete(id)) return true;
    const number = id.startsWith(this.#name) ? Number(id.slice(this.#name.length)) : Number.NaN;
    const answer =
      lockId === undefined
        ? undefined
        : {
            lockId,
            expires: expires ?? this.#settings.clock.wallTime() + this.#settings.limits.lockTimeout,
          };
    if (!this.#root.answered(number, answer)) {
      // Granted to a server that is gone, or too late; or what is held already, told again.
      if (lockId !== undefined && !this.#root.has(lockId)) this.#releaseRoot(lockId);
      return true;
    }
    this.#endRootCheck();
    this.#endAskPings();
    if (lockId !== undefined) {
      this.#highestRootId = Math.max(this.#highestRootId, lockId);
      this.#compareClocks(expires);
    }
    this.#manager.rootChanged();
    return true;
  }

  /** While a worker makes an index, other transactions get no locks for writing. */
  keepWritersBack(areKeptBack: boolean): void {
    this.#manager.keepWritersBack(areKeptBack);
  }

  /** Whether peers from before a restart of the server are waited for. */
  get isAnyoneAwaited(): boolean {
    return this.claims.isAnyoneAwaited;
  }

  /** Whether a worker holds a lock that has not expired. */
  get isAnyHeld(): boolean {
    return this.#manager.table.size > 0;
  }

  /** The server drains: transactions that hold no lock get none any more. */
  drain(): void {
    this.#isDraining = true;
  }

  /** To be called after everything that happens in the database: whoever was held back until now is served. */
  settle(): void {
    this.#manager.settle();
  }

  /** The workers were sent away: the master gets its root lock back, unless one of them has a lock yet. */
  giveRootBack(): void {
    this.#root.close(this.#manager.isInUse);
  }

  /** The request that has waited for longest, for as long as there is no master; `undefined` if none waits. */
  get oldestRequest(): LockRequest | undefined {
    return this.#manager.queue.first;
  }

  /** Answers a request with an error, and forgets it. */
  fail(request: LockRequest, failure: RequestFailure): void {
    this.#manager.withdraw(request);
    this.#refuse(request, failure);
  }

  /** Whether that worker holds a lock. */
  isHeldBy(worker: Peer): boolean {
    return this.#manager.table.locksOf(worker).length > 0;
  }

  /** Fails what waits of transactions that hold a lock: nothing may be granted to them now. */
  failOfHolders(failure: RequestFailure): void {
    const { queue, table } = this.#manager;
    for (const request of [...queue.all()]) if (table.isHolding(request.tid)) this.fail(request, failure);
  }

  /** Fails what waits of workers that are connected, and would not ask the next server for it. */
  failBeforeDraining(): void {
    for (const request of [...this.#manager.queue.all()]) {
      const { requester } = request;
      if (isPresent(requester) && requester.session?.can('resume') !== true) {
        this.fail(request, 'IPC_REQUEST_DRAINING');
      }
    }
  }

  /** The server stops. */
  stop(): void {
    this.#endRootCheck();
    this.#endAskPings();
    this.giveRootBack();
    this.claims.stop();
    this.#manager.stop();
    this.#bytes.clear();
  }

  /** What is held and what waits, to look at. */
  get view(): LocksView {
    const { table, queue } = this.#manager;
    return { table, queue, root: this.#root, reasonFor: (request) => this.#manager.reasonFor(request) };
  }

  #request(worker: Peer, { id, tid = id, isWrite }: MasterRequest, message: Uint8Array): boolean {
    const data = dataOf(message);
    if (data === undefined) return false;
    const { clock, delivery } = this.#settings;
    const to = { id, to: worker.id };
    if (!this.#take(worker, data)) {
      const hasRoom = this.#settings.kept.hasRoom(data.length + WAITING_REQUEST_BYTES);
      delivery.reportTooManyRequests(worker.id);
      const failure = hasRoom ? 'IPC_REQUEST_TOO_MANY' : 'IPC_REQUEST_NO_MEMORY';
      delivery.send(worker, refusal(to, this.#reasonFor(failure)));
      return true;
    }
    const request = { id, requester: worker, tid, isWrite, since: clock.now(), details: keptCopy(data) };
    this.#manager.request(request);
    return true;
  }

  #unlock(worker: Peer, { id, lockId }: MasterRequest): void {
    const lock = lockId === undefined ? undefined : this.#manager.find(worker, lockId);
    // A transaction that holds others may wait for the answer: AceBase does, where a write looks for the space of each child.
    const canWait = lock === undefined || this.#manager.table.isTheOnlyOne(lock);
    // Before the lock is somebody else's: his grant must not overtake anything that is told to this one.
    this.#settings.delivery.send(worker, unlocked({ id, to: worker.id }, lockId), canWait);
    if (lock === undefined) return;
    const { clock, counters } = this.#settings;
    counters.lockHold.observe(clock.now() - lock.since);
    this.#give(worker, lock);
    // Its holder went on with its write after all others were told to forget what they had cached, until it was refused something.
    if (lock.state === 'expired' && lock.isWrite) this.#writeWasCutShort(worker);
    this.#manager.release(lock);
  }

  #move(worker: Peer, { id, lockId }: MasterRequest): void {
    const lock = lockId === undefined ? undefined : this.#manager.find(worker, lockId);
    const to = { id, to: worker.id };
    const { delivery } = this.#settings;
    if (lock?.state !== 'held') delivery.send(worker, refusal(to, this.#reasonFor('IPC_REQUEST_LOCK_LOST')));
    else delivery.send(worker, moved(to, lock, lock.details, this.#root.masterTime(lock.expiresAt)));
  }

  #granted({ id, since }: LockRequest, lock: Lock): void {
    const { counters, clock, news, delivery } = this.#settings;
    const { holder, isWrite, details, expiresAt } = lock;
    counters.lockWait.observe(clock.now() - since);
    if (isWrite) this.#isFileAsOpened = false;
    news.bringUpToDate(holder);
    const lasts = holder.session === undefined ? undefined : expiresAt - clock.now();
    const expires = this.#root.masterTime(expiresAt);
    delivery.send(holder, grant({ id, to: holder.id }, lock, details, expires, lasts));
  }

  #refuse(request: LockRequest, failure: RequestFailure): void {
    const { requester, id } = request;
    const { database, delivery, incidents } = this.#settings;
    this.#give(requester, request);
    const fields = { database, to: requester.id, type: 'lock-request', failure };
    incidents.record('answered-for-master', fields, 'the server answered for the master');
    delivery.send(requester, refusal({ id, to: requester.id }, this.#reasonFor(failure)));
  }

  #expired({ holder, isWrite }: Lock): void {
    if (isWrite) this.#writeWasCutShort(holder);
  }

  #claim(worker: Peer, id: number, tid: string, isWrite: boolean, details: Uint8Array): boolean {
    if (!this.#take(worker, details)) return false;
    if (isWrite) this.#isFileAsOpened = false;
    const since = this.#settings.clock.now();
    if (this.#manager.claim({ id, holder: worker, tid, isWrite, since, details })) return true;
    this.#give(worker, { details });
    return true;
  }

  #writeWasCutShort({ id }: Peer): void {
    this.#settings.news.writeWasCutShort(id);
  }

  /** Why no transaction may begin now. */
  #hold(): GrantHold | undefined {
    const { news, journal } = this.#settings;
    if (this.claims.isHolding) return 'locks of before the restart';
    if (news.isInDoubt) return 'the file is in doubt';
    if (journal.isCheckedByWorker) return 'the journal is checked';
    if (this.#isDraining) return 'draining';
    return this.#isMasterOpening ? 'the master opens its file' : undefined;
  }

  #askForRoot({ id, tid, isWrite }: RootRequest): void {
    const master = this.#master;
    if (master === undefined) return;
    this.#rootTid = `${this.#name}${tid}`;
    const request = rootRequest(`${this.#name}${id}`, this.#rootTid, isWrite, 'for its workers');
    this.#settings.delivery.send(master, request);
    this.#watchFirstRoot(master, id);
    this.#pingWhileAsked(master);
  }

  /** So it is known, within a second or two, when the master has granted it: its time counts from then. */
  #pingWhileAsked(master: Peer): void {
    if (!this.#root.isAsked) return;
    const { clock } = this.#settings;
    this.#cancelAskPing?.();
    this.#cancelAskPing = clock.schedule(ASK_PING_MS, () => {
      const at = clock.now();
      // One at a time: the pong may take longer than until the next.
      if (!this.#isAskPingOpen) {
        this.#isAskPingOpen = true;
        this.#cancelAskPong = master.whenRead(() => {
          this.#isAskPingOpen = false;
          // What it had granted before, it would have said before.
          this.#root.notGrantedBefore(at);
        });
      }
      this.#pingWhileAsked(master);
    });
  }

  #endAskPings(): void {
    this.#cancelAskPing?.();
    this.#cancelAskPing = undefined;
    this.#cancelAskPong?.();
    this.#isAskPingOpen = false;
  }

  /**
   * A stock master that was there before this server has the root lock of another one, which nobody gives back. It answers pings,
   * and grants nothing.
   */
  #watchFirstRoot(master: Peer, requestNumber: number): void {
    const { clock, limits, startedAt, masterIsStuck } = this.#settings;
    const mayBeOlder = clock.now() < startedAt + limits.reconnectGrace;
    if (requestNumber !== 1 || !this.#root.isAsked || master.session !== undefined || !mayBeOlder) return;
    let cancelTimeout: Cancel | undefined;
    const cancelReading = master.whenRead(() => {
      cancelTimeout = clock.schedule(DEAD_ROOT_MS, () => {
        this.#cancelRootCheck = undefined;
        // One that was started after the server has a long transaction of its own.
        const isYounger = (master.process?.age ?? Number.POSITIVE_INFINITY) < clock.now() - startedAt;
        if (!isYounger) masterIsStuck(master);
      });
    });
    this.#cancelRootCheck = () => {
      cancelReading();
      cancelTimeout?.();
    };
  }

  #endRootCheck(): void {
    this.#cancelRootCheck?.();
    this.#cancelRootCheck = undefined;
  }

  #releaseRoot(lockId: number): void {
    const master = this.#master;
    if (master === undefined) return;
    const id = `${this.#name}unlock${lockId}`;
    this.#returning.add(id);
    this.#settings.delivery.send(master, rootRelease(id, lockId));
  }

  /** If a lock does not expire when the server thinks, the clocks differ, or `lockTimeout` is not AceBase's `storage.lockTimeout`. */
  #compareClocks(expires: number | undefined): void {
    if (expires === undefined) return;
    const { clock, limits, database, incidents } = this.#settings;
    const lasts = Math.round(expires - clock.wallTime());
    if (Math.abs(lasts - limits.lockTimeout) <= LOCK_EXPIRY_TOLERANCE_MS) return;
    incidents.record(
      'lock-expiry',
      { database, lasts, lockTimeout: limits.lockTimeout },
      'locks of the master run out at another time than expected: set lockTimeout to its storage.lockTimeout, or set the clocks',
    );
  }

  #reasonFor(failure: RequestFailure): string {
    return reasonFor(failure, this.#settings.database);
  }

  #take(worker: Peer, details: Uint8Array): boolean {
    return this.#bytes.take(worker, details.length + WAITING_REQUEST_BYTES);
  }

  #give(worker: Peer, { details }: { readonly details: Uint8Array }): void {
    this.#bytes.give(worker, details.length + WAITING_REQUEST_BYTES);
  }
}
