import { type FolderAnswer, type FolderRequest, identify } from '../../protocol/file-identity.js';
import type { Cancel, Clock } from '../ports.js';
import type { CheckedClient } from './checked-client.js';
import { compareFiles } from './database-file.js';

/** Milliseconds after which another client is asked to write, if the last one has not answered. */
export const WRITER_PATIENCE_MS = 2_000;

/**
 * Milliseconds after which newcomers are let in though nobody has written. Who stands still altogether is cut off by the heartbeat
 * before that, as a rule, and compared when he is back.
 */
export const WRITING_MS = 60_000;

/** Milliseconds in which newcomers must have read. A client without a folder waits for it for 60 s. */
export const READING_MS = 70_000;

/** What a challenge says of a newcomer: `again` if nobody has a file yet, or the newcomer does not answer. */
export type Verdict =
  | { readonly kind: 'same' | 'again' }
  | { readonly kind: 'different'; readonly other: CheckedClient }
  | { readonly kind: 'unknown'; readonly why: string };

/** What a challenge works with. */
export interface ChallengeHost {
  readonly clock: Clock;
  /** Whether the newcomers are at the door, and not peers. What they are asked has a negative number then. */
  readonly isAtDoor: boolean;
  /** Those whose file is that of the database, in the order in which they are asked. */
  references(): readonly CheckedClient[];
  /** Called once for each newcomer that does not go away. */
  decided(newcomer: CheckedClient, verdict: Verdict): void;
  /** It is over. */
  over(): void;
  /** Something was sent or decided outside of a call of a visitor. */
  settled(): void;
}

/**
 * One challenge [PROTOCOL-14.9]: somebody who is there writes a nonce into a new file beside his database file, and newcomers
 * say what they read there. Nothing else proves that two folders are one: inodes are used again, clones of a disk have the same
 * ones, and each mount has a device of its own.
 */
export class Challenge {
  readonly #id: number;
  readonly #host: ChallengeHost;
  readonly #newcomers = new Set<CheckedClient>();
  /** Who was asked to write, and of these, who cannot, and why. */
  readonly #asked = new Set<CheckedClient>();
  readonly #failed = new Map<CheckedClient, string | 'has none' | 'is away'>();
  /** Who has written; or has a file open that is not at its path any more. */
  #reference: CheckedClient | undefined;
  #written: { readonly name: string; readonly nonce: string } | undefined;
  #isOver = false;
  #cancelPatience: Cancel | undefined;
  #cancelDeadline: Cancel | undefined;

  constructor(id: number, host: ChallengeHost) {
    this.#id = id;
    this.#host = host;
  }

  /** Whether nobody has written yet, so whatever is copied later has no part of it. */
  get isOpen(): boolean {
    return !this.#isOver && this.#reference === undefined;
  }

  /** Whether that newcomer may join. */
  isOpenTo(isAtDoor: boolean): boolean {
    return this.isOpen && isAtDoor === this.#host.isAtDoor;
  }

  /** A newcomer takes part. */
  join(newcomer: CheckedClient): void {
    this.#newcomers.add(newcomer);
    newcomer.isInCheck = true;
  }

