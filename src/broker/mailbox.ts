import type { ByteBudget } from './byte-budget.js';

/** A message that waits for a peer that cannot take it yet. */
export interface Mail {
  readonly senderId: string;
  readonly payload: Uint8Array;
  /** Whether the sender waits for an answer, so that the mail has no meaning once it is gone. */
  readonly isRequest: boolean;
}

/** Mail kept in order, up to a number of bytes. */
export class Mailbox {
  readonly #maxBytes: number;
  readonly #kept: ByteBudget;
  #mail: Mail[] = [];
  #bytes = 0;

  /**
   * @param maxBytes the bytes of payload that it keeps at most
   * @param kept what all mailboxes share
   */
  constructor(maxBytes: number, kept: ByteBudget) {
    this.#maxBytes = maxBytes;
    this.#kept = kept;
  }

  /** The bytes of payload that it holds. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Keeps a message; the payload is copied. @returns false if there is no room: then it is not kept */
  put(mail: Mail): boolean {
    const { length } = mail.payload;
    if (this.#bytes + length > this.#maxBytes || !this.#kept.take(length)) return false;
    this.#mail.push({ ...mail, payload: new Uint8Array(mail.payload) });
    this.#bytes += length;
    return true;
  }

  /** Takes the oldest one out. */
  takeFirst(): Mail | undefined {
    const [first, ...rest] = this.#mail;
    this.#replace(rest);
    return first;
  }

  /** Takes everything out, oldest first. */
  takeAll(): readonly Mail[] {
    const mail = this.#mail;
    this.#replace([]);
    return mail;
  }

  /** Throws away all mail for which `isUnwanted` is true. @returns how many there were */
  discard(isUnwanted: (mail: Mail) => boolean): number {
    const before = this.#mail.length;
    this.#replace(this.#mail.filter((mail) => !isUnwanted(mail)));
    return before - this.#mail.length;
  }

  #replace(mail: Mail[]): void {
    const bytes = mail.reduce((sum, { payload }) => sum + payload.length, 0);
    this.#kept.give(this.#bytes - bytes);
    this.#mail = mail;
    this.#bytes = bytes;
  }
}
