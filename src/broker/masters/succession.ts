import type { ClosureCode } from '../../errors.js';
import { disconnected } from '../../protocol/frames.js';
import type { ClientAnnouncement } from '../../protocol/session.js';
import type { Delivery } from '../delivery.js';
import type { FileNews } from '../file/file-news.js';
import { MASTER_SECOND_REPLAY_MS, MAX_GONE_IDS, OLD_MASTER_RETURN_MS } from '../limits.js';
import type { LockService } from '../locks/lock-service.js';
import type { Incidents } from '../monitoring/incidents.js';
import type { Peer } from '../peers/peer.js';
import { helloFrom } from '../peers/presence.js';
import type { Cancel, Clock } from '../ports.js';
import type { Mail } from './mailbox.js';
import type { MasterDesk } from './master-desk.js';
import type { MasterSeat } from './master-seat.js';

/** What the succession works with. */
export interface SuccessionSettings {
  readonly database: string;
  readonly clock: Clock;
  readonly incidents: Incidents;
  readonly peers: ReadonlyMap<string, Peer>;
  readonly seat: MasterSeat;
  readonly delivery: Delivery;
  readonly news: FileNews;
  readonly desk: MasterDesk;
  readonly locks: Pick<LockService, 'masterCame'>;
  /** Ends the connection of a master. */
  dismiss(master: Peer, cause: string, code: ClosureCode): void;
}

/** One master after another (docs/PROTOCOL.md, section 9): the last one is over before the next one begins. */
export class Succession {
  readonly #settings: SuccessionSettings;
  /** Has left, and may still answer what it was asked. */
  #former: Peer | undefined;
  #cancelSecondReplay: Cancel | undefined;
  /** Workers that went while there was no master: one that comes back may know them. */
  readonly #departed = new Set<string>();
  /** While set, the master that comes next is one that was told to end. */
  #cancelOldMaster: Cancel | undefined;
  #cancelForgetting: Cancel | undefined;
  /** The master that takes part; when it is known to be a new process; and whether it has had the time to open its file. */
  #master: Peer | undefined;
  #proven: Peer | undefined;
  #hasSettled = false;
  /** Whether a master has left this database already. */
  #hasBegun = false;

  constructor(settings: SuccessionSettings) {
    this.#settings = settings;
  }

  /** The master is no longer part of the database. */
  masterLeft(master: Peer): void {
    if (!master.isAccepted) {
      // It has opened no file, and nobody has heard of it: others are not after its time.
      this.#settings.seat.vacate();
      this.#settings.desk.masterNeverServed();
      return;
    }
    this.#hasBegun = true;
    this.#cancelSecondReplay?.();
    this.formerEnded();
    this.#former = master;
    this.#settings.seat.vacate();
    this.#settings.desk.masterLeft();
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
    if (this.#former === undefined) return;
    this.#former.state = 'gone';
    this.#former = undefined;
    this.#settings.desk.masterEnded();
  }

  /**
   * Whether the master at the door is of an old time: it was told to end (this is asked once), or it says that it was
   * here before, and others have followed it [PROTOCOL-14.5].
   */
  refuses(client: ClientAnnouncement | undefined): boolean {
    if (client?.received !== undefined && this.#hasBegun) return true;
    if (this.#cancelOldMaster === undefined) return false;
    this.#forgetOldMaster();
    return true;
  }

  /**
   * A master takes part. If it is a new process [PROTOCOL-9.7], it is asked for the root lock at once, before its file is open:
   * workers may hold locks from before.
   */
  masterCame(master: Peer): void {
    const { desk, locks } = this.#settings;
    if (this.#master === master) return;
    this.#master = master;
    this.#proven = undefined;
    this.#hasSettled = false;
    desk.prove(master, (verdict) => {
      if (verdict === 'old') {
        this.sendAway(master);
        return;
      }
      this.#proven = master;
      locks.masterCame(master);
      if (this.#hasSettled) this.#settings.seat.open(master);
    });
  }

  /** A master has had time to open its file. It gets its mail if it is a new process. */
  settled(master: Peer): void {
    this.formerEnded();
    this.#hasSettled = true;
    if (this.#proven === master) this.#settings.seat.open(master);
  }

  /** Gives a master that has opened its file what it missed, then what waited for it [PROTOCOL-9.3]. */
  release(master: Peer, mail: readonly Mail[]): void {
    const { peers, delivery, news, desk, clock } = this.#settings;
    for (const id of this.#departed) delivery.sendOwed(master, disconnected(id));
    this.#departed.clear();
    for (const other of peers.values()) {
      if (other !== master) delivery.sendOwed(master, helloFrom(other.id));
    }
    news.bringUpToDate(master);
    desk.release(master, mail);
    this.#cancelSecondReplay = clock.schedule(MASTER_SECOND_REPLAY_MS, () => news.repeatKeys(master));
  }

  /** Nobody is left. Calls `forget` when no master can come back any more that knows locks of those who are gone. */
  allHaveGone(forget: () => void): void {
    const { desk, clock } = this.#settings;
    if (!desk.isInDoubt) {
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
    this.#cancelForgetting?.();
    this.#cancelSecondReplay?.();
    this.#forgetOldMaster();
  }

  /** A master came back that is the last one still, or has locks of a server that is gone. */
  sendAway(master: Peer): void {
    const { database, clock, incidents, dismiss } = this.#settings;
    incidents.record(
      'old-master',
      { database, address: master.address },
      'sent a master away that came back with old locks: it must be started afresh',
    );
    this.#forgetOldMaster();
    this.#cancelOldMaster = clock.schedule(OLD_MASTER_RETURN_MS, () => this.#forgetOldMaster());
    dismiss(master, 'it came back with old locks', 'IPC_CLOSED_OLD_MASTER');
    this.formerEnded();
  }

  #forgetOldMaster(): void {
    this.#cancelOldMaster?.();
    this.#cancelOldMaster = undefined;
  }
}
