import type { RefusalCode } from '../../errors.js';
import { hasNotOpened } from '../../protocol/session.js';
import type { MasterDesk } from '../masters/master-desk.js';
import type { MasterSeat } from '../masters/master-seat.js';
import type { ArrivalRequest } from './entrance.js';
import { isSameSession } from './newcomer.js';
import { isThere, type Peer } from './peer.js';
import type { Stability } from './stability.js';

/** What a dismissal works with. */
export interface DismissalSettings {
  readonly peers: ReadonlyMap<string, Peer>;
  readonly desk: MasterDesk;
  readonly stability: Stability;
  readonly seat: Pick<MasterSeat, 'closeDoor'>;
  /** Takes a peer out of the database; others are not told. */
  remove(peer: Peer, cause: string): void;
}

/**
 * How the peers of one database are sent to the next server (docs/PROTOCOL.md, section 11.5).
 *
 * They go as when the server stops: nobody hears that they are gone, and no lock is given back in their name. A client
 * that has a session takes its locks along to the next server.
 */
export class Dismissal {
  readonly #settings: DismissalSettings;

  constructor(settings: DismissalSettings) {
    this.#settings = settings;
  }

  /** From now on nobody is let in who waits at the door, and no transaction begins; those that hold a lock go on. */
  begin(): void {
    this.#settings.seat.closeDoor();
    this.#settings.desk.closing.begin();
  }

  /**
   * Why somebody at the door must not come in; `undefined` if he may, or if this server does not drain. Who is new is for
   * the next server, and so is who was sent there; but not one whose line broke, who may be in the middle of something.
   * Another master than the one that is there must not even come to the next server if it has old tables [PROTOCOL-9.2].
   */
  refusal(request: ArrivalRequest): RefusalCode | undefined {
    const { peers, desk } = this.#settings;
    if (!desk.closing.hasBegun) return undefined;
    const peer = peers.get(request.peerId);
    if (peer === undefined) return 'IPC_REFUSED_DRAINING';
    if (isSameSession(peer, request)) return undefined;
    if (!peer.isMaster) return undefined;
    return hasNotOpened(request.client) ? 'IPC_REFUSED_DRAINING' : 'IPC_REFUSED_SECOND_MASTER';
  }

  /** How many workers are in the middle of something: they hold a lock, or are connected and the master owes an answer. */
  get busyWorkers(): number {
    const { peers, desk } = this.#settings;
    return desk.closing.countBusy(peers.values());
  }

  /** Tells all workers to come back. @returns those that were connected: each ends its connection in a moment */
  sendWorkers(): readonly Peer[] {
    // What the master says from now on reaches no worker here. It must not be told that it arrived.
    this.#settings.stability.stop();
    this.#settings.desk.closing.answerWhatWaits();
    return this.#send((peer) => !peer.isMaster);
  }

  /** Tells the master to come back. @returns it, if it was connected */
  sendMaster(): readonly Peer[] {
    this.#settings.desk.closing.giveRootBack();
    return this.#send((peer) => peer.isMaster);
  }

  #send(isMeant: (peer: Peer) => boolean): readonly Peer[] {
    const sent: Peer[] = [];
    for (const peer of [...this.#settings.peers.values()]) {
      if (!isMeant(peer) || !isThere(peer)) continue;
      const wasPresent = peer.state === 'present';
      this.#settings.remove(peer, 'told to come back to the next server');
      peer.outbox.close('IPC_CLOSED_DRAINING');
      if (wasPresent) sent.push(peer);
    }
    return sent;
  }
}
