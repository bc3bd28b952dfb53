import { mkdir } from 'node:fs/promises';
import { IPCError } from '../errors.js';
import { pause, systemClock } from '../platform/clock.js';
import { FolderOwner } from '../platform/folder-owner.js';
import { FolderWatch, folderUser, isFolderOfManagedMaster } from '../platform/folder-watch.js';
import { ownWords } from '../platform/local-processes.js';
import type { FolderServer } from '../platform/owner-record.js';
import { loggerOf, type Storage } from './acebase.js';

/** Milliseconds for which a record need not be renewed. It is no lease: that is the server's, and is over before another master comes to it. */
const GRACE_MS = 3_000;

/** How often it is looked whether those who had the folder are gone, and for how long, in milliseconds. */
const LOOK_MS = 250;
const PATIENCE_MS = 660_000;

/** That nothing keeps the process from ending which only renews a record. */
const idleClock = {
  now: systemClock.now,
  uptime: systemClock.uptime,
  schedule: systemClock.scheduleIdle,
};

/**
 * Notes beside the data that this process is the master of a database, unless a server runs it, which notes that itself. The server of it knows who its
 * masters are; others do not: one at another place, and one that has just been started while the first master is on its way to it.
 */
export class FolderRecord {
  readonly #storage: Storage;
  readonly #folder: string;
  /** The server that this process has connected to last, and its address. */
  #server: FolderServer;
  readonly #watch: FolderWatch;
  readonly #lost: () => void;
  #workersGrace = 0;
  #owner: FolderOwner | undefined;
  /** Whether the database is closed, or about to be. */
  #isOver = false;

  /** @param lost called if somebody else has taken the folder: this process must come to the server anew, and take it then */
  constructor(storage: Storage, place: string, lost: () => void) {
    this.#lost = lost;
    this.#storage = storage;
    this.#folder = `${storage.settings.path}/${storage.name}.acebase`;
    this.#server = { id: '', process: ownWords() ?? null, urls: [place] };
    this.#watch = new FolderWatch(this.#folder, systemClock);
  }

  /** Whether another process seems to be the master at that server: what it is told, if it was just started and knows of none. */
  get isAnothers(): boolean {
    try {
      return this.#owner === undefined && this.#watch.isInUseAt(this.#server);
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
    this.#server = { ...this.#server, id };
    this.#workersGrace = grace;
    this.#owner?.isAt(this.#server, grace);
  }

  /**
   * Takes the folder, when the server has accepted this process as the master.
   *
   * @throws {IPCError} IPC_CLIENT_FOLDER_IN_USE, if the master of another server has it
   */
  async take(): Promise<void> {
    const user = await folderUser(this.#folder, systemClock, this.#server);
    if (user !== undefined) throw this.#inUse(user);
    if (this.#owner !== undefined || (await isFolderOfManagedMaster(this.#folder))) return;
    const owner = new FolderOwner({
      folder: this.#folder,
      server: this.#server,
      isManaged: false,
      grace: GRACE_MS,
      workersGrace: this.#workersGrace,
      clock: idleClock,
      taken: () => undefined,
      kept: () => undefined,
      // The master of another server has it, or another one of this, which has given this process up; or the record was removed.
      lost: () => {
        if (this.#owner !== owner) return;
        this.#owner = undefined;
        this.#lost();
      },
    });
    const until = systemClock.now() + PATIENCE_MS;
    let said = '';
    try {
      await mkdir(this.#folder, { recursive: true });
      for (let obstacle = await owner.claim(); obstacle !== undefined; obstacle = await owner.claim()) {
        if (systemClock.now() >= until || this.#isOver) throw this.#inUse(obstacle);
        if (obstacle !== said)
          loggerOf(this.#storage).warn(`Waiting for the folder of ${this.#storage.name}: ${obstacle}`);
        said = obstacle;
        await pause(LOOK_MS);
      }
      if (this.#isOver) owner.releaseAtOnce();
      else this.#owner = owner;
    } catch (error) {
      if (error instanceof IPCError) throw error;
      // One that may not write there can be the master all the same.
      this.#cannotNote(error);
    }
  }

  /** Gives it back. */
  release(): void {
    const owner = this.#owner;
    this.#owner = undefined;
    this.#isOver = true;
    try {
      owner?.releaseAtOnce();
    } catch (error) {
      this.#cannotNote(error);
    }
  }

  #inUse(user: string): IPCError {
    return new IPCError(
      'IPC_CLIENT_FOLDER_IN_USE',
      `the database ${this.#storage.name} cannot be opened: ${user}`,
    );
  }

  #cannotNote(error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    loggerOf(this.#storage).warn(
      `It cannot be noted who uses the folder of ${this.#storage.name}, and the master of another server is not kept away: ${reason}`,
    );
  }
}
