import type { FileJournal } from './host.js';

/** What the server says of the journal [PROTOCOL-16.3, 16.4]. */
interface JournalWord {
  readonly on: boolean;
  readonly look?: boolean;
}

/**
 * Whether the journal is in force: nobody has the file open who knows nothing of it. The server knows, and says so.
 */
export class JournalSwitch {
  readonly #journal: FileJournal | undefined;
  #isInForce = false;
  /** Whether the server waits for this process to look what a crash has left; until then nobody else has come who could write. */
  #isToLook = false;

  /** @param journal `undefined` if this process keeps none */
  constructor(journal: FileJournal | undefined) {
    this.#journal = journal;
  }

  /** Whether a transaction that begins now is committed as a whole. */
  get isInForce(): boolean {
    return this.#isInForce;
  }

  /** What is said of it in the URL. */
  get parameters(): Readonly<Record<string, string>> {
    return this.#isInForce ? { journal: 'on' } : {};
  }

  /**
   * A server welcomes this process.
   *
   * @param isInForce `null` if it does not know yet: what was, is; `undefined` if it knows of no journals: it lets everybody in
   */
  welcomed(isInForce: boolean | null | undefined): void {
    if (isInForce !== null) this.#isInForce = isInForce === true;
  }

  /** The server says whether it is in force. @returns whether this process is to look what a crash has left, and say so */
  heard({ on, look = false }: JournalWord): boolean {
    this.#isInForce = on && this.#journal !== undefined;
    this.#isToLook = look;
    return look;
  }

  /** The server was told that this process has looked. */
  hasLooked(): void {
    this.#isToLook = false;
  }

  /** Looks what a crash has left, under a lock that was just granted. @returns whether what was known of the file is old */
  look(): boolean | Promise<boolean> {
    return this.#journal?.look(this.#isInForce || this.#isToLook) ?? false;
  }

  /** Whether something may have been cut short, and nobody has looked yet. */
  get isPending(): boolean {
    return this.#journal?.isPending === true;
  }
}
