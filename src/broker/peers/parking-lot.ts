import type { ByteBudget } from '../byte-budget.js';
import { PARKING_TIME_MS } from '../limits.js';
import type { Incidents } from '../monitoring/incidents.js';
import type { Cancel, Clock } from '../ports.js';

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
  readonly #kept: ByteBudget;
  readonly #parked = new Map<string, Parked>();
  readonly #bytesByPeer = new Map<string, number>();
  #nextId = 1;

  constructor(clock: Clock, incidents: Incidents, kept: ByteBudget) {
    this.#clock = clock;
    this.#incidents = incidents;
    this.#kept = kept;
  }

  /** The bytes that wait for that peer. */
  bytesFor(peerId: string): number {
    return this.#bytesByPeer.get(peerId) ?? 0;
  }

  /**
   * Keeps a message for that peer; the payload is copied.
   *
   * @returns the id under which it can be picked up; `undefined` if there is no room
   */
  park(peerId: string, payload: Uint8Array): string | undefined {
    if (!this.#kept.take(payload.length)) return undefined;
    const messageId = `m${this.#nextId++}`;
    const cancelExpiry = this.#clock.schedule(PARKING_TIME_MS, () => {
      this.#remove(messageId);
      const fields = { peer: peerId, bytes: payload.length };
      this.#incidents.record('parking-expired', fields, 'a large message was not picked up in time');
    });
    this.#parked.set(messageId, { peerId, payload: new Uint8Array(payload), cancelExpiry });
    this.#bytesByPeer.set(peerId, this.bytesFor(peerId) + payload.length);
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

  /** Throws everything away. */
  close(): void {
    for (const messageId of this.#parked.keys()) this.#remove(messageId);
  }

  #remove(messageId: string): void {
    const parked = this.#parked.get(messageId);
    if (parked === undefined) return;
    const { peerId, payload, cancelExpiry } = parked;
    cancelExpiry();
    this.#parked.delete(messageId);
    this.#kept.give(payload.length);
    const rest = this.bytesFor(peerId) - payload.length;
    if (rest > 0) this.#bytesByPeer.set(peerId, rest);
    else this.#bytesByPeer.delete(peerId);
  }
}
