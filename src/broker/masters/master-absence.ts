import { MASTER_MISSING_WARNING_MS } from '../limits.js';
import type { Peer } from '../peers/peer.js';
import type { Cancel, Clock, Logger } from '../ports.js';
import type { MasterSeat } from './master-seat.js';

/** What it works with. */
export interface MasterAbsenceSettings {
  readonly database: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly peers: ReadonlyMap<string, Peer>;
  readonly seat: Pick<MasterSeat, 'master' | 'requestCount'>;
}

/** Warns that a database has workers and no master, whether they have asked for something yet or not; and says when that is over. */
export class MasterAbsence {
  readonly #settings: MasterAbsenceSettings;
  #since = 0;
  #cancel: Cancel | undefined;
  #wasSaid = false;

  constructor(settings: MasterAbsenceSettings) {
    this.#settings = settings;
  }

  /** A worker or a master has come or gone. */
  review(): void {
    const { clock, peers, seat } = this.#settings;
    if (seat.master !== undefined || peers.size === 0) {
      this.stop();
      if (this.#wasSaid && seat.master !== undefined) this.#sayOver();
      this.#wasSaid = false;
      return;
    }
    if (this.#wasSaid || this.#cancel !== undefined) return;
    this.#since = clock.now();
    this.#cancel = clock.schedule(MASTER_MISSING_WARNING_MS, () => this.#warn());
  }

  /** The server stops, or nobody is left. */
  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #warn(): void {
    const { database, logger, peers, seat } = this.#settings;
    this.#cancel = undefined;
    this.#wasSaid = true;
    logger.warn(
      { database, workers: peers.size, waiting: seat.requestCount },
      'no master is connected, and the workers need one: start the process with role "master", with the same database name, host, port and token',
    );
  }

  // As loud as what it ends: whoever has read that is to read this.
  #sayOver(): void {
    const { database, logger, clock } = this.#settings;
    const seconds = Math.round((clock.now() - this.#since) / 1_000);
    logger.warn({ database, seconds }, 'a master is connected: the workers go on');
  }
}
