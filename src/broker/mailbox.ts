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
  #mail: Mail[] = [];
  #bytes = 0;

  /** @param maxBytes the bytes of payload that it keeps at most */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** The bytes of payload that it holds. */
  get bytes(): number {
    return this.#bytes;
  }

  /** How many messages it holds. */
  get size(): number {
    return this.#mail.length;
  }

  /** Keeps a message; the payload is copied. @returns false if there is no room: then it is not kept */
  put(mail: Mail): boolean {
    if (this.#bytes + mail.payload.length > this.#maxBytes) return false;
    this.#mail.push({ ...mail, payload: mail.payload.slice() });
    this.#bytes += mail.payload.length;
    return true;
  }

  /** Takes everything out, oldest first. */
  takeAll(): readonly Mail[] {
    const mail = this.#mail;
    this.#mail = [];
    this.#bytes = 0;
    return mail;
  }

  /** Throws the requests of a sender away. @returns how many there were */
  discardRequestsOf(senderId: string): number {
    const before = this.#mail.length;
    this.#mail = this.#mail.filter((mail) => !(mail.isRequest && mail.senderId === senderId));
    this.#bytes = this.#mail.reduce((bytes, mail) => bytes + mail.payload.length, 0);
    return before - this.#mail.length;
  }
}
