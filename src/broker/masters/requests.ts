/**
 * Questions to the master, and their one answer (docs/PROTOCOL.md, section 6). Where no master can answer, the server
 * does: with an error where AceBase awaits one; where nobody does, an error would end the process that asked.
 */

import type { ByteBudget } from '../byte-budget.js';
import type { Lock, WaitingLock } from '../locks/lock-ledger.js';
import { encode } from '../messages/envelope.js';
import { keptCopy } from '../messages/kept-copy.js';
import { describeLock, type MasterAnswerType, type MasterRequest } from '../messages/message.js';
import type { Peer } from '../peers/peer.js';
import { MASTER_ID } from '../peers/peer-id.js';

/** One of the places of a worker at its master. */
export interface RequestPlace {
  /** It is free again. */
  release(): void;
}

/** A request that waits for its answer. */
export interface OpenRequest {
  readonly asker: Peer;
  readonly request: MasterRequest;
  /** When it came, by the broker's clock. */
  readonly since: number;
  /** Whether a master has it. */
  isPassed: boolean;
  /** The place that it takes until it is answered, if it takes one. */
  place: RequestPlace | undefined;
  /** Whether it waits for the return of its asker, and nobody has it meanwhile. */
  isPostponed: boolean;
  /** The message, if it may be sent to the next master again, and as long as there is room to keep it. */
  payload: Uint8Array | undefined;
}

/** How much is asked, and was not answered. */
export interface RequestCounts {
  /** Requests for locks. */
  readonly locks: number;
  /** Requests of all kinds. */
  readonly requests: number;
  /** Workers that wait for an answer. */
  readonly workers: number;
  /** When the oldest request came, and the oldest for a lock, by the broker's clock. */
  readonly oldest: number | undefined;
  readonly oldestLock: number | undefined;
}

/** What may be asked twice of two masters, or of one: the second time nothing else happens than the first. */
const REPEATABLE = new Set(['kit.add', 'fst.allocate', 'index.create', 'index.update']);

/** The unanswered requests of one database. */
export class OpenRequests {
  readonly #kept: ByteBudget;
  readonly #byAsker = new Map<Peer, Map<string, OpenRequest>>();
  /** Passed on to the master by workers that are gone; its answers go nowhere. */
  readonly #abandoned = new Map<string, OpenRequest>();

  /** @param kept the bytes that all may keep together */
  constructor(kept: ByteBudget) {
    this.#kept = kept;
  }

  /** Whether this worker has a request with that id open. */
  has(asker: Peer, id: string): boolean {
    return this.#byAsker.get(asker)?.has(id) ?? false;
  }

