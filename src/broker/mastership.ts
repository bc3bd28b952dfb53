/** One master per database (docs/PROTOCOL.md, section 9): who sits in the seat, and who may take over. */

import { hasNotOpened } from '../protocol/session.js';
import { MASTER_ANSWER_MS, MASTER_MISSING_WARNING_MS, MASTER_READY_MS, MASTER_TURN_MS } from './limits.js';
import type { Caller, Wait } from './peers/admission.js';
import { isPresent, type Peer } from './peers/peer.js';
import type { Cancel, Clock, Scope } from './ports.js';

/** What the seat asks of its database. */
export interface MasterSeatHost {
  /** The master has had time to open its file. {@link MasterSeat.open} is to be called when it may get what waits for it. */
  settled(master: Peer): void;
  /** The master gets what waited for it, in order. */
  release(master: Peer): void;
  /** The seat is free: lets a second master in. @returns how long it waits for something else */
  admit(challenger: Caller): Wait | undefined;
  /** Why a second master is refused, with the folder of the first one; `undefined` if that is not known. */
  describe(master: Peer): string | undefined;
}

/** What the seat works with. */
export type MasterSeatSettings = Pick<Scope, 'database' | 'clock' | 'logger' | 'limits' | 'isClosing'>;

/** A second master that is kept waiting. */
interface Challenge {
  readonly challenger: Caller;
  readonly master: Peer;
  /** Whether the master has answered that ping: it lives, and can be reached. */
  hasAnswered: boolean;
  /** Until when it is kept waiting, by the broker's clock. */
  until: number;
}

/** The seat of a database's master. */
export class MasterSeat {
  readonly #settings: MasterSeatSettings;
  readonly #host: MasterSeatHost;
  #master: Peer | undefined;
  #isSettling = false;
  #cancelSettling: Cancel | undefined;
  #challenge: Challenge | undefined;
  #vacantSince: number;
  /** Until when somebody is expected to come again who could not be let in, since the master did not answer. */
  #expectedUntil = Number.NEGATIVE_INFINITY;

  constructor(settings: MasterSeatSettings, host: MasterSeatHost) {
    this.#settings = settings;
    this.#host = host;
    this.#vacantSince = settings.clock.now();
  }

  /** When the last master left, or the database was opened, by the broker's clock. */
  get vacantSince(): number {
    return this.#vacantSince;
  }

  /** The master, settled or not. */
  get master(): Peer | undefined {
    return this.#master;
  }

  /** Whether messages for the master must be kept: it is not there, or has not opened its file. */
  get isHeld(): boolean {
    return this.#master === undefined || this.#isSettling;
  }

  /** Whether somebody wants to take over, and waits for the master to answer, or to be gone. */
  get isAwaited(): boolean {
    return this.#challenge !== undefined || this.#settings.clock.now() < this.#expectedUntil;
  }

  /** A master was let in. It gets what waits for it once it has had time to open its file [PROTOCOL-9.3]. */
  take(master: Peer): void {
    this.#master = master;
    this.#isSettling = true;
    const { clock, limits } = this.#settings;
    const settle = master.can('ready') ? MASTER_READY_MS : limits.masterSettle;
    if (settle === 0) this.#host.settled(master);
    else this.#cancelSettling = clock.schedule(settle, () => this.#host.settled(master));
  }

