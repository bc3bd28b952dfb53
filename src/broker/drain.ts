import type { RefusalCode } from '../errors.js';
import { MASTER_ID } from '../protocol/frames.js';
import { hasNotOpened } from '../protocol/session.js';
import type { LockService } from './locks/lock-service.js';
import { isSameSession } from './peers/admission.js';
import type { Stability } from './peers/delivery.js';
import { isPresent, isThere, type Peer } from './peers/peer.js';
import type { ArrivalRequest, Cancel, Clock, Logger } from './ports.js';
import type { RequestCoordinator } from './requests/coordinator.js';
import type { RequestTable } from './requests/request-table.js';

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
  /**
   * Called once, when it is the turn of masters: those that this server runs are to be closed.
   *
   * @param mayBeUsed whether workers were sent away in the midst of something
   */
  closeManaged(mayBeUsed: boolean): void;
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
  /** Whether workers were sent away in the midst of something. */
  #mayBeUsed = false;

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
    this.#mayBeUsed = busyWorkers > 0;
    this.#send('workers', () => this.#send('masters', () => this.#finish()));
  }

  #send(who: 'workers' | 'masters', next: () => void): void {
    const sent = this.#settings.dismissals.flatMap((dismissal) =>
      who === 'workers' ? dismissal.sendWorkers() : dismissal.sendMaster(),
    );
    if (who === 'masters') this.#settings.closeManaged(this.#mayBeUsed);
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

/** What a dismissal works with. */
export interface DismissalSettings {
  readonly peers: ReadonlyMap<string, Peer>;
  readonly table: Pick<RequestTable, 'isOwed'>;
  readonly requests: Pick<RequestCoordinator, 'failBeforeDraining'>;
  readonly locks: Pick<LockService, 'holders' | 'failBeforeDraining' | 'giveRootBack'>;
  readonly stability: Pick<Stability, 'stop'>;
  /** Whether this server runs the master itself, and closes it: it says goodbye. */
  readonly isManaged: boolean;
  /** Does something in the database; `otherwise`, if an invariant breaks. */
  inside<T>(act: () => T, otherwise: T): T;
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
  #hasBegun = false;

  constructor(settings: DismissalSettings) {
    this.#settings = settings;
  }

  /** Whether it has begun. */
  get hasBegun(): boolean {
    return this.#hasBegun;
  }

  /** From now on nobody is let in who waits at the door, and no transaction begins; those that hold a lock go on. */
  begin(): void {
    this.#hasBegun = true;
    // Whoever waits is asked again.
    this.#settings.inside(() => undefined, undefined);
  }

  /**
   * Why somebody at the door must not come in; `undefined` if he may, or if this server does not drain. Who is new is for
   * the next server, and so is who was sent there; but not one whose line broke, who may be in the middle of something.
   * Another master than the one that is there must not even come to the next server if it has old tables [PROTOCOL-9.2].
   */
  refusal(request: ArrivalRequest): RefusalCode | undefined {
    if (!this.#hasBegun) return undefined;
    const peer = this.#settings.peers.get(request.peerId);
    if (peer === undefined) return refusalWhileDraining(request);
    if (isSameSession(peer, request)) return undefined;
    if (!peer.isMaster) return undefined;
    return hasNotOpened(request.client) ? refusalWhileDraining(request) : 'IPC_REFUSED_SECOND_MASTER';
  }

  /**
   * How many workers are in the middle of something: they hold a lock, also while they are away, or are connected and the master owes
   * them an answer. What is owed to one that is away, it asks the next server for.
   */
  get busyWorkers(): number {
    const { peers, table, locks } = this.#settings;
    const holders = new Set(locks.holders);
    let count = 0;
    for (const peer of peers.values()) {
      if (holders.has(peer) || (!peer.isMaster && isPresent(peer) && table.isOwed(peer))) count++;
    }
    return count;
  }

  /** Tells all workers to come back. @returns those that were connected: each ends its connection in a moment */
  sendWorkers(): readonly Peer[] {
    const { stability, requests, locks, inside } = this.#settings;
    return inside(() => {
      // What the master says from now on reaches no worker here. It must not be told that it arrived.
      stability.stop();
      requests.failBeforeDraining();
      locks.failBeforeDraining();
      return this.#send((peer) => !peer.isMaster);
    }, []);
  }

  /** Tells the master to come back, unless this server closes it: it is to have its file for itself. @returns it, if it was connected */
  sendMaster(): readonly Peer[] {
    const { locks, inside, isManaged, peers } = this.#settings;
    return inside(() => {
      locks.giveRootBack();
      if (isManaged) return [...peers.values()].filter((peer) => peer.isMaster && isPresent(peer));
      return this.#send((peer) => peer.isMaster);
    }, []);
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

/**
 * Why somebody who is new is not let in by a server that drains. The master that it had was sent to the next server, or is about to be: another
 * one must not be let in there before that one [PROTOCOL-9.2].
 */
export function refusalWhileDraining({ peerId, client }: ArrivalRequest): RefusalCode {
  return peerId === MASTER_ID && hasNotOpened(client) ? 'IPC_REFUSED_MASTER_AWAY' : 'IPC_REFUSED_DRAINING';
}