  /** Begins. To be called once, with newcomers. */
  begin(): void {
    this.#cancelDeadline = this.#later(WRITING_MS, () =>
      this.#nobodyWrote('those who are there did not answer'),
    );
    this.#askNext();
  }

  /** A client answers; answers to other challenges are ignored. */
  answer(client: CheckedClient, answer: FolderAnswer): void {
    if (this.#isOver) return;
    if (this.#newcomers.has(client)) {
      if (answer.id === this.#newcomersId) this.#read(client, answer);
    } else if (this.#asked.has(client) && answer.id === this.#id) this.#wrote(client, answer);
  }

  /** A client has no line any more. */
  left(client: CheckedClient): void {
    if (this.#isOver) return;
    if (this.#newcomers.delete(client)) client.isInCheck = false;
    if (this.#newcomers.size === 0) this.end();
    else if (this.isOpen && this.#asked.has(client)) this.#cannot(client, 'is away');
  }

  /** Nothing more is decided. */
  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#cancelPatience?.();
    this.#cancelDeadline?.();
    for (const client of this.#asked)
      if (client.isPresent) this.#say(client, { id: this.#id, ask: 'remove' });
    for (const newcomer of this.#newcomers) newcomer.isInCheck = false;
    this.#host.over();
  }

  get #newcomersId(): number {
    return this.#host.isAtDoor ? -this.#id : this.#id;
  }

  #askNext(): void {
    this.#cancelPatience?.();
    const next = this.#host.references().find((it) => !this.#asked.has(it) && !this.#newcomers.has(it));
    if (next === undefined) {
      if (this.#failed.size < this.#asked.size) return;
      const problems = [...this.#failed.values()].filter((why) => why !== 'has none' && why !== 'is away');
      if (problems.length > 0) this.#nobodyWrote(problems.join(', '));
      else this.#tryAgain();
      return;
    }
    this.#asked.add(next);
    this.#cancelPatience = this.#later(WRITER_PATIENCE_MS, () => this.#askNext());
    this.#say(next, { id: this.#id, ask: 'write' });
  }

  #wrote(client: CheckedClient, { written, isReplaced, file, problem }: FolderAnswer): void {
    // One that was slow, and in whose place another has written, has its file removed in the end.
    if (!this.isOpen) return;
    if (isReplaced) this.#has(client, { id: this.#newcomersId, ask: 'tell' });
    else if (file === undefined) {
      client.standing = 'fileless';
      this.#cannot(client, 'has none');
    } else if (written === undefined)
      this.#cannot(client, `it cannot write there (${problem ?? 'no reason given'})`);
    else {
      this.#written = written;
      this.#has(client, { id: this.#newcomersId, ask: 'read', name: written.name });
    }
  }

  #has(client: CheckedClient, request: FolderRequest): void {
    this.#reference = client;
    this.#cancelPatience?.();
    this.#cancelDeadline?.();
    this.#cancelDeadline = this.#later(READING_MS, () => this.#tryAgain());
    for (const newcomer of this.#newcomers) this.#say(newcomer, request);
  }

  #cannot(client: CheckedClient, why: string): void {
    this.#failed.set(client, why);
    this.#askNext();
  }

  #tryAgain(): void {
    for (const newcomer of [...this.#newcomers]) this.#decide(newcomer, { kind: 'again' });
  }

  #nobodyWrote(why: string): void {
    for (const newcomer of [...this.#newcomers]) this.#decide(newcomer, { kind: 'unknown', why });
  }

  #read(newcomer: CheckedClient, answer: FolderAnswer): void {
    const other = this.#reference;
    if (other === undefined) return;
    if (this.#written === undefined) {
      // The file of those who are there is not at its path any more: it was moved, perhaps to where the newcomer found it.
      const isMoved =
        newcomer.file !== undefined &&
        other.file !== undefined &&
        compareFiles(newcomer.file, other.file) === 'same';
      this.#decide(newcomer, isMoved ? { kind: 'same' } : { kind: 'different', other });
    } else if (answer.read === undefined) {
      const why = `the newcomer cannot read there (${answer.problem ?? 'no reason given'})`;
      this.#decide(newcomer, { kind: 'unknown', why });
    } else {
      const isSame = answer.read === this.#written.nonce && !answer.isReplaced;
      this.#decide(newcomer, isSame ? { kind: 'same' } : { kind: 'different', other });
    }
  }

  #decide(newcomer: CheckedClient, verdict: Verdict): void {
    this.#newcomers.delete(newcomer);
    newcomer.isInCheck = false;
    if (this.#newcomers.size === 0) this.end();
    this.#host.decided(newcomer, verdict);
  }

  #say(client: CheckedClient, request: FolderRequest): void {
    client.say(identify(request));
  }

  #later(milliseconds: number, act: () => void): Cancel {
    return this.#host.clock.schedule(milliseconds, () => {
      act();
      this.#host.settled();
    });
  }
}
