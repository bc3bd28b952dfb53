/**
 * What workers ask the master, and what it answers (docs/PROTOCOL.md, sections 6, 9 and 12): every request gets one
 * answer, and every lock is given back, whoever dies.
 */

import { IndexCreations } from '../file/index-creations.js';
import { LockChanges } from '../locks/lock-changes.js';
import { LockExpiry } from '../locks/lock-expiry.js';
import { LockGate } from '../locks/lock-gate.js';
import { type Lock, LockLedger } from '../locks/lock-ledger.js';
import { LockOverview } from '../locks/lock-overview.js';
import { isOwnId, LockReturns } from '../locks/lock-returns.js';
import { OlderLocks } from '../locks/older-locks.js';
import {
  keyIndexOf,
  type MasterAnswer,
  type MasterAnswerType,
  type MasterRequest,
  parseMasterAnswer,
  parseMasterRequest,
} from '../messages/message.js';
import type { Peer } from '../peers/peer.js';
import { ClosingTime } from './closing-time.js';
import type { MasterDeskSettings } from './desk-settings.js';
import { type Mail, mailOf } from './mailbox.js';
import { MasterProof } from './master-proof.js';
import { MissingMaster } from './missing-master.js';
import { type RequestFailure, reasonFor } from './request-failures.js';
import { RequestWindows } from './request-windows.js';
import { answerFor, movedToParent, type OpenRequest, OpenRequests, type RequestPlace } from './requests.js';

/** The desk of one database. */
export class MasterDesk {
  /** What it does before its server stops. */
  readonly closing: ClosingTime;
  /** Whether a master is a new process. */
  readonly proof: MasterProof;
  readonly #settings: MasterDeskSettings;
  readonly #requests: OpenRequests;
  readonly #windows: RequestWindows;
  readonly #ledger: LockLedger;
  readonly #gate: LockGate;
  readonly #indexCreations: IndexCreations;
  readonly #missingMaster: MissingMaster;
  readonly #returns: LockReturns;
  readonly #changes: LockChanges;
  readonly #expiry: LockExpiry;
  /** Locks from before this server, and those who tell of them. */
  readonly olderLocks: OlderLocks;
  /** For people to read. */
  readonly overview: LockOverview;
  #isInDoubt = false;
  /** Places that became free while a new master is given what waited for it. */
  #freedPlaces: RequestPlace[] | undefined;

