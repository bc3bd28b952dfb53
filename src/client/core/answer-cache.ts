import { SERVER_ID } from '../../protocol/frames.js';
import type { Message } from './host.js';

/** How many answers are remembered. */
export const MAX_ANSWERS = 20_000;

/**
 * What a master was asked, and what it answered (docs/PROTOCOL.md, section 15.2). After a restart of the server workers
 * ask again what was not answered to them; it may have been done.
 */
export class Answers {
  readonly #max: number;
  readonly #wallTime: () => number;
  readonly #ranOut: (lockId: number) => void;
  /** By sender and id; `undefined` while the answer is being made. */
  readonly #byQuestion = new Map<string, Message | undefined>();

  /** The questions that locks were granted to, by the number of the lock, until that goes back. */
  readonly #grants = new Map<number, string>();

  /**
   * @param wallTime milliseconds since 1970
   * @param ranOut told of a lock that was granted, and ran out before who asked for it knew
   * @param max how many are remembered
   */
  constructor(wallTime: () => number, ranOut: (lockId: number) => void, max: number = MAX_ANSWERS) {
    this.#wallTime = wallTime;
    this.#ranOut = ranOut;
    this.#max = max;
  }

  /**
   * A question came.
   *
   * @returns `new`, if it is to be answered; `answering`, if that is under way; or the answer that was given
   */
  ask({ from, id, type, data }: Message): 'new' | 'answering' | Message {
    if (type === 'unlock-request') this.#forgetGrant(data);
    // The server counts its own requests anew when it is started.
    if (id === undefined || from === SERVER_ID) return 'new';
    const key = `${from} ${id}`;
    const answer = this.#byQuestion.get(key);
    if (answer !== undefined && !this.#hasRunOut(answer)) return answer;
    if (answer !== undefined) this.#endGrant(answer);
    else if (this.#byQuestion.has(key)) return 'answering';
    this.#byQuestion.set(key, undefined);
    this.#forgetOldest();
    return 'new';
  }

  /** A question was answered. */
  answer(message: Message): void {
    const key = `${message.to} ${message.id}`;
    if (!this.#byQuestion.has(key)) return;
    this.#byQuestion.set(key, message);
    const lockId = message.type === 'lock-result' ? numberIn(message.data, 'id') : undefined;
    if (lockId !== undefined) this.#grants.set(lockId, key);
  }

  /** This master has lost its place: what it answered, another one may have been asked. */
  clear(): void {
    this.#byQuestion.clear();
    this.#grants.clear();
  }

  /** How many are remembered. */
  get size(): number {
    return this.#byQuestion.size;
  }

  /** A lock that went back is not granted by the same answer again: the server may ask for it anew. */
  #forgetGrant(data: unknown): void {
    const lockId = numberIn(data, 'id');
    const key = lockId === undefined ? undefined : this.#grants.get(lockId);
    if (lockId === undefined || key === undefined) return;
    this.#grants.delete(lockId);
    this.#byQuestion.delete(key);
  }

  /** A lock that nobody knew to be granted may be another one's by now. */
  #hasRunOut({ type, data }: Message): boolean {
    const expires = type === 'lock-result' ? numberIn(data, 'expires') : undefined;
    return expires !== undefined && expires <= this.#wallTime();
  }

  #endGrant({ data }: Message): void {
    const lockId = numberIn(data, 'id');
    if (lockId === undefined) return;
    this.#grants.delete(lockId);
    this.#ranOut(lockId);
  }

  #forgetOldest(): void {
    if (this.#byQuestion.size <= this.#max) return;
    for (const [key, answer] of this.#byQuestion) {
      // Those that are being made are few, and must not be made twice.
      if (answer === undefined) continue;
      this.#byQuestion.delete(key);
      return;
    }
  }
}

function numberIn(data: unknown, name: string): number | undefined {
  const value: unknown = typeof data === 'object' && data !== null ? Reflect.get(data, name) : undefined;
  return typeof value === 'number' ? value : undefined;
}
