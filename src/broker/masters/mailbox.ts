import type { ByteBudget } from '../memory.js';
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
  readonly #mail = new Set<KeptMail>();
  readonly #byRequest = new Map<OpenRequest, KeptMail>();
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

  /** How many messages it holds. */
  get count(): number {
    return this.#mail.size;
  }

  /** How many of them are requests. */
  get requestCount(): number {
    return this.#byRequest.size;
  }

  /** Keeps a message; its payload is copied, unless its request keeps it already. @returns false if there is no room: then it is not kept */
  put(mail: Mail): boolean {
    const { request } = mail;
    const { length } = mail.payload;
    const cost = request?.payload === undefined ? length : 0;
    if (this.#bytes + length > this.#maxBytes || !this.#kept.take(cost)) return false;
    const payload = request?.payload ?? new Uint8Array(mail.payload);
    const keptMail = { ...mail, payload, cost };
    this.#mail.add(keptMail);
    if (request !== undefined) this.#byRequest.set(request, keptMail);
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
    for (const mail of this.#mail) if (isWanted(mail)) return mail;
    return undefined;
  }

  /** Takes the oldest one out. */
  takeFirst(): Mail | undefined {
    const [first] = this.#mail;
    if (first !== undefined) this.#remove(first);
    return first;
  }

  /** Takes everything out, oldest first. */
  takeAll(): readonly Mail[] {
    const mail = [...this.#mail];
    for (const item of mail) this.#remove(item);
    return mail;
  }

  /** Throws away all mail for which `isUnwanted` is true. @returns how many there were */
  discard(isUnwanted: (mail: Mail) => boolean): number {
    const before = this.#mail.size;
    for (const mail of this.#mail) if (isUnwanted(mail)) this.#remove(mail);
    return before - this.#mail.size;
  }

  /** Throws away one request, if it is here. */
  discardRequest(request: OpenRequest): void {
    const mail = this.#byRequest.get(request);
    if (mail !== undefined) this.#remove(mail);
  }

  #remove(mail: KeptMail): void {
    this.#mail.delete(mail);
    if (mail.request !== undefined) this.#byRequest.delete(mail.request);
    this.#kept.give(mail.cost);
    this.#bytes -= mail.payload.length;
  }
}

/** The mail that a request is. */
export function mailOf(open: OpenRequest, payload: Uint8Array): Mail {
  return { senderId: open.asker.id, payload, request: open };
}
