/**
 * One master per database (docs/PROTOCOL.md, section 9): who sits in the seat, who may take over, and the mail for a
 * master that is absent, or has not opened its file yet.
 */

import type { RefusalCode } from '../errors.js';
import { hasNotOpened } from '../protocol/session.js';
import {
  type Limits,
  MASTER_ANSWER_MS,
  MASTER_MISSING_WARNING_MS,
  MASTER_READY_MS,
  MASTER_TURN_MS,
} from './limits.js';
import type { ByteBudget } from './memory.js';
import type { ArrivalRequest, Entrance } from './peers/admission.js';
import { isPresent, type Peer } from './peers/peer.js';
import type { Cancel, Clock, Logger } from './ports.js';
import { type Mail, Mailbox, type OpenRequest } from './requests/request-table.js';

/** What the seat asks of its database. */
export interface MasterSeatHost {
  /** The master has had time to open its file. {@link MasterSeat.open} is to be called when it may get its mail. */
  settled(master: Peer): void;
  /** The master gets what waited for it, in order. */
  release(master: Peer, mail: readonly Mail[]): void;
}

/** A second master at the door. */
export interface Challenger {
  /** Where it connects from. */
  readonly address: string;
  /**
   * Whether it may take its turn, as things are now: it has not opened the file [PROTOCOL-14.5], or the one that is connected
   * has not, and is being checked [PROTOCOL-14.9].
   */
  readonly waits: boolean;
  /** Lets it in. */
  admit(): void;
  refuse(code: RefusalCode): void;
}

/** What the seat works with. */
export interface MasterSeatSettings {
  readonly database: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits: Limits;
  /** What all mailboxes share. */
  readonly kept: ByteBudget;
  /** How many frames have come to the database so far. */
  framesSoFar(): number;
}

/** A second master that is kept waiting. */
interface Challenge {
  readonly challenger: Challenger;
  readonly master: Peer;
  readonly pingToken: number;
  /** Whether the master has answered that ping: it lives, and can be reached. */
  hasAnswered: boolean;
  cancelTimeout: Cancel;
}

/** The seat of a database's master. */
export class MasterSeat {
  readonly #settings: MasterSeatSettings;
  readonly #host: MasterSeatHost;
  readonly #mailbox: Mailbox;
  /** How many frames had come when the first message was kept that is no request: nobody sends it again if it is lost here. */
  #keptSince: number | undefined;
  #master: Peer | undefined;
  #isSettling = false;
  #cancelSettling: Cancel | undefined;
  #challenge: Challenge | undefined;

  constructor(settings: MasterSeatSettings, host: MasterSeatHost) {
    this.#settings = settings;
    this.#host = host;
    this.#mailbox = new Mailbox(settings.limits.maxMailPerPeer, settings.kept);
  }

  /** The master, settled or not. */
  get master(): Peer | undefined {
    return this.#master;
  }

  /** Whether messages for the master must be kept: it is not there, or has not opened its file. */
  get isHeld(): boolean {
    return this.#master === undefined || this.#isSettling;
  }

  /** The bytes of mail kept. */
  get mailBytes(): number {
    return this.#mailbox.bytes;
  }

  /** How many messages are kept. */
  get mailCount(): number {
    return this.#mailbox.count;
  }

  /** Keeps a message for the master. @returns false if there is no room */
  keep(mail: Mail): boolean {
    const isKept = this.#mailbox.put(mail);
    if (isKept && mail.request === undefined) this.#keptSince ??= this.#settings.framesSoFar();
    return isKept;
  }

  /** Up to how many frames of the database nothing of what came of them waits here, but for requests [PROTOCOL-14.7]. */
  get caughtUpTo(): number {
    return this.#keptSince === undefined ? Number.POSITIVE_INFINITY : this.#keptSince - 1;
  }

  /** A worker is gone: what it asked has no meaning any more. @returns how many requests were thrown away */
  discardRequestsOf(workerId: string): number {
    return this.#mailbox.discard(({ request }) => request?.asker.id === workerId);
  }

  /** Throws away one request, if it is kept. */
  discardRequest(open: OpenRequest): void {
    this.#mailbox.discardRequest(open);
  }

  /** Keeps requests that an earlier master was given, in front of all others. @returns those that found no room */
  keepFirst(mail: readonly Mail[]): readonly Mail[] {
    return this.#mailbox.putFirst(mail);
  }

  /** How many requests are kept. */
  get requestCount(): number {
    return this.#mailbox.requestCount;
  }

  /** The request that has been kept for longest. */
  get oldestRequest(): OpenRequest | undefined {
    return this.#mailbox.find(({ request }) => request !== undefined)?.request;
  }

  /** A master was let in. It gets its mail once it has had time to open its file [PROTOCOL-9.3]. */
  take(master: Peer): void {
    this.#master = master;
    this.#isSettling = true;
    const { clock, limits } = this.#settings;
    const settle = master.session?.can('ready') === true ? MASTER_READY_MS : limits.masterSettle;
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
    this.#isSettling = false;
    this.#cancelSettling?.();
    // Requests are for any master; what else it was to hear is told anew to the next one, or was for it alone.
    this.#mailbox.discard(({ request }) => request === undefined);
    this.#keptSince = undefined;
  }

