import type { ByteBudget } from './byte-budget.js';
import { INDEX_CREATION_MS, type Limits } from './limits.js';
import { type Mail, Mailbox } from './mailbox.js';
import { isIndexCreation, requestId } from './message.js';
import type { Cancel, Clock } from './ports.js';

/**
 * Passes requests for a new index on one at a time [PROTOCOL-9.6].
 *
 * A stock master that is asked twice for the same index answers the second request before the file of the first is
 * there, and the worker that hears of it dies in trying to open it. Processes that start together ask together.
 */
export class IndexCreations {
  readonly #clock: Clock;
  readonly #waiting: Mailbox;
  readonly #send: (payload: Uint8Array) => void;
  #underWay: { readonly id: string | undefined; readonly cancelTimeout: Cancel } | undefined;

  /** @param send passes on to the master what waited, when its turn has come */
  constructor(clock: Clock, limits: Limits, kept: ByteBudget, send: (payload: Uint8Array) => void) {
    this.#clock = clock;
    this.#send = send;
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

  /** The master answered something. */
  answered(result: Uint8Array): void {
    if (this.#underWay !== undefined && requestId(result) === this.#underWay.id) this.#next();
  }

  /** A worker is gone: what it asked has no meaning any more. @returns how many requests were thrown away */
  discardRequestsOf(workerId: string): number {
    return this.#waiting.discard(({ senderId }) => senderId === workerId);
  }

  /** The master is gone, and what was under way with it. @returns what waited, for the next one */
  end(): readonly Mail[] {
    this.#underWay?.cancelTimeout();
    this.#underWay = undefined;
    return this.#waiting.takeAll();
  }

  #begin(id: string | undefined): void {
    this.#underWay = { id, cancelTimeout: this.#clock.schedule(INDEX_CREATION_MS, () => this.#next()) };
  }

  #next(): void {
    this.#underWay?.cancelTimeout();
    this.#underWay = undefined;
    const mail = this.#waiting.takeFirst();
    if (mail === undefined) return;
    this.#begin(requestId(mail.payload));
    this.#send(mail.payload);
  }
}
