/**
 * What workers ask the master, but for locks, and what it answers (docs/PROTOCOL.md, sections 6 and 9): every request gets
 * one answer.
 */

import {
  expiryOf,
  keyIndexOf,
  type MasterAnswerType,
  parseMasterAnswer,
  parseMasterRequest,
} from '../../protocol/messages.js';
import { ClosingTime } from '../drain.js';
import type { FileNews } from '../file-metadata.js';
import { type Limits, MAX_FAILED_AT_ONCE } from '../limits.js';
import type { LockService } from '../locks/lock-service.js';
import type { MasterSeat } from '../mastership.js';
import type { ByteBudget } from '../memory.js';
import type { Delivery } from '../peers/delivery.js';
import type { Peer } from '../peers/peer.js';
import type { Cancel, Clock, Logger } from '../ports.js';
import type { DatabaseCounters } from '../stats/counters.js';
import type { Incidents } from '../stats/incidents.js';
import { isProofId, MasterProof } from '../succession.js';
import { IndexCreations } from './index-creations.js';
import { type RequestFailure, reasonFor } from './request-failures.js';
import {
  answerFor,
  type Mail,
  mailOf,
  type OpenRequest,
  OpenRequests,
  type RequestCounts,
  type RequestPlace,
  RequestWindows,
} from './request-table.js';

/** The desk of one database. */
export class MasterDesk {
  /** What it does before its server stops. */
  readonly closing: ClosingTime;
  /** Whether a master is a new process. */
  readonly proof: MasterProof;
  readonly #settings: MasterDeskSettings;
  readonly #requests: OpenRequests;
  readonly #windows: RequestWindows;
  readonly #indexCreations: IndexCreations;
  readonly #missingMaster: MissingMaster;
  #isInDoubt = false;
  /** Places that became free while a new master is given what waited for it. */
  #freedPlaces: RequestPlace[] | undefined;

