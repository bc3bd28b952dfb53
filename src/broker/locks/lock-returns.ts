import type { Delivery } from '../delivery.js';
import type { Limits } from '../limits.js';
import type { MasterSeat } from '../masters/master-seat.js';
import { encode } from '../messages/envelope.js';
import type { Peer } from '../peers/peer.js';
import { MASTER_ID, SERVER_ID } from '../peers/peer-id.js';

/** What lock returns work with. */
export interface LockReturnsSettings {
  readonly limits: Limits;
  readonly peers: ReadonlyMap<string, Peer>;
  readonly seat: MasterSeat;
  readonly delivery: Delivery;
}

/** Gives locks back to the master that nobody else will, in the server's own name [PROTOCOL-12.3]. */
export class LockReturns {
  readonly #settings: LockReturnsSettings;
  readonly #unanswered = new Set<string>();
  #lastId = 0;

  constructor(settings: LockReturnsSettings) {
    this.#settings = settings;
  }

  /** Whether the master has not answered all of them. */
  get areUnderWay(): boolean {
    return this.#unanswered.size > 0;
  }

  /** Gives the lock with that number back to the master that is there. */
  giveBack(lockId: number): void {
    const { seat, delivery, limits } = this.#settings;
    if (seat.master === undefined || !limits.lockRecovery) return;
    const id = this.nextId();
    this.#unanswered.add(id);
    const message = { type: 'unlock-request', id, from: SERVER_ID, to: MASTER_ID, data: { id: lockId } };
    delivery.send(seat.master, encode(JSON.stringify(message)));
  }

  /** A write of that worker may have been cut short, and left others with what is not in the file. */
  invalidateCaches({ id }: Peer): void {
    const { peers, delivery } = this.#settings;
    const data = { type: 'cache.invalidate', path: '', recursive: true, reason: 'ipc_peer_gone' };
    const notice = encode(JSON.stringify({ type: 'notification', from: id, data }));
    for (const receiver of peers.values()) delivery.sendInOrder(receiver, id, notice);
  }

  /** The master answered the server. */
  answered(id: string): void {
    this.#unanswered.delete(id);
  }

  /** The master is gone, and its locks with it. */
  forget(): void {
    this.#unanswered.clear();
  }

  /** An id for a request of the server itself. */
  nextId(): string {
    return `${SERVER_ID}${++this.#lastId}`;
  }
}

/** Whether that is the id of a request of the server itself. */
export function isOwnId(id: string): boolean {
  return id.startsWith(SERVER_ID);
}
