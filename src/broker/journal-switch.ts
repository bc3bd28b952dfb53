/**
 * Whether the journal of a database is in force (docs/PROTOCOL.md, section 16). Clients of ours commit what they write through a redo
 * log beside the file. Other processes do not read it: they would see writes that are half applied, and write over what is still to be
 * applied. So it is in force only while every peer keeps one, and a newcomer without one is let in when a peer has emptied it.
 */

import { MASTER_ID } from '../protocol/frames.js';
import { journalMessage, REREAD } from '../protocol/session.js';
import type { MasterSeat } from './mastership.js';
import type { Door } from './peers/admission.js';
import type { Delivery } from './peers/delivery.js';
import { isPresent, type Peer } from './peers/peer.js';
import type { ArrivalRequest, Scope } from './ports.js';

/** What the switch works with. */
export interface JournalSwitchSettings extends Pick<Scope, 'database' | 'logger' | 'isClosing'> {
  readonly seat: Pick<MasterSeat, 'master' | 'isHeld'>;
  readonly delivery: Pick<Delivery, 'send'>;
  /** Newcomers that keep no journal wait there until it is empty. */
  readonly door: Pick<Door, 'isAnyoneWaitingFor' | 'waitingFor'>;
  /** Whether peers from before a restart of the server are waited for [PROTOCOL-14.6]. */
  isAnyoneAwaited(): boolean;
  /** Whether a worker holds a lock. */
  isAnyHeld(): boolean;
}

/** Whether the file is crash-safe, for people to read. */
export interface JournalState {
  /** Whether the journal is in force: no process that ends leaves a write half done. */
  readonly isInForce: boolean;
  /** The ids of peers, and of newcomers that wait, that keep no journal: {@link MAX_NAMED} of them at most. */
  readonly without: readonly string[];
  /** How many there are. */
  readonly withoutCount: number;
}

/** How many peers without a journal are named. */
export const MAX_NAMED = 2;

/** Switches the journal of one database on and off. */
export class JournalSwitch {
  readonly #settings: JournalSwitchSettings;
  /** The peers that keep one, in the order of their arrival, and what each was told last; `undefined` if it goes on as it was. */
  readonly #keepers = new Map<Peer, boolean | undefined>();
  /** The master, if it is one of them. */
  #keepingMaster: Peer | undefined;
  /** The peers that keep none. While there are any, the journal is empty. */
  readonly #others = new Set<Peer>();
  /** The peer that was asked to look at the journal, and has not answered. */
  #asked: Peer | undefined;
  #isInUse = false;
  #isCheckedByWorker = false;
  /** What the keepers were told last; and whether one has come since that was told nothing. */
  #said = false;
  #isAnyoneUntold = false;

  constructor(settings: JournalSwitchSettings) {
    this.#settings = settings;
  }

  /**
   * Whether the journal may hold something that the file lacks: it was in force, here or at an earlier server, since a peer emptied it.
   * Once that is applied, the file is right, whatever peers have been told [PROTOCOL-16.5].
   */
  get isInUse(): boolean {
    return this.#isInUse;
  }

  /** Whether a worker looks at the journal, without a lock, or is about to: no transaction must begin meanwhile. */
  get isCheckedByWorker(): boolean {
    return this.#isCheckedByWorker;
  }