  /** Whether the master owes this worker an answer. */
  isPassedFor(asker: Peer): boolean {
    for (const { isPassed } of this.#byAsker.get(asker)?.values() ?? []) if (isPassed) return true;
    return false;
  }

  /** Notes a new request; what may be asked again is kept for the next master. */
  open(asker: Peer, request: MasterRequest, since: number, message: Uint8Array): OpenRequest {
    const isKept = isRepeatable(request) && this.#kept.take(message.length);
    const payload = isKept ? keptCopy(message) : undefined;
    const opened: OpenRequest = {
      asker,
      request,
      since,
      isPassed: false,
      place: undefined,
      isPostponed: false,
      payload,
    };
    let requests = this.#byAsker.get(asker);
    if (requests === undefined) {
      requests = new Map();
      this.#byAsker.set(asker, requests);
    }
    requests.set(request.id, opened);
    return opened;
  }

  /** The request of that worker that an answer belongs to; it is not open any more. */
  answer(asker: Peer, id: string, type: MasterAnswerType): OpenRequest | undefined {
    const open = this.#byAsker.get(asker)?.get(id);
    if (open === undefined || answerType(open.request.type) !== type) return undefined;
    this.close(open);
    return open;
  }

  /** A lock that was granted to a worker that is away is asked for again when it is back. @returns the request */
  postpone(asker: Peer, id: string): OpenRequest | undefined {
    const open = this.#byAsker.get(asker)?.get(id);
    if (open?.payload === undefined || open.request.type !== 'lock-request') return undefined;
    open.isPassed = false;
    open.isPostponed = true;
    return open;
  }

  /** What waited for the return of that worker. */
  resume(asker: Peer): readonly OpenRequest[] {
    const resumed = [...(this.#byAsker.get(asker)?.values() ?? [])].filter(({ isPostponed }) => isPostponed);
    for (const open of resumed) open.isPostponed = false;
    return resumed;
  }

  /** The request of a worker that is gone, and that an answer belongs to; it is not open any more. */
  answerAbandoned(id: string): OpenRequest | undefined {
    const open = this.#abandoned.get(id);
    this.#abandoned.delete(id);
    return open;
  }

  /** A request needs no answer any more. */
  close(open: OpenRequest): void {
    this.#forget(open);
    const requests = this.#byAsker.get(open.asker);
    requests?.delete(open.request.id);
    if (requests?.size === 0) this.#byAsker.delete(open.asker);
  }

  /** A worker is gone: what a master has of it is only waited for to be undone. */
  abandon(asker: Peer): void {
    for (const open of this.#byAsker.get(asker)?.values() ?? []) {
      this.#forget(open);
      if (open.isPassed) this.#abandoned.set(open.request.id, open);
    }
    this.#byAsker.delete(asker);
  }

  /** The master is gone. @returns what it had not answered, and what nobody waits for any more */
  lost(): { readonly requests: readonly OpenRequest[]; readonly abandoned: readonly OpenRequest[] } {
    const requests = [...this.all()].filter(({ isPassed }) => isPassed);
    const abandoned = [...this.#abandoned.values()];
    this.#abandoned.clear();
    return { requests, abandoned };
  }

  /** All that wait for an answer. */
  *all(): Iterable<OpenRequest> {
    for (const requests of this.#byAsker.values()) yield* requests.values();
  }

  /** The locks that are waited for, for people to read, oldest first, `most` at most. */
  describe(now: number, most = Number.POSITIVE_INFINITY): WaitingLock[] {
    const lockRequests = [...this.all()].filter(({ request }) => request.type === 'lock-request');
    lockRequests.sort((a, b) => a.since - b.since);
    return lockRequests.slice(0, most).map(({ asker, request, since, payload }) => ({
      requester: asker.id,
      tid: request.tid ?? '',
      ...(payload === undefined ? { path: '', comment: '' } : describeLock(payload)),
      write: request.isWrite,
      waitingFor: Math.round(now - since),
    }));
  }

  /** How many wait for a lock, and for anything; how many workers that are; and since when the oldest waits. */
  count(): RequestCounts {
    let locks = 0;
    let requests = 0;
    let oldest: number | undefined;
    let oldestLock: number | undefined;
    for (const { request, since } of this.all()) {
      requests++;
      oldest = Math.min(oldest ?? since, since);
      if (request.type !== 'lock-request') continue;
      locks++;
      oldestLock = Math.min(oldestLock ?? since, since);
    }
    return { locks, requests, workers: this.#byAsker.size, oldest, oldestLock };
  }

  /** Nobody waits any more. */
  clear(): void {
    for (const open of this.all()) this.#forget(open);
    this.#byAsker.clear();
    this.#abandoned.clear();
  }

  #forget(open: OpenRequest): void {
    if (open.payload !== undefined) this.#kept.give(open.payload.length);
    open.payload = undefined;
  }
}

function isRepeatable({ type, subject }: MasterRequest): boolean {
  return type === 'lock-request' || (type === 'request' && subject !== undefined && REPEATABLE.has(subject));
}

function answerType(type: MasterRequest['type']): MasterAnswerType {
  if (type === 'request') return 'result';
  return type === 'unlock-request' ? 'unlock-result' : 'lock-result';
}

/** The answer to a request that the master will not give, with `reason` where the answer is an error. */
export function answerFor(request: MasterRequest, reason: string): Uint8Array {
  const head = { id: request.id, from: MASTER_ID, to: request.from };
  const failed = { ...head, ok: false, reason };
  switch (request.type) {
    case 'lock-request':
    case 'move-lock-request':
      return encode(JSON.stringify({ type: 'lock-result', ...failed }));
    case 'unlock-request':
      // Nobody awaits it: an error would be an unhandled rejection [PROTOCOL-6.2].
      return encode(
        JSON.stringify({ type: 'unlock-result', ...head, ok: true, data: { id: request.lockId } }),
      );
    case 'request':
      return encode(JSON.stringify({ type: 'result', ...(resultOf(request.subject, head) ?? failed) }));
  }
}

function resultOf(subject: string | undefined, head: object): object | undefined {
  // -1 says that the key is not in the table: the worker writes it out in full [PROTOCOL-6.3].
  if (subject === 'kit.add') return { ...head, ok: true, data: { ok: true, index: -1 } };
  // The records stay unused until AceBase is told of them again; the file stays sound [PROTOCOL-6.4].
  if (subject === 'fst.release') return { ...head, ok: true, data: { ok: true } };
  return undefined;
}

/** The answer to the move of a lock that the present master does not know: its number stays, its path is the parent's. */
export function movedToParent(
  { id, from }: MasterRequest,
  { id: lockId, tid, isWrite, grant }: Lock,
): Uint8Array {
  const { path, comment } = describeLock(grant);
  const parent = path.slice(0, Math.max(path.lastIndexOf('/'), 0));
  const data = { id: lockId, path: parent, tid, write: isWrite, comment };
  return encode(JSON.stringify({ type: 'lock-result', id, from: MASTER_ID, to: from, ok: true, data }));
}
