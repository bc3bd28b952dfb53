import { connected } from '../../protocol/frames.js';
import type { Delivery } from '../delivery.js';
import type { MasterSeat } from '../masters/master-seat.js';
import type { Peer } from './peer.js';
import { helloFrom } from './presence.js';

/** What it takes to introduce somebody. */
export interface Circle {
  readonly peers: ReadonlyMap<string, Peer>;
  readonly seat: MasterSeat;
  readonly delivery: Delivery;
}

/** Brings a newcomer and everybody else together [PROTOCOL-8.1]. */
export function introduce(newcomer: Peer, { peers, seat, delivery }: Circle): void {
  const arrival = connected(newcomer.id);
  const hello = helloFrom(newcomer.id);
  // A master that settles hears of nobody yet; all are introduced to it when it gets its mail.
  const held = seat.isHeld ? seat.master : undefined;
  const settling = newcomer.isMaster ? newcomer : held;
  for (const other of peers.values()) {
    if (other === newcomer) continue;
    if (other !== settling) {
      delivery.send(other, arrival);
      delivery.send(other, hello);
    }
    if (newcomer !== settling) delivery.send(newcomer, helloFrom(other.id));
  }
}
