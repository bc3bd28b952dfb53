/**
 * Where a client is in its session [PROTOCOL-14.1]: which one it is, and how much of it has come. It says so when it
 * connects again, and the server sends the rest.
 */
export class SessionPosition {
  readonly #createId: () => string;
  #id: string;
  #received: number | undefined;
  #since = 0;

  /** @param createId makes the id of a session, 16 to 64 of `A-Z a-z 0-9 _ -` */
  constructor(createId: () => string) {
    this.#createId = createId;
    this.#id = createId();
  }

  /** The id of the session. */
  get id(): string {
    return this.#id;
  }

  /** Frames of this session that came; `undefined` before there was a welcome. */
  get received(): number | undefined {
    return this.#received;
  }

  /** Which session of which server that counts for: milliseconds since 1970, or 0 if the server knows no sessions. */
  get since(): number {
    return this.#since;
  }

  /** What is said of it when the client connects. */
  get parameters(): Readonly<Record<string, string>> {
    if (this.#received === undefined) return { session: this.#id };
    return { session: this.#id, received: String(this.#received), since: String(this.#since) };
  }

  /** A frame of the session came. */
  count(): void {
    if (this.#received !== undefined) this.#received++;
  }

  /** A server goes on with the session, or begins it: what it said before is another server's. */
  welcomed(isResumed: boolean, since: number): void {
    this.#since = since;
    this.#received = isResumed ? (this.#received ?? 0) : 0;
  }

  /** Another session, of which nobody has heard. */
  beginAnew(): void {
    this.#id = this.#createId();
    this.#received = undefined;
  }
}
