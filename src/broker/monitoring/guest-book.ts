import { type BrokerObserver, infoOf } from '../peers/entrance.js';
import type { Peer } from '../peers/peer.js';
import type { Clock, Logger } from '../ports.js';
import type { History } from './history.js';

/** What a guest book works with. */
export interface GuestBookSettings {
  readonly database: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly observer: BrokerObserver;
  readonly history: History;
}

/** Writes down who comes and who goes: for the log, for the program that embeds the server, and for whoever looks back. */
export class GuestBook {
  readonly #settings: GuestBookSettings;
  #masterLeftAt: number;

  constructor(settings: GuestBookSettings) {
    this.#settings = settings;
    this.#masterLeftAt = settings.clock.now();
  }

  /** When the last master that was connected lost its line; when the database was opened, if there was none. */
  get masterLeftAt(): number {
    return this.#masterLeftAt;
  }

  /** @param how in a few words; @param peers how many there are now */
  came(peer: Peer, how: 'connected' | 'connected again' | 'resumed its session', peers: number): void {
    const { database, logger, observer, history } = this.#settings;
    const { id, address, session } = peer;
    const fields = { database, peer: id, address, peers };
    const client = session?.client.name;
    logger.info(client === undefined ? fields : { ...fields, client }, `peer ${how}`);
    if (how !== 'connected') history.counters.reconnects++;
    if (how === 'resumed its session') history.counters.resumedSessions++;
    history.note('came', id, `${how}, from ${address}`);
    observer.peerConnected(infoOf(database, peer));
  }

  /** A peer has no line any more, and is waited for. */
  lostLine(peer: Peer, cause: string): void {
    const { database, logger, observer, history } = this.#settings;
    const { id, address } = peer;
    logger.info({ database, peer: id, address, cause }, 'peer lost its line');
    history.note('away', id, `lost its line: ${cause}`);
    this.#isAbsent(peer);
    observer.peerDisconnected(infoOf(database, peer), cause);
  }

  /** A peer is gone; `wasPresent`, if it had a line until now. */
  went(peer: Peer, cause: string, peers: number, wasPresent: boolean): void {
    const { database, logger, observer, history } = this.#settings;
    const { id, address, outbox } = peer;
    logger.info({ database, peer: id, address, cause, peers }, 'peer disconnected');
    const { counters } = history;
    counters.sent += outbox.sent;
    counters.sentBytes += outbox.sentBytes;
    counters.droppedMail += outbox.dropped;
    history.note('went', id, cause);
    if (!wasPresent) return;
    this.#isAbsent(peer);
    observer.peerDisconnected(infoOf(database, peer), cause);
  }

  /** The master has opened its file, and gets what waited for it. */
  masterIsReady(master: Peer, mail: number): void {
    const { history } = this.#settings;
    const what = mail === 0 ? '' : `; ${mail} ${mail === 1 ? 'message' : 'messages'} waited for it`;
    history.note('master', master.id, `has its file open${what}`);
  }

  #isAbsent({ isMaster }: Peer): void {
    if (isMaster) this.#masterLeftAt = this.#settings.clock.now();
  }
}