  /** The peer says that its file is open [PROTOCOL-14.5]. */
  ready(peer: Peer): void {
    if (peer !== this.#master || !this.#isSettling || this.#cancelSettling === undefined) return;
    this.#cancelSettling();
    this.#cancelSettling = undefined;
    this.#host.settled(peer);
  }

  /** The master is gone. */
  vacate(): void {
    this.#master = undefined;
    this.#vacantSince = this.#settings.clock.now();
    this.#isSettling = false;
    this.#cancelSettling?.();
  }

  /**
   * Another process wants to be master while one is connected [PROTOCOL-9.2].
   *
   * A stock master reads its tables of free space and keys when it starts. One that started while another master worked has
   * old ones, and destroys the file if it is ever let in. So it is refused, whether that one answers or not: a master that is
   * silent, or whose line broke, may be writing until `reconnectGrace` is over. One that has not opened the file yet waits for its
   * turn, for a while.
   *
   * @returns how long it is kept waiting; `undefined` if it has its answer
   */
  challenge(challenger: Caller, master: Peer): Wait | undefined {
    const { clock } = this.#settings;
    const isAway = !isPresent(master);
    if (this.#challenge !== undefined || (isAway && !mayTakeTurn(challenger, master))) {
      this.#refuse(challenger, master);
      return undefined;
    }
    const until = clock.now() + (isAway ? MASTER_TURN_MS : MASTER_ANSWER_MS);
    const challenge: Challenge = { challenger, master, hasAnswered: false, until };
    this.#challenge = challenge;
    master.whenRead(() => {
      challenge.hasAnswered = true;
      // It lives: the time of who waits counts from now.
      challenge.until = clock.now() + (mayTakeTurn(challenger, master) ? MASTER_TURN_MS : 0);
    });
    return this.#judge(challenge);
  }

  #judge(challenge: Challenge): Wait | undefined {
    const { challenger, master, hasAnswered } = challenge;
    const waits = mayTakeTurn(challenger, master);
    const now = this.#settings.clock.now();
    const isClosing = this.#settings.isClosing();
    const isGone = this.#master !== master;
    // The first one may still have to go.
    if (now >= challenge.until && hasAnswered && waits && !master.isAccepted)
      challenge.until = now + MASTER_TURN_MS;
    if (!isGone && !isClosing && now < challenge.until) {
      const left = (): void => {
        this.#challenge = undefined;
      };
      return { awaits: 'seat', until: challenge.until, again: () => this.#judge(challenge), left };
    }
    // One that has read the file has old tables: the first one lived when it started. The next server must not let it in either.
    const mayEnter = waits && (isGone || isClosing);
    if (!mayEnter) this.#refuse(challenger, master);
    this.#challenge = undefined;
    if (!mayEnter) return undefined;
    // If the first one is gone, it was sent to the next server.
    if (isClosing) challenger.entrance.refuse('IPC_REFUSED_MASTER_AWAY');
    else if (this.#master === undefined) return this.#host.admit(challenger);
    else this.#refuseForGood(challenger, master);
    return undefined;
  }

  /** The server stops: nobody waits any more. */
  stop(): void {
    this.#cancelSettling?.();
  }

  /** The master has opened its file, and is a new one: it gets what waits for it. */
  open(master: Peer): void {
    if (this.#master !== master || !this.#isSettling) return;
    this.#isSettling = false;
    this.#host.release(master);
  }

  /** One that has read nothing may come again, if it is not known that the master lives and can be reached. */
  #refuse(challenger: Caller, master: Peer): void {
    const isReachable = isPresent(master) && this.#challenge?.hasAnswered === true;
    if (!isReachable && mayTakeTurn(challenger, master)) {
      this.#expectedUntil = this.#settings.clock.now() + MASTER_TURN_MS;
      challenger.entrance.refuse('IPC_REFUSED_MASTER_AWAY');
      return;
    }
    const { database, logger } = this.#settings;
    logger.warn(
      { database, address: challenger.request.address, masterAddress: master.address },
      'refused a second master: start one only when the last one has ended, and give no other process the role "master"',
    );
    this.#refuseForGood(challenger, master);
  }

  #refuseForGood({ entrance }: Caller, master: Peer): void {
    entrance.refuse('IPC_REFUSED_SECOND_MASTER', this.#host.describe(master));
  }
}

/**
 * Whether a second master may take its turn, as things are now: it has not opened the file [PROTOCOL-14.5], or the one that is connected
 * has not, and is being checked [PROTOCOL-14.9]. A stock client waits for no answer for so long.
 */
function mayTakeTurn({ request: { client } }: Caller, master: Peer): boolean {
  return hasNotOpened(client) || (client !== undefined && !master.isAccepted);
}

/** When masters left, also of databases that nobody is connected to any more. */
export class MasterDepartures {
  readonly #clock: Pick<Clock, 'now'>;
  /** Milliseconds for which they matter. */
  readonly #grace: number;
  readonly #times = new Map<string, number>();
  /** Those of them at which the master had its file open. */
  readonly #served = new Map<string, number>();

  constructor(clock: Pick<Clock, 'now'>, grace: number) {
    this.#clock = clock;
    this.#grace = grace;
  }

  /** A master has left that database. @param hasServed whether it had opened its file */
  left(database: string, hasServed: boolean): void {
    this.#note(this.#times, database);
    if (hasServed) this.#note(this.#served, database);
  }

  #note(times: Map<string, number>, database: string): void {
    const now = this.#clock.now();
    // In the order of the times.
    times.delete(database);
    times.set(database, now);
    for (const [name, at] of times) {
      if (now - at <= this.#grace) break;
      times.delete(name);
    }
  }

  /** Those who have left it had another folder, and did nothing to the one that it is from now on. */
  forget(database: string): void {
    this.#times.delete(database);
    this.#served.delete(database);
  }

  /** Whether one has left it of late that had opened its file: others may have written. */
  wasServed(database: string): boolean {
    return this.#isWithin(this.#served, database, this.#grace);
  }

  /** Whether one has left it within so many milliseconds, or of late. */
  isWithin(database: string, milliseconds = this.#grace): boolean {
    return this.#isWithin(this.#times, database, milliseconds);
  }

  #isWithin(times: ReadonlyMap<string, number>, database: string, milliseconds: number): boolean {
    const at = times.get(database);
    return at !== undefined && this.#clock.now() - at <= milliseconds;
  }
}

/** What it works with. */
export interface MasterAbsenceSettings extends Pick<Scope, 'database' | 'clock' | 'logger'> {
  readonly peers: ReadonlyMap<string, Peer>;
  readonly seat: Pick<MasterSeat, 'master'>;
  /** How many requests wait for a master, those for locks among them. */
  waiting(): number;
  /** Whether this server runs the master itself. */
  readonly isManaged: boolean;
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

  /** To be called after everything that happens in the database. */
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
    const { database, logger, peers, waiting, isManaged } = this.#settings;
    this.#cancel = undefined;
    this.#wasSaid = true;
    const fields = { database, workers: peers.size, waiting: waiting() };
    if (isManaged) {
      logger.warn(
        fields,
        'the master that this server runs is not there, and the workers need it: its lines in this log say why',
      );
      return;
    }
    logger.warn(
      fields,
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
