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
  /** Whether others may have written since this process has looked last. A worker's lock does not tell. */
  #mayHaveChanged = true;
  readonly #isMaster: boolean;

  /** @param journal `undefined` if this process has no file that could have one */
  constructor(journal: FileJournal | undefined, isMaster: boolean) {
    this.#journal = journal;
    this.#isMaster = isMaster;
  }

  /** Whether a transaction that begins now is committed as a whole. */
  get isInForce(): boolean {
    return this.#isInForce;
  }

  /** What is said of it in the URL. */
  get parameters(): Readonly<Record<string, string>> {
    return this.#isInForce && this.#journal?.isKept === true ? { journal: 'on' } : {};
  }

  /**
   * A server begins a session with this process; in one that goes on, it says what has changed.
   *
   * @param isInForce `null` if it does not know yet: what was, is; `undefined` if it knows of no journals: it lets everybody in
   */
  welcomed(isInForce: boolean | null | undefined): void {
    this.#mayHaveChanged = true;
    if (isInForce !== null) this.#isInForce = isInForce === true;
  }

  /** Others get a lock, or may have had one. */
  othersMayWrite(): void {
    this.#mayHaveChanged = true;
  }

  /** The server says whether it is in force. @returns whether this process is to look what a crash has left, and say so */
  heard({ on, look = false }: JournalWord): boolean {
    this.#isInForce = on && this.#journal?.isKept === true;
    this.#mayHaveChanged = true;
    return look;
  }

  /** Looks what a crash has left, under a lock that was just granted. @returns whether what was known of the file is old */
  look(): boolean | Promise<boolean> {
    const isTold = this.#isMaster || this.#journal?.isKept === false;
    if (this.#journal === undefined || (isTold && !this.#mayHaveChanged)) return false;
    const found = this.#journal.look();
    this.#mayHaveChanged = false;
    if (typeof found !== 'boolean') found.catch(() => this.othersMayWrite());
    return found;
  }

  /** Leaves nothing in the journal, as the server has asked. @returns whether what was known of the file is old */
  async empty(): Promise<boolean> {
    return (await this.#journal?.empty()) === true;
  }

  /** Whether something may have been cut short, and nobody has looked yet. */
  get isPending(): boolean {
    return this.#journal?.isPending === true;
  }
}
