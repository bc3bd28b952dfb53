/**
 * The journal of a database (docs/PROTOCOL.md, section 16): clients of ours commit what they write through a redo log beside the file.
 * Others know nothing of that log: they would read, and write over, what it is about to repair. So it is in force only while every
 * peer of the database keeps one, and whoever keeps none is let in when one of those who do has looked at the log: nothing is left in it.
 */

import { journalMessage, REREAD } from '../protocol/session.js';
import { JOURNAL_WAIT_MS } from './limits.js';
import type { MasterSeat } from './mastership.js';
import type { ArrivalRequest, HeldArrival } from './peers/admission.js';
import type { Delivery } from './peers/delivery.js';
import { isPresent, type Peer } from './peers/peer.js';
import type { Cancel, Clock, Logger } from './ports.js';

/** What the switch works with. */
export interface JournalSwitchSettings {
  readonly database: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly seat: Pick<MasterSeat, 'master' | 'isHeld'>;
  readonly delivery: Pick<Delivery, 'send'>;
  /** The locks of the workers. */
  locks(): JournalLocks;
  /** Somebody who waited at the door is there no more. */
  settled(): void;
}

/** What the switch needs of the locks. */
export interface JournalLocks {
  /** Whether some are expected back who were there before the server was started [PROTOCOL-14.6]. */
  readonly isAnyoneAwaited: boolean;
  /** Whether a worker holds a lock. */
  readonly isAnyHeld: boolean;
  /** While held, no lock is granted to a transaction that has none. */
  holdForJournal(isHeld: boolean): void;
}

/** Whether the file is crash-safe, for people to read. */
export interface JournalState {
  /** Whether the journal is in force: no process that ends leaves a half write behind. */
  readonly isInForce: boolean;
  /** The ids of peers that keep none, and of those at the door: {@link MAX_NAMED} of them at most. */
  readonly without: readonly string[];
  /** How many there are. */
  readonly withoutCount: number;
}

/** How many peers without a journal are named. */
export const MAX_NAMED = 2;

/** Of a database that nobody is connected to. */
export const NO_JOURNAL: JournalState = { isInForce: false, without: [], withoutCount: 0 };

/** Switches the journal of one database on and off. */
export class JournalSwitch {
  readonly #settings: JournalSwitchSettings;
  /** Members that keep a journal, and what each was told last; `undefined` if it goes on as it was. In the order of their coming. */
  readonly #told = new Map<Peer, boolean | undefined>();
  /** Members that keep none. While there are any, nothing is in the log. */
  readonly #strangers = new Set<Peer>();
  readonly #door = new Map<HeldArrival, Cancel>();
  /** Who is looking at the log. */
  #looker: Peer | undefined;
  #isInUse = false;
  /** What all were told last; and whether somebody has come since who was told nothing. */
  #said = false;
  #isAnyoneUntold = false;
  #isStopped = false;

  constructor(settings: JournalSwitchSettings) {
    this.#settings = settings;
  }

  /**
   * Whether there may be something in the log that the file lacks: it was in force, here or at an earlier server, since it was last
   * looked at. Then the file, after that, is the truth, and not what was said of it [PROTOCOL-16.5].
   */
  get isInUse(): boolean {
    return this.#isInUse;
  }

  /** Whether somebody waits at the door. */
  get isHolding(): boolean {
    return this.#door.size > 0;
  }

  /** Whether those at the door wait for that peer. */
  isWaitedFor(peer: Peer): boolean {
    return peer === this.#looker;
  }

