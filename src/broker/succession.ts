import type { ClosureCode } from '../errors.js';
import { disconnected, helloFrom } from '../protocol/frames.js';
import { rootRelease, rootRequest } from '../protocol/server-messages.js';
import { type ClientAnnouncement, hasNotOpened } from '../protocol/session.js';
import type { FileNews } from './file-metadata.js';
import {
  FORMER_MASTER_MS,
  MASTER_PROOF_MS,
  MASTER_SECOND_REPLAY_MS,
  MAX_GONE_IDS,
  OLD_MASTER_RETURN_MS,
} from './limits.js';
import type { LockService } from './locks/lock-service.js';
import type { MasterSeat } from './mastership.js';
import { wasGivenUp } from './peers/admission.js';
import type { Delivery } from './peers/delivery.js';
import type { Peer } from './peers/peer.js';
import type { Cancel, PeerProcess, Scope } from './ports.js';
import type { RequestCoordinator } from './requests/coordinator.js';
import type { ServerRequests } from './server-requests.js';

/** What the succession works with. */
export interface SuccessionSettings
  extends Pick<Scope, 'clock' | 'limits' | 'incidents' | 'server' | 'servedSince'> {
  readonly peers: ReadonlyMap<string, Peer>;
  readonly seat: MasterSeat;
  readonly delivery: Delivery;
  readonly news: FileNews;
  readonly requests: RequestCoordinator;
  readonly asked: ServerRequests;
  readonly locks: Pick<LockService, 'masterCame' | 'masterLeft' | 'root' | 'isFileAsOpened'>;
  /** Whether others have used the database at this server of late, and all have left it. */
  readonly wasServed: boolean;
  /** Ends the connection of a master. */
  dismiss(master: Peer, cause: string, code: ClosureCode): void;
}

/** One master after another (docs/PROTOCOL.md, section 9): the last one is over before the next one begins. */
export class Succession {
  readonly #settings: SuccessionSettings;
  /** Whether a master is a new process. */
  readonly #proof: MasterProof;
  /** The process of the last master, if that is known; `undefined` if it has given, or kept, nothing that is not known here. */
  #doubted: { readonly process: PeerProcess | undefined } | undefined;
  /** Has left, and may still answer what it was asked. */
  #former: Peer | undefined;
  #cancelSecondReplay: Cancel | undefined;
  /** Workers that went while there was no master: one that comes back may know them. */
  readonly #departed = new Set<string>();
  /** Until when the master that comes next is one that was told to end, by the broker's clock. */
  #oldMasterUntil = Number.NEGATIVE_INFINITY;
  #cancelForgetting: Cancel | undefined;
  /** The master that takes part; when it is known to be a new process; and whether it has had the time to open its file. */
  #master: Peer | undefined;
  #proven: Peer | undefined;
  #hasSettled = false;
  /** Whether a master has left this database already. */
  #hasBegun: boolean;

  constructor(settings: SuccessionSettings) {
    this.#settings = settings;
    this.#hasBegun = settings.wasServed;
    this.#proof = new MasterProof(settings);
  }

