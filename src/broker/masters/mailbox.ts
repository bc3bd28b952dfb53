import type { ByteBudget } from '../byte-budget.js';
import type { OpenRequest } from './requests.js';

/** A message that waits for a peer that cannot take it yet. */
export interface Mail {
  readonly senderId: string;
  readonly payload: Uint8Array;
  /** The request, if the sender waits for an answer: the mail has no meaning once it is gone. */
  readonly request: OpenRequest | undefined;
}

/** Mail, and the bytes that it takes from what all share: none, if its request keeps the payload anyway. */
interface KeptMail extends Mail {
  readonly cost: number;
}

/** Mail kept in order, up to a number of bytes. */
export class Mailbox {
  readonly #maxBytes: number;
  readonly #kept: ByteBudget;
  #mail: KeptMail[] = [];
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

  /** Keeps a message; its payload is copied, unless its request keeps it already. @returns false if there is no room: then it is not kept */
  put(mail: Mail): boolean {
    const { request } = mail;
    const { length } = mail.payload;
    const cost = request?.payload === undefined ? length : 0;
    if (this.#bytes + length > this.#maxBytes || !this.#kept.take(cost)) return false;
    const payload = request?.payload ?? new Uint8Array(mail.payload);
    this.#mail.push({ ...mail, payload, cost });
    this.#bytes += length;
    return true;
  }

  /** Keeps messages in front of all that are there. @returns those for which there was no room */
  putFirst(mail: readonly Mail[]): readonly Mail[] {
    const later = this.takeAll();
    const refused = mail.filter((item) => !this.put(item));
    return [...refused, ...later.filter((item) => !this.put(item))];
  }

  /** The oldest one for which `isWanted` is true; it stays. */
  find(isWanted: (mail: Mail) => boolean): Mail | undefined {
    return this.#mail.find(isWanted);
  }

  /** How many there are for which `isCounted` is true. */
  count(isCounted: (mail: Mail) => boolean): number {
    return this.#mail.filter(isCounted).length;
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

  #replace(mail: KeptMail[]): void {
    this.#kept.give(costOf(this.#mail) - costOf(mail));
    this.#mail = mail;
    this.#bytes = mail.reduce((bytes, { payload }) => bytes + payload.length, 0);
  }
}

function costOf(mail: readonly KeptMail[]): number {
  return mail.reduce((total, { cost }) => total + cost, 0);
}

/** The mail that a request is. */
export function mailOf(open: OpenRequest, payload: Uint8Array): Mail {
  return { senderId: open.asker.id, payload, request: open };
}
