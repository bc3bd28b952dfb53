import { PARKING_TIME_MS } from '../limits.js';
import type { ByteBudget } from '../memory.js';
import type { Incidents } from '../monitoring/incidents.js';
import type { Cancel, Clock } from '../ports.js';

interface Parked {
  readonly peerId: string;
  readonly payload: Uint8Array;
  readonly cancelExpiry: Cancel;
  /** How many frames had come to the database when it was parked. */
  readonly since: number;
}

/** What a parking lot works with. */
export interface ParkingLotSettings {
  readonly clock: Clock;
  readonly incidents: Incidents;
  /** What all keep together. */
  readonly kept: ByteBudget;
  /** How many frames have come to the database so far. */
  framesSoFar(): number;
}

/**
 * Messages that wait to be picked up over HTTP, each by one peer, once, within a minute [PROTOCOL-4.3]. Used only
 * with `largeMessages: 'http'`.
 */
export class ParkingLot {
  readonly #settings: ParkingLotSettings;
  readonly #parked = new Map<string, Parked>();
  /** By peer, and in the order of their coming. */
  readonly #byPeer = new Map<string, { bytes: number; readonly parked: Set<Parked> }>();
  #nextId = 1;

  constructor(settings: ParkingLotSettings) {
    this.#settings = settings;
  }

  /** The bytes that wait for that peer. */
  bytesFor(peerId: string): number {
    return this.#byPeer.get(peerId)?.bytes ?? 0;
  }

  /** Up to how many frames of the database that peer has picked up what came of them for it [PROTOCOL-14.7]. */
  caughtUpTo(peerId: string): number {
    for (const { since } of this.#byPeer.get(peerId)?.parked ?? []) return since - 1;
    return Number.POSITIVE_INFINITY;
  }

  /**
   * Keeps a message for that peer; the payload is copied.
   *
   * @returns the id under which it can be picked up; `undefined` if there is no room
   */
  park(peerId: string, payload: Uint8Array): string | undefined {
    const { clock, incidents, kept, framesSoFar } = this.#settings;
    if (!kept.take(payload.length)) return undefined;
    const messageId = `m${this.#nextId++}`;
    const cancelExpiry = clock.schedule(PARKING_TIME_MS, () => {
      this.#remove(messageId);
      const fields = { peer: peerId, bytes: payload.length };
      incidents.record('parking-expired', fields, 'a large message was not picked up in time');
    });
    const parked = { peerId, payload: new Uint8Array(payload), cancelExpiry, since: framesSoFar() };
    this.#parked.set(messageId, parked);
    const ofPeer = this.#byPeer.get(peerId) ?? { bytes: 0, parked: new Set<Parked>() };
    ofPeer.bytes += payload.length;
    ofPeer.parked.add(parked);
    this.#byPeer.set(peerId, ofPeer);
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
    this.#settings.kept.give(payload.length);
    const ofPeer = this.#byPeer.get(peerId);
    ofPeer?.parked.delete(parked);
    if (ofPeer !== undefined) ofPeer.bytes -= payload.length;
    if (ofPeer?.parked.size === 0) this.#byPeer.delete(peerId);
  }
}
