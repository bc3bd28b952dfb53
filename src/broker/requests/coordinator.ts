/**
 * What workers ask the master, but for locks, and what it answers (docs/PROTOCOL.md, sections 6 and 9): every request gets
 * one answer. Where no master can answer, the server does: with an error where AceBase awaits one; where nobody does, an error would
 * end the process that asked.
 */

import { SERVER_ID } from '../../protocol/frames.js';
import {
  keyIndexOf,
  type MasterAnswerType,
  parseMasterAnswer,
  parseMasterRequest,
} from '../../protocol/messages.js';
import { answerFor, type RequestFailure, reasonFor } from '../../protocol/server-messages.js';
import type { FileNews } from '../file-metadata.js';
import { INDEX_CREATION_MS, INDEX_NEWS_MS, MAX_FAILED_AT_ONCE } from '../limits.js';
import type { LockService } from '../locks/lock-service.js';
import type { MasterSeat } from '../mastership.js';
import type { Delivery } from '../peers/delivery.js';
import { asksOnlyHere, type Peer } from '../peers/peer.js';
import type { Cancel, Clock, Scope } from '../ports.js';
import type { ServerRequests } from '../server-requests.js';
import type { OpenRequest, RequestTable } from './request-table.js';

/** What a request coordinator works with. */
export interface RequestCoordinatorSettings
  extends Pick<Scope, 'database' | 'clock' | 'limits' | 'incidents'> {
  readonly table: RequestTable;
  readonly seat: MasterSeat;
  readonly delivery: Delivery;
  readonly news: FileNews;
  readonly locks: LockService;
  readonly asked: ServerRequests;
}

/** When each request of one database goes to the master, and what its answer means. */
export class RequestCoordinator {
  readonly #settings: RequestCoordinatorSettings;
  readonly #table: RequestTable;
  readonly #indexCreations: IndexCreations;
  /** Workers that have got a place for what they have queued. */
  readonly #advancing = new Set<Peer>();
  /** Whether something is under way that what is queued must come behind. */
  #isBusy = false;
  /** Ends the wait for the next portion of answers. */
  #cancelPortion: Cancel | undefined;
  /** Ends the time of the request that has waited for a master for longest. */
  #cancelTimeout: Cancel | undefined;

