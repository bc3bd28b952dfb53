import type { ClosureCode } from '../errors.js';
import { pickUp, utf16Length } from './envelope.js';
import type { Limits } from './limits.js';
import type { ParkingLot } from './parking-lot.js';
import type { Link } from './ports.js';

/**
 * What one peer is still to get. Bytes that the line cannot take yet wait in its {@link Link}; the outbox sees to it
 * that no more than `maxBuffered` do, and that nothing goes out after the peer was cut off.
 */
export class Outbox {
  readonly #link: Link;
  readonly #limits: Limits;
  readonly #parkingLot: ParkingLot;
  readonly #peerId: string;
  #isClosed = false;
  /** Bytes that were owed to the peer before it came, and do not count until it has read them. */
  #advance = 0;

  constructor(link: Link, limits: Limits, parkingLot: ParkingLot, peerId: string) {
    this.#link = link;
    this.#limits = limits;
    this.#parkingLot = parkingLot;
    this.#peerId = peerId;
  }

  /** Bytes that wait to be taken by the line. */
  get lineBytes(): number {
    return this.#isClosed ? 0 : this.#link.bufferedBytes;
  }

  /** Bytes that wait to be taken by the line, or to be picked up. */
  get bytes(): number {
    return this.#isClosed ? 0 : this.#link.bufferedBytes + this.#parkingLot.bytesFor(this.#peerId);
  }

  /**
   * Sends a message.
   *
   * The limit counts what waits *before* the message is added, so that one large message always passes.
   *
   * @returns false if the peer reads too slowly: the message is not sent, and the peer must be cut off
   */
  send(payload: Uint8Array): boolean {
    if (this.#isClosed) return true;
    const { bytes } = this;
    if (bytes <= this.#limits.maxBuffered) this.#advance = 0;
    else if (bytes > this.#limits.maxBuffered + this.#advance) return false;
    return this.#push(payload);
  }

  /**
   * Sends what was kept for the peer, within limits of its own: it does not count as slowness.
   *
   * @returns false if it must be parked, and there is no room
   */
  sendOwed(payload: Uint8Array): boolean {
    if (this.#isClosed) return true;
    this.#advance += payload.length;
    return this.#push(payload);
  }

  #push(payload: Uint8Array): boolean {
    if (!this.#isTooLongToPush(payload)) {
      this.#link.send(payload);
      return true;
    }
    const messageId = this.#parkingLot.park(this.#peerId, payload);
    if (messageId !== undefined) this.#link.send(pickUp(messageId));
    return messageId !== undefined;
  }

  /** Asks for a pong with that token, behind everything sent so far. */
  ping(token: number): void {
    if (!this.#isClosed) this.#link.ping(token);
  }

  /** Ends the connection; what was sent before still goes out, unless the peer was too slow for it. */
  close(code: ClosureCode): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#link.close(code);
  }

  #isTooLongToPush(payload: Uint8Array): boolean {
    const { largeMessages, maxPayload } = this.#limits;
    return largeMessages === 'http' && payload.length > maxPayload && utf16Length(payload) > maxPayload;
  }
}
