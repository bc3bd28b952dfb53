import { join } from 'node:path';
import { type Moment, momentAt } from '../elapsed.js';
import { IPCError } from '../errors.js';
import { systemClock } from '../platform/clock.js';
import { claimWhenFree } from '../platform/folder-claim.js';
import { certainFor, FolderOwner, NO_ANSWER, type Obstacle } from '../platform/folder-owner.js';
import { FolderWatch, isFolderOfManagedMaster, userAtOnce } from '../platform/folder-watch.js';
import { ownWords } from '../platform/local-processes.js';
import { makeFolder } from '../platform/new-folder.js';
import { type FolderServer, OWNER_FILE, readAtOnce } from '../platform/owner-record.js';
import { codeOf, isForbidden, messageOf } from '../system-error.js';
import { folderOf, lockTimeoutOf, loggerOf, type Storage } from './acebase.js';
import { Lease } from './core/lease.js';

/**
 * Milliseconds for which a record need not be renewed. A process that is stopped is still the master at its server for a while, and workers may begin
 * to write under the lock that it has granted, until that is so old (docs/PROTOCOL.md, section 12).
 */
const GRACE_MS = 20_000;

/** Milliseconds for which what is under way waits for the next renewal: a disk that does not answer has others wait, too. */
const RENEWAL_PATIENCE_MS = 120_000;

/** Others take the folder later than that after a renewal was begun, in milliseconds. */
const LEASE_MS = certainFor(GRACE_MS, 0);

const PLACE_LOST = 'this process has lost its place at the IPC server';

/** How often it is looked whether those who had the folder are gone, in milliseconds. */
const LOOK_MS = 250;

/** That nothing keeps the process from ending which only renews a record. */
const idleClock = {
  now: () => systemClock.now(),
  uptime: () => systemClock.uptime(),
  schedule: systemClock.scheduleIdle,
};

/** How one of those who use a folder leaves. `gave up`: it may be writing yet; `untold`: its server does not know, and workers may be in the midst of something. */
type Leaving = 'gave up' | 'untold' | 'told';

/**
 * A database without a server is opened by this process: nobody else may have it. To be called before that.
 *
 * @throws {IPCError} IPC_CLIENT_FOLDER_IN_USE, if a master has the folder, or may have
 */
export function refuseFolderInUse(storage: Storage): void {
  let user: string | undefined;
  try {
    user = userAtOnce(folderOf(storage));
  } catch (error) {
    user = `it cannot be seen who has its folder: ${messageOf(error)}`;
  }
  if (user !== undefined) throw inUse(storage, user);
}

/** What concerns the record of a folder elsewhere. */
export interface FolderRecordHandlers {
  /** Whether the server has heard this process, as far as is known: one that is given up must let others have the folder. */
  isInTouch(): boolean;
  /**
   * Somebody else has taken the folder, or the record was removed: this process must come to the server anew, and take it then.
   *
   * @param reason in words
   */
  lost(reason: string): void;
}

/**
 * Notes beside the data that this process is the master of a database, unless a server runs it, which notes that itself. The server of it knows who its
 * masters are; others do not: one at another place, and one that has just been started while the first master is on its way to it.
 */
export class FolderRecord {
  readonly #storage: Storage;
  readonly #folder: string;
  /** The name of the database at the server. */
  readonly #database: string;
  /** The server that this process has connected to last, and its address. */
  #server: FolderServer;
  readonly #watch: FolderWatch;
  readonly #handlers: FolderRecordHandlers;
  /**
   * For how long its workers may go on with what they had begun, at a server that others do not reach, in milliseconds: unlike one that runs the master
   * itself, it lives on, and does not look at the record. None gets a new lock without a master, and each lock expires.
   */
  #workersGrace: number;
  /** From when it claims the folder. */
  #owner: FolderOwner | undefined;
  /** Whether it has ever had it: then it can be noted who has. */
  #wasTaken = false;
  /** The attempt to take it for the place that this process has at its server, and those for places that it has lost. */
  #taking: Promise<void> | undefined;
  #formerTaking: Promise<unknown> = Promise.resolve();
  /** How often the place was lost. */
  #losses = 0;
  /** When the last renewal was begun, since the folder was taken or gone on with. */
  #renewed: Moment | undefined;
  /**
   * For how long the files may be used after a renewal: others take the folder later. A process that was stopped alone has its server believe it, and
   * finds out here.
   */
  readonly lease: Lease;
  /** Whether the database is about to be closed: whoever waits for the folder, waits no more. */
  #isClosing = false;
  /** How many use the folder: the database, and its transaction log; and how that one of them has left that matters most. */
  #users = 0;
  #leaving: Leaving = 'told';