  constructor(settings: RequestCoordinatorSettings) {
    this.#settings = settings;
    const { clock, locks, table } = settings;
    this.#table = table;
    this.#indexCreations = new IndexCreations(clock, locks, () => {
      const next = table.firstPostponed;
      if (next !== undefined) this.#give(next);
    });
  }

  /** A worker asks the master for something. @returns false if the message is malformed */
  ask(asker: Peer, message: Uint8Array): boolean {
    const request = parseMasterRequest(message);
    // What the master answers under such an id is meant for the server.
    if (request?.id.startsWith(SERVER_ID) === true) return false;
    const open = request && this.#table.add(asker, request, this.#settings.clock.now(), message);
    if (open === undefined) return false;
    if (this.#table.hasTurn(open)) this.#forward(open);
    else if (!this.#table.enqueue(open)) {
      this.#settings.delivery.reportTooManyRequests(asker.id);
      this.#fail(open, this.#table.hasMemoryFor(open) ? 'IPC_REQUEST_TOO_MANY' : 'IPC_REQUEST_NO_MEMORY');
    }
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
    const { locks, news, asked: askedHere } = this.#settings;
    if (answer !== undefined && askedHere.answered(master, answer, message)) return false;
    if (answer === undefined || type !== 'result') {
      // Asked by a server that is gone, or by this one, and told once more.
      if (answer?.id.startsWith(SERVER_ID) !== true) this.#reportUnasked();
      else if (answer.lockId !== undefined) locks.root.grantedUnasked(master, answer.lockId);
      return false;
    }
    const found = receiver && this.#table.find(receiver, answer.id);
    const open = found?.state.kind === 'forwarded' ? found : undefined;
    const asked = open ?? this.#table.findAbandoned(answer.id);
    if (asked === undefined) {
      this.#reportUnasked();
      return false;
    }
    if (asked.request.key !== undefined) {
      news.keyAnswered();
      if (open !== undefined) news.keyHasIndex(asked.request.key, keyIndexOf(message));
    }
    this.#close(asked);
    return open !== undefined;
  }

  /** A worker is gone for good: what it asked has no meaning any more. Of what waits, the master is told only what it gives back. */
  gone(worker: Peer): void {
    const { seat, delivery, news } = this.#settings;
    let dropped = 0;
    for (const open of this.#table.of(worker)) {
      const { kind } = open.state;
      if (kind === 'forwarded') continue;
      if (kind === 'queued' && open.request.subject === 'fst.release' && !seat.isHeld) this.#give(open);
      else {
        this.#table.close(open);
        dropped++;
      }
    }
    if (dropped > 0) delivery.reportOrphanedRequests(worker.id, dropped);
    for (const { request } of this.#table.abandon(worker)) news.keyInDoubt(request.key);
  }

  /** The master is no longer part of the database; it may still answer what it was asked. */
  masterLeft(): void {
    this.#indexCreations.end();
    this.#table.dropMessages();
    for (const open of this.#table.postponed()) this.#hold(open);
  }

  /** A master has left that was not accepted, and so was given nothing. */
  masterNeverServed(): void {
    this.#table.dropMessages();
  }

  /** The last master answers no more: what it left open is for the next one, or is answered by the server. @returns whether it left anything open */
  masterEnded(): boolean {
    const { forwarded, abandoned } = this.#table.masterEnded();
    // Who asks may be gone before the next one comes.
    for (const { request } of [...abandoned, ...forwarded]) this.#settings.news.keyInDoubt(request.key);
    this.#inOneGo(() => {
      const again: OpenRequest[] = [];
      for (const open of forwarded) {
        if (open.payload !== undefined) again.push(open);
        else this.#fail(open, 'IPC_REQUEST_MASTER_LOST');
      }
      for (const { senderId, request } of this.#table.holdFirst(again)) {
        if (request !== undefined) this.#failForWantOfRoom(request);
        else this.#settings.delivery.reportFullMailbox(senderId);
      }
    });
    return forwarded.length + abandoned.length > 0;
  }

  /**
   * To be called after everything that happens in the database: sees to it that nobody waits for ever for a master that is not connected
   * [PROTOCOL-6.1]. With one, requests wait, however long it takes to settle.
   */
  settle(): void {
    const { seat, clock } = this.#settings;
    if (seat.master !== undefined) {
      this.#endTimeout();
      return;
    }
    const first = this.#cancelTimeout === undefined ? this.#oldestWaiting() : undefined;
    if (first === undefined) return;
    this.#cancelTimeout = clock.schedule(Math.max(this.#endOf(first) - clock.now(), 0), () => {
      this.#cancelTimeout = undefined;
      this.#failOverdue();
    });
  }

  #endTimeout(): void {
    this.#cancelTimeout?.();
    this.#cancelTimeout = undefined;
  }

  /** Whatever waits has its full time since the last master left. */
  #endOf({ since }: WaitingForMaster): number {
    const { seat, limits } = this.#settings;
    return Math.max(since, seat.vacantSince) + limits.masterTimeout;
  }

  #failOverdue(): void {
    for (let failed = 0; failed < MAX_FAILED_AT_ONCE; failed++) {
      const first = this.#oldestWaiting();
      if (first === undefined || this.#endOf(first) > this.#settings.clock.now()) return;
      first.fail();
    }
  }

  /** A new master has opened its file: it gets what waited, in order. */
  release(master: Peer): void {
    master.outbox.hasAllUpTo(this.#table.caughtUpTo);
    this.#inOneGo(() => {
      for (const { request, payload } of this.#table.held()) {
        if (request !== undefined) this.#forward(request, true);
        else this.#settings.delivery.sendOwed(master, payload);
      }
      this.#table.dropMessages();
    });
    this.#settings.locks.masterIsReady();
  }

  /** The workers are about to be sent away: those that cannot ask the next server again get an answer to what no master has of them. */
  failBeforeDraining(): void {
    const waiting = [...this.#table.all()].filter(
      ({ state, asker }) => state.kind !== 'forwarded' && asksOnlyHere(asker),
    );
    this.#inOneGo(() => {
      for (const open of waiting) this.#fail(open, 'IPC_REQUEST_DRAINING');
    });
  }

  /**
   * The next master is let in when no worker holds a lock: those that do get an answer to what they wait for, and come to their end
   * [PROTOCOL-16.4]. Many are answered in portions; to be called again after everything that happens in the database.
   */
  failOfHolders(): void {
    const { locks, clock } = this.#settings;
    if (this.#cancelPortion !== undefined) return;
    const waiting: OpenRequest[] = [];
    for (const open of this.#waitingOfHolders()) {
      if (waiting.push(open) === MAX_FAILED_AT_ONCE) break;
    }
    this.#inOneGo(() => {
      for (const open of waiting) this.#fail(open, 'IPC_REQUEST_NO_MASTER');
    });
    const left = MAX_FAILED_AT_ONCE - waiting.length;
    if (locks.failOfHolders(left) < left) return;
    this.#cancelPortion = clock.schedule(0, () => {
      this.#cancelPortion = undefined;
    });
  }

  *#waitingOfHolders(): Iterable<OpenRequest> {
    for (const worker of this.#settings.locks.holders) {
      for (const open of this.#table.of(worker)) if (open.state.kind !== 'forwarded') yield open;
    }
  }

  /** The server stops. */
  stop(): void {
    this.#endTimeout();
    this.#cancelPortion?.();
    this.#indexCreations.end();
    this.#table.clear();
  }

  #oldestWaiting(): WaitingForMaster | undefined {
    const { locks } = this.#settings;
    const request = this.#table.oldestHeld;
    const lock = locks.oldestRequest;
    if (lock !== undefined && (request === undefined || lock.since <= request.since)) {
      return { since: lock.since, fail: () => locks.fail(lock, 'IPC_REQUEST_NO_MASTER') };
    }
    if (request === undefined) return undefined;
    return { since: request.since, fail: () => this.#fail(request, 'IPC_REQUEST_NO_MASTER') };
  }

  #reportUnasked(): void {
    this.#settings.incidents.record('unasked-answer', {});
  }

  /** A request goes to the master, when there is one, and when its turn has come. */
  #forward(open: OpenRequest, isOwed = false): void {
    if (this.#settings.seat.isHeld) this.#hold(open);
    else if (!isIndexCreation(open) || !this.#indexCreations.isUnderWay) this.#give(open, isOwed);
    else if (!this.#table.postpone(open)) this.#failForWantOfRoom(open);
  }

  #give(open: OpenRequest, isOwed = false): void {
    const { seat, delivery, news } = this.#settings;
    const { master } = seat;
    if (master === undefined) {
      this.#hold(open);
      return;
    }
    if (open.request.key !== undefined && !news.hasRoomForKey()) {
      this.#fail(open, 'IPC_REQUEST_KEY_TABLE_FULL');
      return;
    }
    if (isIndexCreation(open)) this.#indexCreations.begin(open);
    const message = this.#table.forward(open);
    if (isOwed) delivery.sendOwed(master, message);
    else delivery.send(master, message);
  }

  #hold(open: OpenRequest): void {
    if (!this.#table.hold(open)) this.#failForWantOfRoom(open);
  }

  #failForWantOfRoom(open: OpenRequest): void {
    this.#settings.delivery.reportFullMailbox(open.asker.id);
    this.#fail(open, this.#table.hasMemoryFor(open) ? 'IPC_REQUEST_MAILBOX_FULL' : 'IPC_REQUEST_NO_MEMORY');
  }

  /** Answers in the master's name. */
  #fail(open: OpenRequest, failure: RequestFailure): void {
    if (open.state.kind === 'closed') return;
    const { asker, request } = open;
    const { database, delivery, incidents } = this.#settings;
    const fields = { to: asker.id, type: 'request', failure };
    incidents.record('answered-for-master', fields);
    delivery.send(asker, answerFor(request, reasonFor(failure, database)));
    this.#close(open);
  }

  /** A request has its answer, whoever gave it: there may be a place for another one of its worker. */
  #close(open: OpenRequest): void {
    this.#table.close(open);
    this.#indexCreations.closed(open);
    if (this.#table.nextQueued(open.asker) === undefined) return;
    this.#inOneGo(() => this.#advancing.add(open.asker));
  }

  /** What is queued gets the places that became free when all is done: it comes behind what is under way, however that is answered. */
  #inOneGo(act: () => void): void {
    if (this.#isBusy) {
      act();
      return;
    }
    this.#isBusy = true;
    act();
    for (const asker of this.#advancing) {
      this.#advancing.delete(asker);
      for (let next = this.#table.nextQueued(asker); next; next = this.#table.nextQueued(asker)) {
        this.#forward(next);
      }
    }
    this.#isBusy = false;
  }
}