  get state(): JournalState {
    const ids = [...this.#strangers].map(({ id }) => id);
    for (const { request } of this.#door.keys()) ids.push(request.peerId);
    return {
      isInForce: this.#isOn === true,
      without: ids.slice(0, MAX_NAMED),
      withoutCount: ids.length,
    };
  }

  /** A peer is about to join the others. @returns what its welcome says [PROTOCOL-16.2] */
  came(peer: Peer): boolean | undefined {
    const { session } = peer;
    if (session?.can('journal') !== true) {
      this.#strangers.add(peer);
      return undefined;
    }
    if (session.client.isJournalOn === true && this.#strangers.size === 0) this.#isInUse = true;
    this.#told.set(peer, undefined);
    // Who was at an earlier server is about to say who else was.
    const isOn = session.isReturning && this.#isOn === true ? undefined : this.#isOn;
    this.#told.set(peer, isOn);
    if (isOn === undefined) this.#isAnyoneUntold = true;
    return isOn;
  }

  /** A peer resumes its session. @returns what its welcome says: what else it was told waits for it */
  isBack(peer: Peer): boolean | undefined {
    return this.#told.get(peer);
  }

  /** A peer is no longer part of the database. */
  left(peer: Peer): void {
    this.#told.delete(peer);
    this.#strangers.delete(peer);
    if (peer === this.#looker) this.#looker = undefined;
  }

  /** Whether somebody has to wait at the door until the log was looked at. */
  isToBeHeld({ client }: ArrivalRequest): boolean {
    return this.#isInUse && client?.abilities.has('journal') !== true;
  }

  /** Lets him wait there. @param since when he came, by the broker's clock @returns to be called if he goes away */
  hold(visitor: HeldArrival, since: number): Cancel {
    const { clock, settled } = this.#settings;
    const rest = Math.max(0, since + JOURNAL_WAIT_MS - clock.now());
    const cancelTimeout = clock.schedule(rest, () => {
      this.#door.delete(visitor);
      visitor.refuse('IPC_REFUSED_JOURNAL');
      settled();
    });
    this.#door.set(visitor, cancelTimeout);
    return () => {
      cancelTimeout();
      if (this.#door.delete(visitor)) settled();
    };
  }

  /** A peer says that it has looked. @returns false if it was not asked to */
  looked(peer: Peer): boolean {
    if (peer !== this.#looker) return false;
    this.#looker = undefined;
    this.#isInUse = false;
    return true;
  }

  /** All believe nothing of what they know of the file, and read it anew under their next locks [PROTOCOL-16.5]. */
  haveReread(): void {
    for (const peer of this.#told.keys()) this.#settings.delivery.send(peer, REREAD);
  }

  /** To be called after whatever has happened in the database: does what follows from it. */
  review(): void {
    while (!this.#isStopped) {
      if (this.#told.size === 0 && !this.#settings.locks().isAnyoneAwaited) this.#isInUse = false;
      const isOn = this.#isOn;
      if (isOn === true) this.#isInUse = true;
      if (isOn !== undefined) this.#tell(isOn);
      this.#haveLooked();
      if (this.#isInUse || this.#door.size === 0) return;
      this.#openDoor();
    }
  }

  /** The server drains, or stops: nobody is let in who waits, and nothing is switched any more. */
  stop(): void {
    this.#isStopped = true;
    for (const visitor of this.#takeFromDoor()) visitor.refuse('IPC_REFUSED_DRAINING');
  }

  /** Whether it is in force; `undefined` as long as it is not known who is there: each goes on as it was. */
  get #isOn(): boolean | undefined {
    if (this.#strangers.size > 0 || this.#door.size > 0 || this.#looker !== undefined) return false;
    return this.#told.size === 0 || this.#settings.locks().isAnyoneAwaited ? undefined : true;
  }

  #tell(isOn: boolean): void {
    if (isOn === this.#said && !this.#isAnyoneUntold) return;
    if (isOn !== this.#said) this.#log(isOn);
    this.#said = isOn;
    this.#isAnyoneUntold = false;
    for (const [peer, told] of this.#told) {
      if (told === isOn) continue;
      this.#told.set(peer, isOn);
      this.#settings.delivery.send(peer, journalMessage(isOn));
    }
  }

  /** Has one of those who keep a journal look at it, if somebody waits for that and nobody does it yet [PROTOCOL-16.4]. */
  #haveLooked(): void {
    const { seat, delivery } = this.#settings;
    const looker = this.#looker;
    const isDue = looker === undefined && this.#isInUse && this.#door.size > 0;
    // A worker looks without a lock: nobody else may have one, nor a master that comes meanwhile take one for itself.
    const isByWorker = looker === undefined ? isDue && seat.master === undefined : !looker.isMaster;
    this.#settings.locks().holdForJournal(isByWorker);
    if (!isDue) return;
    this.#looker = this.#nextLooker();
    if (this.#looker !== undefined) delivery.send(this.#looker, journalMessage(false, true));
  }

  /** Who can look now: the master, under a lock of its own; without one, a worker, when no worker holds a lock. */
  #nextLooker(): Peer | undefined {
    const { seat } = this.#settings;
    if (seat.master !== undefined) return isPresent(seat.master) && !seat.isHeld ? seat.master : undefined;
    const { isAnyoneAwaited, isAnyHeld } = this.#settings.locks();
    if (isAnyoneAwaited || isAnyHeld) return undefined;
    const workers = [...this.#told.keys()].filter((peer) => isPresent(peer) && peer.isAccepted);
    return workers.find(({ isReady }) => isReady) ?? workers[0];
  }

  #openDoor(): void {
    for (const visitor of this.#takeFromDoor()) visitor.admit();
    this.#settings.settled();
  }

  #takeFromDoor(): readonly HeldArrival[] {
    const visitors = [...this.#door.keys()];
    for (const cancelTimeout of this.#door.values()) cancelTimeout();
    this.#door.clear();
    return visitors;
  }

  #log(isOn: boolean): void {
    const { database, logger } = this.#settings;
    const [peer] = this.state.without;
    if (isOn) logger.info({ database, peers: this.#told.size }, 'the journal is in force: all keep one');
    else logger.info({ database, peer }, 'the journal is not in force: a peer keeps none');
  }
}