  /** The master is no longer part of the database. */
  masterLeft(master: Peer): void {
    if (!master.isAccepted) {
      // It has opened no file, and nobody has heard of it: others are not after its time.
      this.#settings.seat.vacate();
      this.#settings.requests.masterNeverServed();
      return;
    }
    this.#hasBegun = true;
    this.#cancelSecondReplay?.();
    this.formerEnded();
    this.#former = master;
    this.#settings.seat.vacate();
    this.#proof.cancel();
    if (this.#settings.locks.masterLeft()) this.#doubted = { process: master.process };
    this.#settings.requests.masterLeft();
  }

  /** A worker is no longer part of the database. A master that is there is told like all others. */
  workerLeft({ id }: Peer): void {
    const { seat } = this.#settings;
    if (seat.master === undefined && this.#departed.size < MAX_GONE_IDS) this.#departed.add(id);
  }

  /** The connection of that peer is over. */
  connectionEnded(peer: Peer): void {
    if (peer === this.#former) this.formerEnded();
  }

  /** What the last master still says is of an old time: it must not grant locks beside its successor. */
  formerEnded(): void {
    const former = this.#former;
    if (former === undefined) return;
    former.end();
    this.#former = undefined;
    if (this.#settings.requests.masterEnded()) this.#doubted = { process: former.process };
  }

  /**
   * Whether the master at the door is of an old time: it was told to end (this is asked once), or it says that it was
   * here before, and others have followed it, or all have left [PROTOCOL-14.5].
   */
  refuses(client: ClientAnnouncement | undefined): boolean {
    const { clock } = this.#settings;
    if (client?.received !== undefined && this.#hasBegun) return true;
    if (wasGivenUp(client, this.#settings)) return true;
    // One of ours says itself that it is a new one.
    if (clock.now() >= this.#oldMasterUntil || hasNotOpened(client)) return false;
    this.#oldMasterUntil = Number.NEGATIVE_INFINITY;
    return true;
  }

  /**
   * A master takes part. If it is a new process [PROTOCOL-9.7], it is asked for the root lock at once, before its file is open:
   * workers may hold locks from before.
   */
  masterCame(master: Peer): void {
    const { locks } = this.#settings;
    if (this.#master === master) return;
    this.#master = master;
    this.#proven = undefined;
    this.#hasSettled = false;
    const { highestId, tid } = locks.root.last;
    const conclude = (isNew: boolean): void => {
      if (!isNew) {
        this.sendAway(master);
        return;
      }
      if (this.#doubted !== undefined) this.#proof.replaced(this.#doubted.process, highestId);
      this.#doubted = undefined;
      this.#proven = master;
      locks.masterCame(master);
      if (this.#hasSettled) this.#settings.seat.open(master);
    };
    // A client that has a session says itself who it is.
    const known = [...this.#proof.returning, ...(this.#mayLastReturn ? [highestId] : [])];
    const isKnown = master.session !== undefined || known.length === 0;
    if (isKnown || this.#proof.isDispensable) conclude(true);
    else this.#proof.begin(master, tid, known, conclude);
  }

  /** Whether the one that comes next may be the last one, with what is not known here. */
  get #mayLastReturn(): boolean {
    return this.#doubted !== undefined && mayReturn(this.#doubted.process);
  }

  /** A master has had time to open its file. It gets what waits for it if it is a new process. */
  settled(master: Peer): void {
    this.formerEnded();
    this.#hasSettled = true;
    if (this.#proven === master) this.#settings.seat.open(master);
  }

  /** Gives a master that has opened its file what it missed, then what waited for it [PROTOCOL-9.3]. */
  release(master: Peer): void {
    const { peers, delivery, news, requests, clock, locks } = this.#settings;
    for (const id of this.#departed) delivery.sendOwed(master, disconnected(id));
    this.#departed.clear();
    for (const other of peers.values()) {
      if (other !== master) delivery.sendOwed(master, helloFrom(other.id));
    }
    if (locks.isFileAsOpened) news.masterOpened(master);
    news.bringUpToDate(master);
    this.#doubted = undefined;
    this.#proof.masterStays();
    requests.release(master);
    this.#cancelSecondReplay = clock.schedule(MASTER_SECOND_REPLAY_MS, () => news.repeatKeys(master));
  }

  /** Nobody is left. Calls `forget` when no master can come back any more that knows locks of those who are gone. */
  allHaveGone(forget: () => void): void {
    const { clock } = this.#settings;
    if (!this.#mayLastReturn && this.#proof.returning.length === 0) {
      forget();
      return;
    }
    this.#cancelForgetting ??= clock.schedule(OLD_MASTER_RETURN_MS, () => {
      this.#cancelForgetting = undefined;
      forget();
    });
  }

  /** The server stops. */
  stop(): void {
    this.#proof.cancel();
    this.#cancelForgetting?.();
    this.#cancelSecondReplay?.();
  }

  /** A master came back that is the last one still, or has locks of a server that is gone. */
  sendAway(master: Peer): void {
    const { clock, incidents, dismiss } = this.#settings;
    incidents.record('old-master', { address: master.address });
    this.#oldMasterUntil = clock.now() + OLD_MASTER_RETURN_MS;
    dismiss(master, 'it came back with old locks', 'IPC_CLOSED_OLD_MASTER');
    this.formerEnded();
  }
}

/** A process that has ended does not come back. */
const mayReturn = (process: PeerProcess | undefined): boolean => process?.hasEnded() !== true;

/** The number of the first lock that a master gives. */
const FIRST_ID = 1;

/**
 * How many masters in a row are sent away as old ones. A new process that takes locks of its own as it starts may seem to
 * be one; sooner or later it must be trusted.
 */
const MAX_MASTERS_SENT_AWAY = 2;

/** Is called once, unless the master goes away before: with whether it is a new process, and not the old one that came back. */
type Conclude = (isNew: boolean) => void;

/**
 * Finds out whether a master is a new process [PROTOCOL-9.7].
 *
 * A process whose line broke and that comes back still has the locks that it gave, and the ids that it gave them. So
 * it is asked for one read lock, for a transaction that held one. A new process grants it at once, under a low number;
 * an old one counts on from the highest that was seen, refuses, or does not answer, since somebody holds a lock there. One
 * that has not read the question yet, since it is stopped or busy, says nothing by its silence.
 */
class MasterProof {
  readonly #settings: Pick<SuccessionSettings, 'clock' | 'delivery' | 'asked'>;
  #highestId = 0;
  #conclude: Conclude | undefined;
  #master: Peer | undefined;
  #cancelReading: Cancel | undefined;
  #cancelTimeout: Cancel | undefined;
  /** Whether the last question has no answer: whoever it was put to may have granted a lock that nobody gives back. */
  #isUnanswered = false;
  /** How many masters in a row were found to be old ones. */
  #sentAway = 0;
  /** Masters that were replaced and may come back, with their highest numbers, and until when. */
  #formers: {
    readonly process: PeerProcess | undefined;
    readonly highestId: number;
    readonly until: number;
  }[] = [];

  constructor(settings: Pick<SuccessionSettings, 'clock' | 'delivery' | 'asked'>) {
    this.#settings = settings;
  }

  /** Whether so many were sent away that the next one is to be trusted. */
  get isDispensable(): boolean {
    return this.#sentAway >= MAX_MASTERS_SENT_AWAY;
  }

  /**
   * A master takes over from one that may still be there, with locks that are not known.
   *
   * @param process of the former one, if it is known
   * @param highestId the highest number of a lock that is known of it
   */
  replaced(process: PeerProcess | undefined, highestId: number): void {
    this.#formers.push({ process, highestId, until: this.#settings.clock.now() + FORMER_MASTER_MS });
  }

  /** The highest numbers of those before the last that may come back. */
  get returning(): readonly number[] {
    const now = this.#settings.clock.now();
    this.#formers = this.#formers.filter(({ process, until }) => until > now && mayReturn(process));
    return this.#formers.map(({ highestId }) => highestId);
  }

  /** The master is taken for a new one. */
  masterStays(): void {
    this.#sentAway = 0;
  }

  /**
   * Asks.
   *
   * @param tid the transaction of the server that held a lock at the last master; `undefined` if none did
   * @param known the highest numbers of locks that those masters gave the server which it may be; one at least
   */
  begin(master: Peer, tid: string | undefined, known: readonly number[], conclude: Conclude): void {
    this.cancel();
    const { clock, delivery, asked } = this.#settings;
    const id = asked.open(master, ({ lockId }) => this.#answered(master, lockId));
    this.#highestId = this.#isUnanswered ? FIRST_ID : Math.max(Math.min(...known), FIRST_ID);
    this.#isUnanswered = true;
    this.#conclude = conclude;
    this.#master = master;
    delivery.send(master, rootRequest(id, tid ?? id, false, 'is this a new master?'));
    this.#cancelReading = master.whenRead(() => {
      this.#cancelTimeout = clock.schedule(MASTER_PROOF_MS, () => this.#end(false));
    });
  }

  #answered(master: Peer, lockId: number | undefined): void {
    if (this.#conclude === undefined || master !== this.#master) return;
    this.#isUnanswered = false;
    if (lockId === undefined) {
      this.#end(false);
      return;
    }
    const { delivery, asked } = this.#settings;
    const id = asked.open(master, () => undefined);
    delivery.send(master, rootRelease(id, lockId));
    this.#end(lockId <= this.#highestId);
  }

  /** The master is gone: nothing is concluded. */
  cancel(): void {
    this.#cancelReading?.();
    this.#cancelTimeout?.();
    this.#conclude = undefined;
  }

  #end(isNew: boolean): void {
    const conclude = this.#conclude;
    this.cancel();
    if (!isNew) this.#sentAway++;
    conclude?.(isNew);
  }
}
