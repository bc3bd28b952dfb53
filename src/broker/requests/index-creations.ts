import { isIndexCreation, requestId } from '../../protocol/messages.js';
import { INDEX_CREATION_MS, INDEX_NEWS_MS, type Limits } from '../limits.js';
import type { ByteBudget } from '../memory.js';
import type { Cancel, Clock } from '../ports.js';
import { type Mail, Mailbox } from './request-table.js';

/** What index creations ask of their database. */
export interface IndexCreationsHost {
  /** Passes on to the master what waited, when its turn has come. */
  send(mail: Mail): void;
  /** Whether nobody may begin to write, from now on. */
  holdsWriters(areHeld: boolean): void;
}

/**
 * Passes requests for a new index on one at a time [PROTOCOL-9.6].
 *
 * A stock master that is asked twice for the same index answers the second request before the file of the first is
 * there, and the worker that hears of it dies in trying to open it. Processes that start together ask together.
 *
 * A worker that has not heard of an index does not tell it what it writes. So nobody begins to write from the request
 * until a moment after its answer: what the master did not find in the file, a worker tells the index [PROTOCOL-12.5].
 */
export class IndexCreations {
  readonly #clock: Clock;
  readonly #waiting: Mailbox;
  readonly #host: IndexCreationsHost;
  #underWay: { readonly id: string | undefined; readonly cancelTimeout: Cancel } | undefined;
  #cancelNews: Cancel | undefined;

  constructor(clock: Clock, limits: Limits, kept: ByteBudget, host: IndexCreationsHost) {
    this.#clock = clock;
    this.#host = host;
    this.#waiting = new Mailbox(limits.maxMailPerPeer, kept);
  }

  /**
   * A request is about to be passed on to the master.
   *
   * @returns whether it may be passed on now; else it waits here, or, if `full`, there is no room for it
   */
  admit(mail: Mail): 'now' | 'later' | 'full' {
    if (!isIndexCreation(mail.payload)) return 'now';
    const id = requestId(mail.payload);
    // Nothing tells when this one is answered.
    if (id === undefined) return 'now';
    if (this.#underWay !== undefined) return this.#waiting.put(mail) ? 'later' : 'full';
    this.#begin(id);
    return 'now';
  }

  /** The master answered the request with that id. */
  answered(id: string): void {
    if (this.#underWay !== undefined && id === this.#underWay.id) this.#next();
  }

  /** A worker is gone: what it asked has no meaning any more. @returns how many requests were thrown away */
  discardRequestsOf(workerId: string): number {
    return this.#waiting.discard(({ senderId }) => senderId === workerId);
  }

  /** The master is gone, and what was under way with it. @returns what waited, for the next one */
  end(): readonly Mail[] {
    this.#underWay?.cancelTimeout();
    this.#underWay = undefined;
    this.#cancelNews?.();
    this.#cancelNews = undefined;
    this.#host.holdsWriters(false);
    return this.#waiting.takeAll();
  }

  #begin(id: string | undefined): void {
    const cancelTimeout = this.#clock.schedule(INDEX_CREATION_MS, () => {
      this.#next();
    });
    this.#underWay = { id, cancelTimeout };
    this.#host.holdsWriters(true);
  }

  #next(): void {
    this.#underWay?.cancelTimeout();
    this.#underWay = undefined;
    this.#cancelNews?.();
    this.#cancelNews = this.#clock.schedule(INDEX_NEWS_MS, () => {
      this.#cancelNews = undefined;
      if (this.#underWay === undefined) this.#host.holdsWriters(false);
    });
    const mail = this.#waiting.takeFirst();
    if (mail === undefined) return;
    this.#begin(requestId(mail.payload));
    this.#host.send(mail);
  }
}
