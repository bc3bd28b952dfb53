/**
 * Questions to the master, locks aside, and their one answer (docs/PROTOCOL.md, section 6). Where no master can answer, the server
 * does: with an error where AceBase awaits one; where nobody does, an error would end the process that asked.
 */

import { encode, MASTER_ID } from '../../protocol/frames.js';
import type { MasterRequest } from '../../protocol/messages.js';
import type { ByteBudget } from '../memory.js';
import { keptCopy } from '../memory.js';
import type { Peer } from '../peers/peer.js';

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
  /** The message, if it may be sent to the next master again, and as long as there is room to keep it. */
  payload: Uint8Array | undefined;
}

/** How much is asked, and was not answered. */
export interface RequestCounts {
  readonly requests: number;
  /** Workers that wait for an answer. */
  readonly workers: ReadonlySet<Peer>;
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
  answer(asker: Peer, id: string): OpenRequest | undefined {
    const open = this.#byAsker.get(asker)?.get(id);
    if (open !== undefined) this.close(open);
    return open;
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

  count(): RequestCounts {
    let requests = 0;
    for (const ofAsker of this.#byAsker.values()) requests += ofAsker.size;
    return { requests, workers: new Set(this.#byAsker.keys()) };
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

function isRepeatable({ subject }: MasterRequest): boolean {
  return subject !== undefined && REPEATABLE.has(subject);
}

/** The answer to a request that the master will not give, with `reason` where the answer is an error. */
export function answerFor({ id, from, subject }: MasterRequest, reason: string): Uint8Array {
  const head = { type: 'result', id, from: MASTER_ID, to: from };
  return encode(JSON.stringify({ ...head, ...(resultOf(subject) ?? { ok: false, reason }) }));
}

function resultOf(subject: string | undefined): object | undefined {
  // -1 says that the key is not in the table: the worker writes it out in full [PROTOCOL-6.3].
  if (subject === 'kit.add') return { ok: true, data: { ok: true, index: -1 } };
  // The records stay unused until AceBase is told of them again; the file stays sound [PROTOCOL-6.4].
  if (subject === 'fst.release') return { ok: true, data: { ok: true } };
  return undefined;
}
