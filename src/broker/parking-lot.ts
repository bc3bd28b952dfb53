import type { Incidents } from './incidents.js';
import { PARKING_TIME_MS } from './limits.js';
import type { Cancel, Clock } from './ports.js';

interface Parked {
  readonly peerId: string;
  readonly payload: Uint8Array;
  readonly cancelExpiry: Cancel;
}

/**
 * Messages that wait to be picked up over HTTP, each by one peer, once, within a minute [PROTOCOL-4.3]. Used only
 * with `largeMessages: 'http'`.
 */
export class ParkingLot {
  readonly #clock: Clock;
  readonly #incidents: Incidents;
  readonly #parked = new Map<string, Parked>();
  #nextId = 1;
  #bytes = 0;

  constructor(clock: Clock, incidents: Incidents) {
    this.#clock = clock;
    this.#incidents = incidents;
  }

  /** The bytes of all parked messages. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Keeps a message for that peer. @returns the id under which it can be picked up */
  park(peerId: string, payload: Uint8Array): string {
    const messageId = `m${this.#nextId++}`;
    const cancelExpiry = this.#clock.schedule(PARKING_TIME_MS, () => {
      this.#remove(messageId);
      this.#incidents.record(
        'parking-expired',
        { peer: peerId, bytes: payload.length },
        'a large message was not picked up in time',
      );
    });
    this.#parked.set(messageId, { peerId, payload: payload.slice(), cancelExpiry });
    this.#bytes += payload.length;
    return messageId;
  }

  /** Hands a message out, once. @returns `undefined` if that peer has no such message waiting */
  pickUp(peerId: string, messageId: string): Uint8Array | undefined {
    const parked = this.#parked.get(messageId);
    if (parked === undefined || parked.peerId !== peerId) return undefined;
    this.#remove(messageId);
    return parked.payload;
  }

  /** Throws away what waits for a peer that is gone. */
  discardFor(peerId: string): void {
    for (const [messageId, parked] of this.#parked) {
      if (parked.peerId === peerId) this.#remove(messageId);
    }
  }

  #remove(messageId: string): void {
    const parked = this.#parked.get(messageId);
    if (parked === undefined) return;
    parked.cancelExpiry();
    this.#parked.delete(messageId);
    this.#bytes -= parked.payload.length;
  }
}