function isIndexCreation({ request }: OpenRequest): boolean {
  return request.subject === 'index.create';
}

/**
 * New indexes, one at a time [PROTOCOL-9.6].
 *
 * A stock master that is asked twice for the same index answers the second request before the file of the first is
 * there, and the worker that hears of it dies in trying to open it. Processes that start together ask together.
 *
 * A worker that has not heard of an index does not tell it what it writes. So nobody begins to write from the request
 * until a moment after its answer: what the master did not find in the file, a worker tells the index [PROTOCOL-12.5].
 */
class IndexCreations {
  readonly #clock: Clock;
  readonly #locks: Pick<LockService, 'keepWritersBack'>;
  readonly #beginNext: () => void;
  #underWay: { readonly open: OpenRequest; readonly cancelTimeout: Cancel } | undefined;
  #cancelNews: Cancel | undefined;

  /** @param beginNext begins the next one, if any is postponed */
  constructor(clock: Clock, locks: Pick<LockService, 'keepWritersBack'>, beginNext: () => void) {
    this.#clock = clock;
    this.#locks = locks;
    this.#beginNext = beginNext;
  }

  /** Whether another one has to wait. */
  get isUnderWay(): boolean {
    return this.#underWay !== undefined;
  }

  /** The master is asked for an index. */
  begin(open: OpenRequest): void {
    const cancelTimeout = this.#clock.schedule(INDEX_CREATION_MS, () => this.#next());
    this.#underWay = { open, cancelTimeout };
    this.#locks.keepWritersBack(true);
  }

  /** A request has its answer. */
  closed(open: OpenRequest): void {
    if (open === this.#underWay?.open) this.#next();
  }

  /** The master is gone, and what was under way with it. */
  end(): void {
    this.#underWay?.cancelTimeout();
    this.#underWay = undefined;
    this.#cancelNews?.();
    this.#cancelNews = undefined;
    this.#locks.keepWritersBack(false);
  }

  #next(): void {
    this.#underWay?.cancelTimeout();
    this.#underWay = undefined;
    this.#cancelNews?.();
    this.#cancelNews = this.#clock.schedule(INDEX_NEWS_MS, () => {
      this.#cancelNews = undefined;
      if (this.#underWay === undefined) this.#locks.keepWritersBack(false);
    });
    this.#beginNext();
  }
}

/** A request that waits for a master. */
interface WaitingForMaster {
  /** When it came, by the broker's clock. */
  readonly since: number;
  /** It has waited for as long as it may; it does not wait any more when this returns. */
  fail(): void;
}