  /**
   * @param place where the server is, for people to read
   * @param name of the database there
   */
  constructor(storage: Storage, place: string, name: string, handlers: FolderRecordHandlers) {
    this.#handlers = handlers;
    this.#database = name;
    this.#storage = storage;
    this.#folder = folderOf(storage);
    this.#workersGrace = lockTimeoutOf(storage);
    this.#server = { id: '', process: ownWords() ?? null, urls: [place] };
    this.#watch = new FolderWatch(this.#folder, systemClock);
    const database = storage.name;
    this.lease = new Lease({
      clock: systemClock,
      proof: () => this.#renewed,
      patience: () => RENEWAL_PATIENCE_MS,
      impatience: () =>
        noLease(`it could not be noted for too long that this process uses the folder of ${database}`),
      lapsed: () =>
        loggerOf(storage).error(
          `It could not be noted in time that this process uses the folder of ${database}, so reading and writing wait: ${this.#owner?.problem ?? NO_ANSWER}`,
        ),
      regained: (milliseconds) =>
        loggerOf(storage).error(
          `${database} goes on after ${(milliseconds / 1000).toFixed(1)} s: nobody else has taken its folder`,
        ),
    });
  }

  /** Whether another process seems to be the master at that server: what it is told, if it was just started and knows of none. */
  get isAnothers(): boolean {
    try {
      return this.#watch.isInUseAt(this.#server);
    } catch (error) {
      this.#cannotNote(error);
      return false;
    }
  }

  /**
   * It is connected.
   *
   * @param id which run of which server that is; `undefined` if it does not say
   * @param grace its `reconnectGrace`, in milliseconds
   */
  isAt(id = '', grace = 0): void {
    // That may be one which knows nothing of another master, whom the last one had let in: the record does.
    if (id !== this.#server.id) this.#renewed = undefined;
    this.#server = { ...this.#server, id };
    this.#workersGrace = Math.max(grace, this.#workersGrace);
    this.#owner?.isAt(this.#server, this.#workersGrace);
  }

  /** The server has given this process up, and may have let in another master: the folder is that one's then. */
  placeIsLost(): void {
    this.#losses += 1;
    this.#owner?.suspend();
    this.#renewed = undefined;
    this.lease.lose(noLease(PLACE_LOST));
    const former = this.#taking;
    this.#taking = undefined;
    if (former !== undefined) this.#formerTaking = former.catch(() => undefined);
  }

  /**
   * Takes the folder, when the server has accepted this process as the master; or goes on with it, if nobody has taken it since it lost its place. Once
   * for each place, for the database and its transaction log. Resolves when the files may be used.
   *
   * @throws {IPCError} IPC_CLIENT_FOLDER_IN_USE, if the master of another server has it; IPC_CLIENT_LEASE_LOST, if the place is lost meanwhile
   */
  async take(): Promise<void> {
    const place = this.#losses;
    this.#taking ??= this.#take(place);
    await this.#taking;
    this.#assertIsFor(place);
    await this.lease.wait();
  }

  /** @param place which one it is of those that this process had */
  async #take(place: number): Promise<void> {
    await this.#formerTaking;
    this.#assertIsFor(place);
    try {
      if (await this.#hasItStill(place)) return;
      const isManaged = !this.#wasTaken && (await this.#isOfManagedMaster(place));
      this.#assertIsFor(place);
      if (isManaged) {
        this.lease.begin(undefined);
        return;
      }
      const owner = this.#newOwner();
      this.#owner = owner;
      await this.#claim(owner, place);
    } catch (error) {
      this.#assertIsFor(place);
      this.#owner = undefined;
      if (error instanceof IPCError || !this.#isOpenToAll(error)) throw error;
      this.#cannotNote(error);
      this.lease.begin(undefined);
    }
  }

  /** Whether a server runs this master: that has just written the record. @param place for which that is asked */
  async #isOfManagedMaster(place: number): Promise<boolean> {
    let isManaged = false;
    await this.#whenFree(place, async () => {
      isManaged = await isFolderOfManagedMaster(this.#folder);
      return undefined;
    });
    return isManaged;
  }

