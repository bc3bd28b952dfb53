/** How many senders are told apart. */
export const MAX_SENDERS = 10_000;

/** Numbers events, and tells those that came twice (docs/PROTOCOL.md, section 15.4). */
export class EventNumbers {
  readonly #session: () => string;
  #sent = 0;
  readonly #received = new Map<string, number>();

  /** @param session the session of this client */
  constructor(session: () => string) {
    this.#session = session;
  }

  /**
   * The number of the next event, whoever is to get it: a receiver that was given up and comes again, under its id or
   * under another one, must not hear numbers that it has heard before.
   */
  next(): readonly [session: string, number: number] {
    return [this.#session(), ++this.#sent];
  }

  /** Whether an event has not come before. */
  isNew([session, number]: readonly [session: string, number: number]): boolean {
    const last = this.#received.get(session);
    if (last !== undefined && number <= last) return false;
    this.#received.delete(session);
    this.#received.set(session, number);
    this.#forgetOldest();
    return true;
  }

  #forgetOldest(): void {
    if (this.#received.size <= MAX_SENDERS) return;
    for (const session of this.#received.keys()) {
      this.#received.delete(session);
      return;
    }
  }
}
