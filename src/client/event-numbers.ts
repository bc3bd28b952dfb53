/** How many senders are told apart. */
export const MAX_SENDERS = 10_000;

/** Numbers events, and tells those that came twice (docs/PROTOCOL.md, section 15.4). */
export class EventNumbers {
  readonly #session: () => string;
  readonly #sent = new Map<string, number>();
  readonly #received = new Map<string, number>();

  /** @param session the session of this client */
  constructor(session: () => string) {
    this.#session = session;
  }

  /** The number of the next event to that receiver. */
  next(receiver: string): readonly [session: string, number: number] {
    const number = (this.#sent.get(receiver) ?? 0) + 1;
    this.#sent.set(receiver, number);
    return [this.#session(), number];
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

  /** A receiver is gone. */
  forget(receiver: string): void {
    this.#sent.delete(receiver);
  }

  #forgetOldest(): void {
    if (this.#received.size <= MAX_SENDERS) return;
    for (const session of this.#received.keys()) {
      this.#received.delete(session);
      return;
    }
  }
}