  async #hasItStill(place: number): Promise<boolean> {
    const isStill = await this.#owner?.resume();
    this.#assertIsFor(place);
    if (isStill === true) this.lease.begin(LEASE_MS);
    else this.#owner = undefined;
    return isStill === true;
  }

  #isFor(place: number): boolean {
    return place === this.#losses && this.#users > 0;
  }

  /** @throws {IPCError} if that place is lost, or the database is closed */
  #assertIsFor(place: number): void {
    if (!this.#isFor(place)) throw noLease(PLACE_LOST);
  }

  #newOwner(): FolderOwner {
    const owner = new FolderOwner({
      folder: this.#folder,
      database: this.#database,
      server: this.#server,
      isManaged: false,
      grace: GRACE_MS,
      workersGrace: this.#workersGrace,
      clock: idleClock,
      taken: () => {
        this.#wasTaken = true;
        this.lease.begin(LEASE_MS);
      },
      kept: (uptime) => {
        this.#renewed = momentAt(uptime, systemClock);
        this.lease.proved();
      },
      mayRenew: () => this.#handlers.isInTouch(),
      // The master of another server has it, or another one of this, which has given this process up; or the record was removed.
      lost: (reason) => {
        if (this.#owner !== owner) return;
        this.#owner = undefined;
        this.lease.lose(noLease(reason));
        this.#handlers.lost(reason);
      },
    });
    return owner;
  }

  async #claim(owner: FolderOwner, place: number): Promise<void> {
    const obstacle = await this.#whenFree(place, async () => {
      makeFolder(this.#folder);
      return await owner.claim();
    });
    this.#assertIsFor(place);
    if (obstacle !== undefined) throw inUse(this.#storage, obstacle.reason);
  }

  /** Waits until the folder is free, if nobody has it for certain; or until it can be seen who has it. */
  #whenFree(place: number, claim: () => Promise<Obstacle | undefined>): Promise<Obstacle | undefined> {
    return claimWhenFree(claim, {
      every: LOOK_MS,
      clock: systemClock,
      isWanted: ({ isInUse }) => !isInUse && this.#isFor(place) && !this.#isClosing,
      waits: (reason) =>
        loggerOf(this.#storage).warn(`Waiting for the folder of ${this.#storage.name}: ${reason}`),
      failed: (error) => {
        if (!this.#wasTaken && isLasting(error)) throw error;
        return { reason: `it cannot be noted who has it: ${messageOf(error)}`, isInUse: false };
      },
    });
  }

  /** Whether that is of one that may not write there, and can see that nobody has the folder: it can be the master all the same. */
  #isOpenToAll(error: unknown): boolean {
    if (this.#wasTaken || !isForbidden(error)) return false;
    try {
      readAtOnce(join(this.#folder, OWNER_FILE));
      return true;
    } catch {
      return false;
    }
  }

  /** The database is about to be closed. */
  stopWaiting(): void {
    this.#isClosing = true;
  }

  /** The database is there, or its transaction log, which is to {@link leave}. */
  join(): void {
    this.#users += 1;
  }

  /** One of them is closed. The last one gives the folder back. */
  leave(how: Leaving): void {
    this.#users -= 1;
    if (how === 'gave up' || this.#leaving === 'told') this.#leaving = how;
    if (this.#users === 0) this.#release();
  }

  #release(): void {
    const owner = this.#owner;
    this.#owner = undefined;
    this.lease.end();
    try {
      if (this.#leaving === 'gave up') owner?.suspend();
      else owner?.release(this.#leaving === 'untold');
    } catch (error) {
      this.#cannotNote(error);
    }
  }

  #cannotNote(error: unknown): void {
    loggerOf(this.#storage).warn(
      `It cannot be noted who uses the folder of ${this.#storage.name}, and the master of another server is not kept away: ${messageOf(error)}`,
    );
  }
}

/** Whether nothing comes of waiting: it may not be done, or the path cannot be that of a folder. */
function isLasting(error: unknown): boolean {
  return isForbidden(error) || ['ENOTDIR', 'ELOOP', 'ENAMETOOLONG'].includes(codeOf(error) ?? '');
}

function inUse({ name }: Storage, user: string): IPCError {
  return new IPCError('IPC_CLIENT_FOLDER_IN_USE', `the database ${name} cannot be opened: ${user}`);
}

function noLease(reason: string): IPCError {
  return new IPCError('IPC_CLIENT_LEASE_LOST', `IPC_CLIENT_LEASE_LOST: ${reason}`);
}