  /** Whether the next master waits for the journal to be checked: whoever holds a lock must not wait for that master in turn [PROTOCOL-16.4]. */
  get isMasterWaiting(): boolean {
    if (!this.#isInUse || !this.#isAwaited || this.#settings.seat.master !== undefined) return false;
    return this.#settings.door.isAnyoneWaitingFor('journal', MASTER_ID);
  }

  /** Whether newcomers wait for that peer. */
  isWaitedFor(peer: Peer): boolean {
    return peer === this.#asked;
  }

  get state(): JournalState {
    const ids = [...this.#others].map(({ id }) => id);
    for (const { peerId } of this.#settings.door.waitingFor('journal')) ids.push(peerId);
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
      this.#others.add(peer);
      return undefined;
    }
    if (session.client.isJournalOn === true && this.#others.size === 0) this.#isInUse = true;
    this.#keepers.set(peer, undefined);
    if (peer.isMaster) this.#keepingMaster = peer;
    // One that comes from another server is about to say who else was there.
    const isOn = session.isReturning && this.#isOn === true ? undefined : this.#isOn;
    this.#keepers.set(peer, isOn);
    if (isOn === undefined) this.#isAnyoneUntold = true;
    return isOn;
  }

  /** A peer resumes its session. @returns what its welcome says: the messages that it missed follow */
  isBack(peer: Peer): boolean | undefined {
    return this.#keepers.get(peer);
  }

  /** A peer is no longer part of the database. */
  left(peer: Peer): void {
    this.#keepers.delete(peer);
    if (peer === this.#keepingMaster) this.#keepingMaster = undefined;
    this.#others.delete(peer);
    if (peer === this.#asked) this.#asked = undefined;
  }

  /** Whether a newcomer has to wait until the journal is empty. */
  isToBeHeld({ client }: ArrivalRequest): boolean {
    return this.#isInUse && client?.abilities.has('journal') !== true;
  }

  /** A peer says that the journal is empty. @returns false if it was not asked */
  looked(peer: Peer): boolean {
    if (peer !== this.#asked) return false;
    this.#asked = undefined;
    this.#isInUse = false;
    return true;
  }

  /** Has all peers read the file again, under their next locks [PROTOCOL-16.5]. */
  haveReread(): void {
    for (const peer of this.#keepers.keys()) this.#settings.delivery.send(peer, REREAD);
  }

  /**
   * To be called after everything that happens in the database: does what follows from it. While the server drains nothing is switched any more.
   *
   * @returns whether it is in use no more
   */
  review(): boolean {
    if (this.#settings.isClosing()) return false;
    const wasInUse = this.#isInUse;
    if (this.#keepers.size === 0 && !this.#settings.isAnyoneAwaited()) this.#isInUse = false;
    const isOn = this.#isOn;
    if (isOn === true) this.#isInUse = true;
    if (isOn !== undefined) this.#tell(isOn);
    this.#askToLook();
    return wasInUse && !this.#isInUse;
  }

  /** Whether it is in force; `undefined` as long as it is not known who is there. */
  get #isOn(): boolean | undefined {
    if (this.#others.size > 0 || this.#isAwaited || this.#asked !== undefined) return false;
    if (this.#keepers.size === 0 || this.#settings.isAnyoneAwaited()) return undefined;
    // Without a master, nobody begins to write; and if the next one kept none, it would have to wait for locks whose holders wait for it.
    return this.#keepingMaster === undefined && !this.#isInUse ? undefined : true;
  }

  /** Whether newcomers wait until it is empty. */
  get #isAwaited(): boolean {
    return this.#settings.door.isAnyoneWaitingFor('journal');
  }

  #tell(isOn: boolean): void {
    if (isOn === this.#said && !this.#isAnyoneUntold) return;
    if (isOn !== this.#said) this.#log(isOn);
    this.#said = isOn;
    this.#isAnyoneUntold = false;
    for (const [peer, told] of this.#keepers) {
      if (told === isOn) continue;
      this.#keepers.set(peer, isOn);
      this.#settings.delivery.send(peer, journalMessage(isOn));
    }
  }

  /** Asks a peer to empty the journal, if newcomers wait for that and none was asked [PROTOCOL-16.4]. */
  #askToLook(): void {
    const { seat, delivery } = this.#settings;
    const asked = this.#asked;
    const isDue = asked === undefined && this.#isInUse && this.#isAwaited;
    // A worker looks without a lock: no other peer may have one, nor may a master that comes meanwhile take one for itself.
    const isByWorker = asked === undefined ? isDue && seat.master === undefined : !asked.isMaster;
    this.#isCheckedByWorker = isByWorker;
    if (!isDue) return;
    this.#asked = this.#nextToAsk();
    if (this.#asked !== undefined) delivery.send(this.#asked, journalMessage(false, true));
  }

  /** The master, which takes a lock of its own; if there is none, a worker, once no worker holds a lock. */
  #nextToAsk(): Peer | undefined {
    const { seat, isAnyoneAwaited, isAnyHeld } = this.#settings;
    if (seat.master !== undefined) return isPresent(seat.master) && !seat.isHeld ? seat.master : undefined;
    if (isAnyoneAwaited() || isAnyHeld()) return undefined;
    const workers = [...this.#keepers.keys()].filter((peer) => isPresent(peer) && peer.isAccepted);
    return workers.find(({ isReady }) => isReady) ?? workers[0];
  }

  #log(isOn: boolean): void {
    const { database, logger } = this.#settings;
    const [peer] = this.state.without;
    if (isOn)
      logger.info({ database, peers: this.#keepers.size }, 'the journal is in force: all peers keep one');
    else logger.info({ database, peer }, 'the journal is not in force: a peer keeps none');
  }
}