  /**
   * Another process wants to be master while one is connected [PROTOCOL-9.2].
   *
   * A stock master reads its tables of free space and keys when it starts. One that started while another master worked has
   * old ones, and destroys the file if it is ever let in. So it is refused, whether that one answers or not: a master that is
   * silent, or whose line broke, may be writing until `reconnectGrace` is over. One that has not opened the file yet waits for its
   * turn, for a while.
   *
   * @returns to be called if the challenger goes away by itself
   */
  challenge(challenger: Challenger, master: Peer): Cancel {
    const { clock } = this.#settings;
    const isAway = !isPresent(master);
    if (this.#challenge !== undefined || (isAway && !challenger.waits)) {
      this.#refuse(challenger, master);
      return () => undefined;
    }
    const pingToken = master.nextToken();
    const lasts = isAway ? MASTER_TURN_MS : MASTER_ANSWER_MS;
    const cancelTimeout = clock.schedule(lasts, () => this.#refuseChallenger());
    this.#challenge = { challenger, master, pingToken, hasAnswered: false, cancelTimeout };
    master.outbox.ping(pingToken);
    return () => {
      if (this.#challenge?.challenger === challenger) this.#endChallenge();
    };
  }

  /** A master answered the ping with that token: it lives. */
  acknowledge(master: Peer, token: number): void {
    const challenge = this.#challenge;
    if (challenge?.master !== master || token < challenge.pingToken) return;
    challenge.hasAnswered = true;
    if (!challenge.challenger.waits) {
      this.#refuseChallenger();
      return;
    }
    const wait = (): void => {
      challenge.cancelTimeout();
      challenge.cancelTimeout = this.#settings.clock.schedule(MASTER_TURN_MS, () => {
        // The first one may still have to go.
        if (challenge.challenger.waits && !master.isAccepted) wait();
        else this.#refuseChallenger();
      });
    };
    wait();
  }

  /**
   * A master is about to go. It lived when its challenger started, which is refused if it has read the file.
   *
   * @returns the challenger whose turn it is when the master is gone
   */
  takeSuccessorOf(master: Peer): Challenger | undefined {
    if (this.#challenge?.master !== master) return undefined;
    const { challenger } = this.#challenge;
    if (challenger.waits) this.#endChallenge();
    else this.#refuseChallenger();
    return challenger.waits ? challenger : undefined;
  }

  /**
   * The server lets nobody in any more. Who waits and has read the file has old tables, and must not be let in by the next
   * server either.
   */
  closeDoor(): void {
    const challenger = this.#challenge?.challenger;
    if (challenger?.waits !== true) {
      this.#refuseChallenger();
      return;
    }
    this.#endChallenge();
    challenger.refuse('IPC_REFUSED_DRAINING');
  }

  /** The server stops: nobody waits any more. */
  close(): void {
    this.#cancelSettling?.();
    this.#mailbox.takeAll();
    this.closeDoor();
  }

  /** The master has opened its file, and is a new one: it gets its mail. */
  open(master: Peer): void {
    if (this.#master !== master || !this.#isSettling) return;
    this.#isSettling = false;
    this.#keptSince = undefined;
    this.#host.release(master, this.#mailbox.takeAll());
  }

  /** One that has read nothing may come again, if it is not known that the master lives and can be reached. */
  #refuse(challenger: Challenger, master: Peer): void {
    const isReachable = isPresent(master) && this.#challenge?.hasAnswered === true;
    if (!isReachable && challenger.waits) {
      challenger.refuse('IPC_REFUSED_MASTER_AWAY');
      return;
    }
    this.#settings.logger.warn(
      { database: this.#settings.database, address: challenger.address, masterAddress: master.address },
      'refused a second master: start one only when the last one has ended, and give no other process the role "master"',
    );
    challenger.refuse('IPC_REFUSED_SECOND_MASTER');
  }

  #refuseChallenger(): void {
    if (this.#challenge === undefined) return;
    const { challenger, master } = this.#challenge;
    this.#refuse(challenger, master);
    this.#endChallenge();
  }

  #endChallenge(): void {
    this.#challenge?.cancelTimeout();
    this.#challenge = undefined;
  }
}

/** What a second master is made with. */
export interface SecondMasterSettings {
  /** The first one. */
  readonly master: Peer;
  readonly request: ArrivalRequest;
  readonly entrance: Entrance;
  /** Why the second one is refused, with the folder of the first; `undefined` if that is not known. */
  describe(master: Peer): string | undefined;
  /** Lets it in. @returns false if there is a master */
  admit(): boolean;
}

/** A master at the door of a database that has one. */
export function secondMaster({ master, request, entrance, ...settings }: SecondMasterSettings): Challenger {
  const refuse = (code: RefusalCode): void =>
    entrance.refuse(code, code === 'IPC_REFUSED_SECOND_MASTER' ? settings.describe(master) : undefined);
  return {
    address: request.address,
    get waits() {
      // A stock client waits for no answer for so long.
      return hasNotOpened(request.client) || (request.client !== undefined && !master.isAccepted);
    },
    admit: () => {
      if (!settings.admit()) refuse('IPC_REFUSED_SECOND_MASTER');
    },
    refuse,
  };
}

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