  constructor(settings: MasterDeskSettings) {
    this.#settings = settings;
    const { clock, limits, kept, counters } = settings;
    this.#requests = new OpenRequests(kept);
    this.#ledger = new LockLedger({
      released: ({ since }) => counters.lockHold.observe(clock.now() - since),
      orphaned: (locks) => (counters.orphanedLocks += locks),
    });
    this.overview = new LockOverview({ clock, limits, ledger: this.#ledger, requests: this.#requests });
    this.proof = new MasterProof(clock, settings.delivery);
    this.#returns = new LockReturns(settings);
    const ranOut = (holder: Peer): void => this.#writeWasCutShort(holder);
    this.#expiry = new LockExpiry({ ...settings, ledger: this.#ledger, ranOut });
    this.#missingMaster = new MissingMaster({
      ...settings,
      fail: (open) => this.#fail(open, 'IPC_REQUEST_NO_MASTER'),
      failed: settings.sent,
    });
    this.#indexCreations = new IndexCreations(clock, limits, kept, {
      send: ({ request, payload }) => request !== undefined && this.#give(request, payload),
      writersMayGo: () => this.#gate.review(),
      sent: settings.sent,
    });
    this.olderLocks = new OlderLocks({
      ...settings,
      ledger: this.#ledger,
      grace: limits.reconnectGrace,
      giveBack: (id) => this.#returns.giveBack(id),
      review: () => this.#gate.review(),
    });
    this.#changes = new LockChanges({ ledger: this.#ledger, olderLocks: this.olderLocks });
    this.#gate = new LockGate({
      ...settings,
      isHoldingGrants: () => this.closing.hasBegun || this.olderLocks.isHoldingGrants,
      mayBeGranted: (open) => this.olderLocks.mayBeGranted(open),
      ledger: this.#ledger,
      indexCreations: this.#indexCreations,
      ranOut,
      pass: ({ open, payload }) => this.#give(open, payload),
    });
    this.#windows = new RequestWindows({
      limits,
      kept,
      mayHoldLock: (open) =>
        open.request.tid === undefined ||
        this.#ledger.hasLocks(open.request.tid) ||
        this.olderLocks.mayBeGranted(open),
      pass: (open, payload) => this.#forward(open, payload),
    });
    const parts = {
      requests: this.#requests,
      windows: this.#windows,
      gate: this.#gate,
      ledger: this.#ledger,
    };
    const fail = (open: OpenRequest, failure: RequestFailure): void => this.#fail(open, failure);
    this.closing = new ClosingTime({ ...parts, indexCreations: this.#indexCreations, fail });
  }

  /** A worker asks the master for something. @returns false if the message is malformed */
  ask(asker: Peer, type: MasterRequest['type'], message: Uint8Array): boolean {
    const request = parseMasterRequest(type, message);
    if (request === undefined || this.#requests.has(asker, request.id)) return false;
    const open = this.#requests.open(asker, request, this.#settings.clock.now(), message);
    if (type === 'unlock-request') this.#unlock(open, message);
    else if (type === 'move-lock-request') this.#move(open, message);
    else this.#enter(open, message);
    return true;
  }

  /**
   * The master answers somebody.
   *
   * @param receiver who is to get it; `undefined` if nobody of that id is connected or away
   * @returns whether it is to be passed on
   */
  answer(master: Peer, receiver: Peer | undefined, type: MasterAnswerType, message: Uint8Array): boolean {
    const answer = parseMasterAnswer(type, message);
    if (answer === undefined) return false;
    if (receiver?.state === 'away' && answer.lock !== undefined && this.#postpone(master, receiver, answer))
      return false;
    const open = receiver === undefined ? undefined : this.#requests.answer(receiver, answer.id, type);
    if (open === undefined || receiver === undefined) {
      this.#swallow(master, answer, message);
      return false;
    }
    if (type === 'lock-result') this.#lockAnswered(master, open, answer, message);
    if (type === 'result') this.#resultCame(open, message);
    this.#gate.answered(open);
    this.#isClosed(open);
    return true;
  }

  /** A worker is back. */
  cameBack(worker: Peer): void {
    for (const open of this.#requests.resume(worker)) {
      if (open.payload !== undefined) this.#forward(open, open.payload);
    }
  }

  /** A worker is gone for good: what it asked and held has no meaning any more. */
  gone(worker: Peer): void {
    const { seat, delivery, incidents, database, limits, counters } = this.#settings;
    const count =
      this.#dropWaitingOf(worker) +
      seat.discardRequestsOf(worker.id) +
      this.#indexCreations.discardRequestsOf(worker.id) +
      this.#gate.discardRequestsOf(worker);
    if (count > 0) delivery.reportOrphanedRequests(worker.id, count);
    this.#requests.abandon(worker);
    const { held, orphans } = this.#ledger.locksOf(worker);
    const locks = held.concat(orphans);
    for (const lock of held) this.#ledger.release(lock);
    for (const orphan of orphans) this.#changes.endOrphan(orphan);
    if (locks.length > 0 && limits.lockRecovery) {
      const fields = { database, peer: worker.id, locks: locks.length };
      counters.recoveredLocks += locks.length;
      incidents.record('locks-recovered', fields, 'a worker went away with locks; they were given back');
      if (locks.some(({ isWrite }) => isWrite)) this.#writeWasCutShort(worker);
      for (const { id } of held) this.#returns.giveBack(id);
    }
    this.#gate.review();
  }

  /** Whether the ledger shows that this worker holds a lock. */
  holdsLocks(worker: Peer): boolean {
    const { held, orphans } = this.#ledger.locksOf(worker);
    return held.length + orphans.length > 0;
  }

  /** Whether the last master may have given, or kept, locks that the ledger does not show. */
  get isInDoubt(): boolean {
    return this.#isInDoubt;
  }

  /** The master is no longer part of the database; it may still answer what it was asked. */
  masterLeft(master: Peer): void {
    this.proof.cancel();
    if (!this.#ledger.isEmpty || this.#returns.areUnderWay) this.#isInDoubt = true;
    this.#returns.forget();
    if (this.#settings.limits.lockRecovery) this.#ledger.orphanAll();
    else this.#ledger.clear();
    this.olderLocks.masterLeft(master);
    this.#expiry.masterLeft();
    for (const mail of this.#indexCreations.end()) this.#keep(mail);
    for (const { open, payload } of this.#gate.end()) this.#keep(mailOf(open, payload));
    this.#missingMaster.lost();
  }

  /** A master has left that was not accepted, and so was given nothing. */
  masterNeverServed(): void {
    this.#missingMaster.lost();
  }

  /** The last master answers no more: what it left open is for the next one, or is answered by the server. */
  masterEnded(): void {
    const { requests, abandoned } = this.#requests.lost();
    this.#isInDoubt ||= requests.length + abandoned.length > 0;
    // Who asks may be gone before the next one comes.
    for (const { request } of [...abandoned, ...requests]) this.#settings.news.keyInDoubt(request.key);
    const again: Mail[] = [];
    for (const open of requests) {
      open.isPassed = false;
      if (open.payload !== undefined) again.push(mailOf(open, open.payload));
      else this.#answerLost(open);
    }
    for (const { request } of this.#settings.seat.keepFirst(again)) {
      if (request !== undefined) this.#fail(request, 'IPC_REQUEST_MAILBOX_FULL');
    }
    this.#missingMaster.watch();
  }

  /** A master came: requests wait for it, however long it takes to settle. */
  masterCame(): void {
    this.#missingMaster.end();
  }

  /**
   * A master has opened its file. Is it a new process?
   *
   * @param conclude is called once, unless the master goes away before
   */
  prove(master: Peer, conclude: (verdict: 'new' | 'old') => void): void {
    this.olderLocks.adopt(master);
    const mayBeLast = this.#isInDoubt || !this.#ledger.isEmpty;
    // A client that has a session says itself who it is.
    const isNew = master.session !== undefined || !(mayBeLast || this.proof.mayFormerReturn);
    if (isNew || this.proof.isDispensable || !this.#settings.limits.lockRecovery) {
      conclude('new');
      return;
    }
    const requestId = this.#returns.nextId();
    const tid = [...this.#ledger.orphans][0]?.tid ?? requestId;
    const highestId = mayBeLast ? this.#ledger.highestId : undefined;
    this.proof.begin(master, { requestId, tid, highestId }, (verdict, lockId) => {
      if (lockId !== undefined) this.#returns.giveBack(lockId);
      conclude(verdict);
      this.#settings.sent();
    });
  }

  /** A new master has opened its file: it gets what waited, in order. */
  release(mail: readonly Mail[]): void {
    if (this.#isInDoubt) this.proof.replaced(this.#ledger.highestId);
    this.#isInDoubt = false;
    this.proof.masterStays();
    this.#ledger.beginEpoch();
    // What waits behind this mail comes after all of it.
    this.#freedPlaces = [];
    for (const { request, payload } of mail) {
      const { master } = this.#settings.seat;
      if (request?.request.type === 'unlock-request') this.#unlock(request, payload);
      else if (request !== undefined) this.#forward(request, payload, true);
      else if (master !== undefined) this.#settings.delivery.sendOwed(master, payload);
    }
    const freed = this.#freedPlaces;
    this.#freedPlaces = undefined;
    for (const place of freed) place.release();
  }

  /** The server stops. */
  stop(): void {
    this.masterCame();
    this.proof.cancel();
    this.olderLocks.stop();
    this.#indexCreations.end();
    this.#gate.end();
    this.#windows.clear();
    this.#requests.clear();
  }

  /** A write of that worker may have left others with what is not in the file, and the file with what they do not know. */
  #writeWasCutShort(worker: Peer): void {
    this.#returns.invalidateCaches(worker);
    this.#settings.news.haveRootWritten();
  }

  #unlock(open: OpenRequest, message: Uint8Array): void {
    const orphans = this.#ledger.orphans.size;
    const change = this.#changes.unlock(open);
    if (change.to === 'master') this.#give(open, message);
    else if (change.to === 'next master') this.#keep(mailOf(open, message));
    else this.#answer(open, 'IPC_REQUEST_LOCK_LOST');
    if (this.#ledger.orphans.size < orphans) this.#gate.review();
  }

  #move(open: OpenRequest, message: Uint8Array): void {
    const change = this.#changes.move(open);
    if (change.to === 'server') this.#answerMove(open, change.orphan);
    else this.#give(open, message);
  }

  #answerMove(open: OpenRequest, orphan: Lock | undefined): void {
    if (orphan === undefined) {
      this.#answer(open, 'IPC_REQUEST_LOCK_LOST');
      return;
    }
    this.#requests.close(open);
    this.#settings.delivery.send(open.asker, movedToParent(open.request, orphan));
  }

  /** A request came that may have to wait behind others of the same worker. */
  #enter(open: OpenRequest, message: Uint8Array): void {
    const turn = this.#windows.admit(open, message);
    if (turn === 'now') this.#forward(open, message);
    if (turn !== 'full') return;
    this.#settings.delivery.reportTooManyRequests(open.asker.id);
    this.#answer(open, 'IPC_REQUEST_TOO_MANY');
  }

  /** A request has its answer, whoever gave it: its place is free. */
  #isClosed(open: OpenRequest): void {
    const { place } = open;
    open.place = undefined;
    if (place === undefined) return;
    if (this.#freedPlaces === undefined) place.release();
    else this.#freedPlaces.push(place);
  }

  /** A worker is gone: of what waits, the master is told only what it gives back. @returns how many requests are dropped */
  #dropWaitingOf(worker: Peer): number {
    let count = 0;
    for (const { open, payload } of this.#windows.takeRequestsOf(worker)) {
      if (open.request.subject === 'fst.release' && !this.#settings.seat.isHeld) this.#give(open, payload);
      else count++;
    }
    return count;
  }

  /** A request goes to the master, when there is one, and when its turn has come. */
  #forward(open: OpenRequest, message: Uint8Array, isOwed = false): void {
    if (this.#settings.seat.isHeld) {
      this.#keep(mailOf(open, message));
      return;
    }
    const { type } = open.request;
    let turn: 'now' | 'later' | 'full' = 'now';
    if (type === 'lock-request') turn = this.#gate.admit({ open, payload: message });
    else if (type === 'request') turn = this.#indexCreations.admit(mailOf(open, message));
    if (turn === 'now') this.#give(open, message, isOwed);
    if (turn === 'full') this.#failForWantOfRoom(open);
  }

  #give(open: OpenRequest, message: Uint8Array, isOwed = false): void {
    const { seat, delivery, news } = this.#settings;
    if (seat.master === undefined) return;
    if (open.request.key !== undefined && !news.hasRoomForKey()) {
      this.#answer(open, 'IPC_REQUEST_KEY_TABLE_FULL');
      return;
    }
    open.isPassed = true;
    if (isOwed) delivery.sendOwed(seat.master, message);
    else delivery.send(seat.master, message);
  }

  #keep(mail: Mail): void {
    const { request } = mail;
    if (request === undefined) return;
    if (!this.#settings.seat.keep(mail)) this.#failForWantOfRoom(request);
    else this.#missingMaster.watch();
  }

  #failForWantOfRoom(open: OpenRequest): void {
    this.#settings.delivery.reportFullMailbox(open.asker.id);
    this.#fail(open, 'IPC_REQUEST_MAILBOX_FULL');
  }

  #lockAnswered(master: Peer, open: OpenRequest, answer: MasterAnswer, message: Uint8Array): void {
    const moved = open.request.type === 'move-lock-request' ? this.#changes.lockOf(open) : undefined;
    if (moved !== undefined) this.#ledger.release(moved);
    if (answer.lock === undefined) {
      // AceBase forgets a lock that could not be moved; the master does not.
      if (moved !== undefined && master === this.#settings.seat.master) this.#returns.giveBack(moved.id);
      return;
    }
    const { clock, counters } = this.#settings;
    const now = clock.now();
    if (moved === undefined) counters.lockWait.observe(now - open.since);
    this.#ledger.grant(open.asker, answer.lock, now, message);
    this.#windows.granted(open.asker, answer.lock.tid);
    // A master that is leaving takes its locks along.
    if (master !== this.#settings.seat.master) this.#ledger.orphanAll();
    this.#expiry.granted(answer.lock, message);
    this.#settings.news.bringUpToDate(open.asker);
  }

  #resultCame({ request }: OpenRequest, message: Uint8Array): void {
    this.#indexCreations.answered(request.id);
    if (request.key === undefined) return;
    this.#settings.news.keyAnswered();
    this.#settings.news.keyHasIndex(request.key, keyIndexOf(message));
  }

  /** Nobody must wait for a lock that was granted to a worker that may be dead: it goes back until it returns. */
  #postpone(master: Peer, worker: Peer, { id, lock }: MasterAnswer): boolean {
    if (lock === undefined || !this.#settings.limits.lockRecovery) return false;
    const open = this.#requests.postpone(worker, id);
    if (open === undefined) return false;
    this.#gate.answered(open);
    if (master === this.#settings.seat.master) this.#returns.giveBack(lock.id);
    return true;
  }

  /** Nobody waits for this answer; a lock that it grants goes back. */
  #swallow(master: Peer, answer: MasterAnswer, message: Uint8Array): void {
    const { database, incidents, seat, news } = this.#settings;
    const abandoned = this.#requests.answerAbandoned(answer.id);
    this.#returns.answered(answer.id);
    if (abandoned !== undefined) {
      this.#indexCreations.answered(answer.id);
      this.#gate.answered(abandoned);
      if (abandoned.request.key !== undefined) news.keyAnswered();
    }
    this.proof.answered(answer);
    news.answered(answer.id, keyIndexOf(message));
    if (isOwnId(answer.id)) return;
    incidents.record('unasked-answer', { database }, 'dropped an answer that nobody waits for');
    const { lock } = answer;
    if (lock === undefined || master !== seat.master) return;
    if (this.#ledger.lockWith(lock.id) === undefined) this.#returns.giveBack(lock.id);
  }

  #answerLost(open: OpenRequest): void {
    if (open.request.type === 'move-lock-request') this.#answerMove(open, this.#changes.orphanOf(open));
    else this.#answer(open, 'IPC_REQUEST_MASTER_LOST');
  }

  #fail(open: OpenRequest, failure: RequestFailure): void {
    this.#settings.seat.discardRequest(open);
    this.#answer(open, failure);
  }

  #answer(open: OpenRequest, failure: RequestFailure): void {
    const { asker, request } = open;
    const { database, delivery, incidents } = this.#settings;
    this.#requests.close(open);
    const fields = { database, to: asker.id, type: request.type, failure };
    incidents.record('answered-for-master', fields, 'the server answered for the master');
    delivery.send(asker, answerFor(request, reasonFor(failure, database)));
    this.#isClosed(open);
  }
}