  constructor(settings: MasterDeskSettings) {
    this.#settings = settings;
    const { clock, limits, kept, locks, seat } = settings;
    this.#requests = new OpenRequests(kept);
    this.proof = new MasterProof(clock, settings.delivery);
    const fail = (open: OpenRequest, failure: RequestFailure): void => this.#fail(open, failure);
    this.#missingMaster = new MissingMaster({
      clock,
      limits,
      hasMaster: () => seat.master !== undefined,
      oldest: () => this.#oldestWaiting(),
    });
    this.#indexCreations = new IndexCreations(clock, limits, kept, {
      send: ({ request, payload }) => request !== undefined && this.#give(request, payload),
      holdsWriters: (areHeld) => locks.keepWritersBack(areHeld),
    });
    this.#windows = new RequestWindows({
      limits,
      kept,
      pass: (open, payload) => this.#forward(open, payload),
    });
    this.closing = new ClosingTime({
      requests: this.#requests,
      windows: this.#windows,
      indexCreations: this.#indexCreations,
      locks,
      fail,
    });
  }

  /** A worker asks the master for something. @returns false if the message is malformed */
  ask(asker: Peer, message: Uint8Array): boolean {
    const request = parseMasterRequest('request', message);
    if (request === undefined || this.#requests.has(asker, request.id)) return false;
    const open = this.#requests.open(asker, request, this.#settings.clock.now(), message);
    const turn = this.#windows.admit(open, message);
    if (turn === 'now') this.#forward(open, message);
    if (turn === 'full') {
      this.#settings.delivery.reportTooManyRequests(open.asker.id);
      this.#answer(open, 'IPC_REQUEST_TOO_MANY');
    }
    return true;
  }

  /** A worker waits for something, and there is no master. */
  isAwaited(): void {
    this.#missingMaster.watch();
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
    if (isProofId(answer.id)) {
      this.proof.answered(answer);
      return false;
    }
    const { locks, news } = this.#settings;
    if (type !== 'result') {
      if (!locks.answered(master, answer, expiryOf(message))) this.#reportUnasked();
      return false;
    }
    const open = receiver === undefined ? undefined : this.#requests.answer(receiver, answer.id);
    const asked = open ?? this.#requests.answerAbandoned(answer.id);
    if (asked !== undefined) {
      this.#indexCreations.answered(answer.id);
      if (asked.request.key !== undefined) {
        news.keyAnswered();
        if (open !== undefined) news.keyHasIndex(asked.request.key, keyIndexOf(message));
      }
    } else if (!news.answered(answer.id, keyIndexOf(message))) this.#reportUnasked();
    if (open === undefined) return false;
    this.#isClosed(open);
    return true;
  }

  /** A worker is gone for good: what it asked has no meaning any more. */
  gone(worker: Peer): void {
    const { seat, delivery } = this.#settings;
    const count =
      this.#dropWaitingOf(worker) +
      seat.discardRequestsOf(worker.id) +
      this.#indexCreations.discardRequestsOf(worker.id);
    if (count > 0) delivery.reportOrphanedRequests(worker.id, count);
    this.#requests.abandon(worker);
  }

  /** Whether the last master may have given, or kept, what is not known here. */
  get isInDoubt(): boolean {
    return this.#isInDoubt;
  }

  /** How much is asked, and was not answered. */
  count(): RequestCounts {
    return this.#requests.count();
  }

  /** The master is no longer part of the database; it may still answer what it was asked. */
  masterLeft(): void {
    this.proof.cancel();
    if (this.#settings.locks.masterLeft()) this.#isInDoubt = true;
    for (const mail of this.#indexCreations.end()) this.#keep(mail);
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
      else this.#answer(open, 'IPC_REQUEST_MASTER_LOST');
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
   * A master takes part. Is it a new process?
   *
   * @param conclude is called once, unless the master goes away before
   */
  prove(master: Peer, conclude: (verdict: 'new' | 'old') => void): void {
    // A client that has a session says itself who it is.
    const isNew = master.session !== undefined || !(this.#isInDoubt || this.proof.mayFormerReturn);
    const { highestId, tid } = this.#settings.locks.lastRoot;
    const concluded = (verdict: 'new' | 'old'): void => {
      if (verdict === 'new' && this.#isInDoubt) this.proof.replaced(highestId);
      if (verdict === 'new') this.#isInDoubt = false;
      conclude(verdict);
    };
    if (isNew || this.proof.isDispensable) concluded('new');
    else this.proof.begin(master, { tid, highestId: this.#isInDoubt ? highestId : undefined }, concluded);
  }

  /** A new master has opened its file: it gets what waited, in order. */
  release(master: Peer, mail: readonly Mail[]): void {
    const { delivery } = this.#settings;
    this.#isInDoubt = false;
    this.proof.masterStays();
    // What waits behind this mail comes after all of it.
    this.#freedPlaces = [];
    for (const { request, payload } of mail) {
      if (request !== undefined) this.#forward(request, payload, true);
      else delivery.sendOwed(master, payload);
    }
    const freed = this.#freedPlaces;
    this.#freedPlaces = undefined;
    for (const place of freed) place.release();
    this.#settings.locks.masterIsReady();
  }

  /** The server stops. */
  stop(): void {
    this.masterCame();
    this.proof.cancel();
    this.#indexCreations.end();
    this.#windows.clear();
    this.#requests.clear();
  }

  #oldestWaiting(): { readonly since: number; fail(): void } | undefined {
    const { seat, locks } = this.#settings;
    const request = seat.oldestRequest;
    const lock = locks.oldestRequest;
    if (lock !== undefined && (request === undefined || lock.since <= request.since)) {
      return { since: lock.since, fail: () => locks.fail(lock, 'IPC_REQUEST_NO_MASTER') };
    }
    if (request === undefined) return undefined;
    return { since: request.since, fail: () => this.#fail(request, 'IPC_REQUEST_NO_MASTER') };
  }

  #reportUnasked(): void {
    const { incidents, database } = this.#settings;
    incidents.record('unasked-answer', { database }, 'dropped an answer that nobody waits for');
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
    const turn = this.#indexCreations.admit(mailOf(open, message));
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

/** What the desk of a master works with. */
export interface MasterDeskSettings {
  readonly database: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits: Limits;
  readonly kept: ByteBudget;
  readonly incidents: Incidents;
  readonly counters: DatabaseCounters;
  readonly peers: ReadonlyMap<string, Peer>;
  readonly seat: MasterSeat;
  readonly delivery: Delivery;
  readonly news: FileNews;
  readonly locks: LockService;
}

/** A request that waits for a master. */
export interface WaitingForMaster {
  /** When it came, by the broker's clock. */
  readonly since: number;
  /** It has waited for as long as it may; it does not wait any more when this returns. */
  fail(): void;
}

/** What it works with. */
export interface MissingMasterSettings {
  readonly clock: Clock;
  readonly limits: Limits;
  hasMaster(): boolean;
  /** The request that has waited for longest; `undefined` if none waits. */
  oldest(): WaitingForMaster | undefined;
}

/** Sees to it that nobody waits for ever for a master that is not connected [PROTOCOL-6.1]. */
export class MissingMaster {
  readonly #settings: MissingMasterSettings;
  #lostAt: number;
  #cancelTimeout: Cancel | undefined;

  constructor(settings: MissingMasterSettings) {
    this.#settings = settings;
    this.#lostAt = settings.clock.now();
  }

  /** The master has gone: whatever waits has its full time from now on. */
  lost(): void {
    this.#lostAt = this.#settings.clock.now();
    this.watch();
  }

  /** A master has come, or the server stops: requests wait, however long the master takes to settle. */
  end(): void {
    this.#cancelTimeout?.();
    this.#cancelTimeout = undefined;
  }

  /** Requests may have been kept. */
  watch(): void {
    const { hasMaster, oldest, clock } = this.#settings;
    if (this.#cancelTimeout !== undefined || hasMaster()) return;
    const first = oldest();
    if (first === undefined) return;
    this.#cancelTimeout = clock.schedule(Math.max(this.#endOf(first) - clock.now(), 0), () => {
      this.#cancelTimeout = undefined;
      this.#failOverdue();
      this.watch();
    });
  }

  #endOf({ since }: WaitingForMaster): number {
    return Math.max(since, this.#lostAt) + this.#settings.limits.masterTimeout;
  }

  #failOverdue(): void {
    const { oldest, clock } = this.#settings;
    for (let failed = 0; failed < MAX_FAILED_AT_ONCE; failed++) {
      const first = oldest();
      if (first === undefined || this.#endOf(first) > clock.now()) return;
      first.fail();
    }
  }
}
