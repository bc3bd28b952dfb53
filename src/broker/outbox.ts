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

  constructor(link: Link, limits: Limits, parkingLot: ParkingLot, peerId: string) {
    this.#link = link;
    this.#limits = limits;
    this.#parkingLot = parkingLot;
    this.#peerId = peerId;
  }

  /** Bytes that wait to be taken by the line. */
  get bytes(): number {
    return this.#isClosed ? 0 : this.#link.bufferedBytes;
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
    if (this.#link.bufferedBytes > this.#limits.maxBuffered) return false;
    this.#link.send(this.#isTooLongToPush(payload) ? this.#park(payload) : payload);
    return true;
  }

  /** Asks for a pong with that token, behind everything sent so far. */
  ping(token: number): void {
    if (!this.#isClosed) this.#link.ping(token);
  }

  /** Ends the connection; what was sent before still goes out. */
  close(code: ClosureCode): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#link.close(code);
  }

  #isTooLongToPush(payload: Uint8Array): boolean {
    const { largeMessages, maxPayload } = this.#limits;
    return largeMessages === 'http' && payload.length > maxPayload && utf16Length(payload) > maxPayload;
  }

  #park(payload: Uint8Array): Uint8Array {
    return pickUp(this.#parkingLot.park(this.#peerId, payload));
  }
}
