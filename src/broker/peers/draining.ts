import type { Cancel, Clock, Logger } from '../ports.js';
import type { Dismissal } from './dismissal.js';
import type { Peer } from './peer.js';

/** How often it is looked whether everybody is done, in milliseconds. */
const LOOK_MS = 20;

/** Milliseconds in which those who were told to come back must have ended their connections. */
export const DISMISSAL_MS = 3_000;

/** What draining works with. */
export interface DrainingSettings {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Of every database that has peers. */
  readonly dismissals: readonly Dismissal[];
  /** Milliseconds in which those who are in the middle of something may finish it. */
  readonly timeout: number;
  /** Called once, when nobody is connected any more, or at {@link Draining.end}. */
  done(): void;
}

/**
 * Sends everybody to the next server, in this order: no transaction begins; those that have begun end; workers are told
 * to come back; when their connections have ended, masters are.
 */
export class Draining {
  readonly #settings: DrainingSettings;
  readonly #since: number;
  #cancel: Cancel | undefined;
  #isOver = false;

  constructor(settings: DrainingSettings) {
    this.#settings = settings;
    this.#since = settings.clock.now();
  }

  /** To be called once. */
  begin(): void {
    const { dismissals, logger, timeout } = this.#settings;
    for (const dismissal of dismissals) dismissal.begin();
    const fields = { databases: dismissals.length, busyWorkers: this.#busyWorkers, drainTimeout: timeout };
    logger.info(fields, 'draining: nobody is let in, and no transaction begins');
    this.#letFinish();
  }

  /** Waits for nobody any more. */
  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#cancel?.();
    this.#settings.done();
  }

  get #busyWorkers(): number {
    return this.#settings.dismissals.reduce((count, { busyWorkers }) => count + busyWorkers, 0);
  }

  get #elapsed(): number {
    return Math.round(this.#settings.clock.now() - this.#since);
  }

  #letFinish(): void {
    const { logger, timeout } = this.#settings;
    const busyWorkers = this.#busyWorkers;
    if (busyWorkers > 0 && this.#elapsed < timeout) {
      this.#later(() => this.#letFinish());
      return;
    }
    if (busyWorkers > 0) {
      const fields = { busyWorkers, drainTimeout: timeout };
      logger.warn(fields, 'drainTimeout is over, and workers are in the middle of something');
    }
    this.#send('workers', () => this.#send('masters', () => this.#finish()));
  }

  #send(who: 'workers' | 'masters', next: () => void): void {
    const sent = this.#settings.dismissals.flatMap((dismissal) =>
      who === 'workers' ? dismissal.sendWorkers() : dismissal.sendMaster(),
    );
    this.#settings.logger.info(
      { [who]: sent.length, afterMs: this.#elapsed },
      `${who} were told to come back`,
    );
    this.#awaitEnd(sent, this.#settings.clock.now() + DISMISSAL_MS, next);
  }

  #awaitEnd(peers: readonly Peer[], deadline: number, next: () => void): void {
    const isOver = peers.every(({ state }) => state === 'gone') || this.#settings.clock.now() >= deadline;
    if (isOver) next();
    else this.#later(() => this.#awaitEnd(peers, deadline, next));
  }

  #finish(): void {
    this.#settings.logger.info({ afterMs: this.#elapsed }, 'drained');
    this.end();
  }

  #later(act: () => void): void {
    this.#cancel = this.#settings.clock.schedule(LOOK_MS, act);
  }
}
