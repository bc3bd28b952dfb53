import type { IPCError } from '../../errors.js';

/**
 * Whether this process may take part in its database. Until the server has accepted it, a master does not open the file, and
 * no operation gets a lock (docs/PROTOCOL.md, section 14.5). A lost connection changes nothing; a refusal, also a later one,
 * is final; a master that was given up begins anew (14.13).
 */
export class Acceptance {
  #state: 'waiting' | 'accepted' | IPCError = 'waiting';
  /** Since when the folder of those who take part has been that of the database; and since when this one has, once accepted. */
  #theirSince: number | undefined;
  #folderSince: number | undefined;
  #decide: () => void = () => undefined;
  #fail: (reason: IPCError) => void = () => undefined;
  #decided = this.#undecided();

  /** Resolves with the reason when this process is refused, be it at once or later. */
  readonly refused = new Promise<IPCError>((resolve) => {
    this.#fail = resolve;
  });

  /** Resolves when the server has accepted this process, or refused it. */
  get decided(): Promise<void> {
    return this.#decided;
  }

  /** Whether operations may go on. */
  get isAccepted(): boolean {
    return this.#state === 'accepted';
  }

  /** What is said of it when the client connects [PROTOCOL-14.9]. */
  get parameters(): Readonly<Record<string, string>> {
    return this.#folderSince === undefined ? {} : { folderSince: String(this.#folderSince) };
  }

  /** The server says since when the folder of those who take part has been that of the database: milliseconds since 1970. */
  folderIs(since: number | undefined): void {
    this.#theirSince = since;
  }

  /** Whether neither was said yet. */
  get isWaiting(): boolean {
    return this.#state === 'waiting';
  }

  /** Why operations fail. */
  get refusal(): IPCError | undefined {
    return typeof this.#state === 'object' ? this.#state : undefined;
  }

  /** Resolves when operations may go on. @throws {IPCError} the refusal */
  async wait(): Promise<void> {
    while (this.isWaiting) await this.#decided;
    if (this.refusal !== undefined) throw this.refusal;
  }

  /** Resolves when operations may go on; never, if they may not. */
  accepted(): Promise<void> {
    return new Promise((resolve) => {
      void this.decided.then(() => {
        if (this.isAccepted) resolve();
      });
    });
  }

  /** The server has accepted this process. */
  accept(): void {
    if (this.#state === 'waiting') this.#state = 'accepted';
    // The first time counts: those who were accepted before go first at a server that knows nobody.
    if (this.isAccepted) this.#folderSince ??= this.#theirSince;
    this.#decide();
  }

  /** The server has given this process up: it comes to it like one that has just been started. */
  beginAnew(): void {
    if (this.#state !== 'accepted') return;
    this.#state = 'waiting';
    this.#folderSince = undefined;
    this.#decided = this.#undecided();
  }

  /** It takes part no more, or never will. The first reason stands. */
  refuse(reason: IPCError): void {
    if (this.refusal === undefined) this.#state = reason;
    this.#fail(reason);
    this.#decide();
  }

  #undecided(): Promise<void> {
    return new Promise((resolve) => {
      this.#decide = resolve;
    });
  }
}
