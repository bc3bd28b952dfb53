/**
 * Which master has the folder of a database in use: a record beside the data. Two servers know nothing of each other; their masters would destroy the
 * file. Nor does a server that is just started know of a master that was at the last one.
 */

import { randomUUID } from 'node:crypto';
import { closeSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { link, open, readFile, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import type { Cancel, Clock } from '../broker/ports.js';
import type { Clocks } from '../elapsed.js';
import { codeOf, messageOf, withMessage } from '../system-error.js';
import { pause } from './clock.js';
import { isOnLocalDisk } from './file-marks.js';
import { giveToUsersOf } from './file-ownership.js';
import { ownWords, pidIn, runsProgram, stateOfProcess } from './local-processes.js';
import {
  describeOwner,
  describeUnreadable,
  describeWorkers,
  type FolderServer,
  fileOf,
  isSamePlace,
  isSameRun,
  judge,
  momentaryName,
  OWNER_FILE,
  type OwnerRecord,
  RENEWAL_MS,
  readAtOnce,
  readRecord,
  recordIn,
  removeLeftOvers,
  replaceRecord,
  Standing,
  textOf,
} from './owner-record.js';

/**
 * Milliseconds after `reconnectGrace` for which a renewal is good: whoever renews that often may be late by half as much again. Others take
 * the folder later.
 */
const RENEWED_FOR_MS = 1.6 * RENEWAL_MS;

/**
 * For how long a folder is certainly that of a server after a renewal was begun: what its workers were told then they use for one `lease` at most, which
 * must be over before another server may have the folder.
 *
 * @param grace `reconnectGrace`, in milliseconds; so is `lease`
 * @returns milliseconds
 */
export function certainFor(grace: number, lease: number): number {
  return RENEWED_FOR_MS + grace - lease;
}

/** How often one asks that may not renew its record for now, in milliseconds. */
const HELD_BACK_MS = 250;

/** Why a record was not renewed, where nothing has said why. */
export const NO_ANSWER = 'the process was stopped or busy, or the disk does not answer';

/** How often in a row a record may be gone when it is looked at, and in the way when it is made. */
const MOST_TRIES = 20;

/** Who reaches no server for so many times `reconnectGrace` knows itself given up. */
const FORMER_GRACES = 3;

/** What a server runs a master with (`managed-masters/child-program.ts`). */
const MASTER_PROGRAM = 'managed-master.cjs';

/** How often it is looked whether a process that was killed has ended, in milliseconds; and for how long. */
const ENDED_LOOK_MS = 20;
const ENDED_WAIT_MS = 5_000;

/** What using a folder works with. */
export interface FolderOwnerSettings {
  /** The folder with the database files. It must be there. */
  readonly folder: string;
  readonly server: FolderServer;
  /** Whether that server runs the master. If it does not, it decides by itself who is master, and takes the folder from none that it knows. */
  readonly isManaged: boolean;
  /** The name of the database at that server, which lets in one master of each. */
  readonly database?: string;
  /** For how long who uses it may fail to renew the record, in milliseconds: `reconnectGrace` of the server that runs it. */
  readonly grace: number;
  /** For how long workers go on without a word of the server, in milliseconds; default: `grace`. */
  readonly workersGrace?: number;
  readonly clock: Pick<Clock, 'now' | 'schedule'> & Pick<Clocks, 'uptime'>;
  /**
   * It was taken; this is told before it is said to be kept.
   *
   * @param former the server that had it before, as its record says; `undefined` if there was none
   */
  taken(former: string | undefined): void;
  /**
   * The record was written, or renewed.
   *
   * @param uptime of the machine, in milliseconds, when that was begun
   */
  kept(uptime: number): void;
  /** Whether the record may be renewed now; default: it may. Who does not hold the folder any more, lets others have it. */
  mayRenew?(): boolean;
  /**
   * Called once, if somebody else has taken the folder, or the record could not be renewed in time: this process must write nothing more.
   *
   * @param reason in words
   */
  lost(reason: string): void;
  /** Default: `/proc`. */
  readonly procPath?: string;
}

/** Why a folder cannot be had. */
export interface Obstacle {
  /** In words: who has it, or may have it. */
  readonly reason: string;
  /** Whether somebody has it for certain; else it may be free in a while. */
  readonly isInUse: boolean;
}

/** The use of a folder by a master, in its process. */
export class FolderOwner {
  readonly #settings: FolderOwnerSettings;
  readonly #path: string;
  readonly #standing: Standing;
  #record: OwnerRecord;
  #isKept = false;
  /** Whether it is not to be claimed any more. */
  #isOver = false;
  /** Changes when a renewal that is under way is of no interest any more. */
  #attempt = 0;
  /** While the folder is kept: the next renewal, and the moment until which the last one is good. */
  #renewal: Cancel | undefined;
  #deadline: Cancel | undefined;
  /** Why it could not be renewed last. */
  #problem: string | undefined;
  /** Whether it stands in the record that the master has left. */
  #hasLeft = false;
  /** The record in whose place this one is, and since when, by `clock.now()`. */
  #former: { readonly record: OwnerRecord | undefined; readonly at: number } | undefined;

  constructor(settings: FolderOwnerSettings) {
    this.#settings = settings;
    this.#path = join(settings.folder, OWNER_FILE);
    this.#standing = new Standing(settings.clock);
    const { server, grace, isManaged, workersGrace = grace, database } = settings;
    this.#record = {
      version: 1,
      isManaged,
      ...(database !== undefined && { database }),
      file: '',
      id: randomUUID(),
      process: ownWords(settings.procPath) ?? null,
      pid: process.pid,
      host: hostname(),
      server,
      standsFor: Math.ceil(1.1 * grace + 2 * RENEWAL_MS),
      grace: workersGrace,
      beat: 0,
    };
  }

  /** Why the record could not be renewed last, in words; `undefined` if it could, or nothing was said. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /**
   * Takes the folder, and keeps it until {@link FolderOwner.release}. A master that a server has left behind which is gone is killed, and waited
   * for.
   *
   * @returns why not; then it may be tried again in a while, unless it was suspended or given back meanwhile. `undefined`: it has it
   */
  async claim(): Promise<Obstacle | undefined> {
    const { clock, taken } = this.#settings;
    for (let tries = 0; !this.#isOver; tries++) {
      const since = { at: clock.now(), uptime: clock.uptime() };
      const text = await readRecord(this.#path);
      const obstacle = text === undefined ? undefined : await this.#obstacle(text);
      if (obstacle !== undefined) return obstacle;
      if (await this.#create(text)) {
        if (this.#isOver) break;
        const record = text === undefined ? undefined : recordIn(text);
        this.#former = { record, at: clock.now() };
        taken(record?.server.id);
        this.#keep(since);
        removeLeftOvers(this.#path);
        return undefined;
      }
      if (text !== undefined && readAtOnce(this.#path) === text) return ABOUT_TO_BE_TAKEN;
      if (tries < MOST_TRIES) continue;
      throw new Error(`${this.#path} is in the way, and cannot be read: remove it`);
    }
    this.#takeAwayOwn();
    return NOT_WANTED;
  }

  /**
   * Gives it back: nothing of the database is open any more.
   *
   * @param mayBeUsed whether workers may be in the midst of something yet: the record stays, so that another server waits for them. It stays also
   *   where another server had the folder a while ago: its workers may come back to it
   */
  release(mayBeUsed = false): void {
    this.#isOver = true;
    this.#stop();
    if (mayBeUsed || this.#mayFormerReturn) this.#noteThatItHasLeft();
    else this.#takeAwayOwn();
  }

  /** Who uses it is not the master for now, and another one may be: the record stays, and is not renewed. One that claims it claims it no more. */
  suspend(): void {
    this.#isOver = true;
    this.#stop();
  }

  /**
   * Goes on after {@link FolderOwner.suspend}. If the record can be neither read nor written, that is tried again: it is kept, or lost, later.
   *
   * @returns false if somebody has taken the folder since: it is to be claimed anew, by another of these
   */
  async resume(): Promise<boolean> {
    this.#stop();
    this.#isKept = true;
    this.#hasLeft = false;
    const loss = await this.#tryToRenew();
    if (loss !== undefined) this.#stop();
    return loss === undefined;
  }

  /** A master that no server runs is at another server now: the record is renewed, and says so. */
  isAt(server: FolderServer, workersGrace: number): void {
    const isAnother = server.id !== this.#record.server.id;
    this.#record = { ...this.#record, server, grace: workersGrace };
    if (!isAnother || !this.#isKept) return;
    this.#renewal?.();
    this.#renewLater(0);
  }

  /** Why a record does not let others take the folder; `undefined` if it does. */
  async #obstacle(text: string): Promise<Obstacle | undefined> {
    const { procPath } = this.#settings;
    const { isManaged, standsFor } = this.#record;
    const stoodFor = this.#standing.of(text);
    const record = recordIn(text);
    // One that was being written, perhaps.
    if (record === undefined)
      return stoodFor >= standsFor ? undefined : mayBe(describeUnreadable(this.#path));
    const judgement = judge(record, this.#path, procPath);
    if (judgement === 'copied') return undefined;
    const isUnmanaged = !isManaged && !record.isManaged;
    const isJudgedThere = this.#isOfSameDatabase(record) || !isUnmanaged;
    if (isSameRun(record.server, this.#record.server) && isJudgedThere) {
      // A master that is there still has been given up by the server of both, which has let this one in.
      if (isUnmanaged) return undefined;
      // The last process of this server has ended, or there would not be this one: but for that of another database.
      const isOfAnother = stateOfProcess(record.process ?? undefined, procPath) === 'runs';
      return isOfAnother && stoodFor < record.standsFor
        ? mayBe('its folder is that of another database of this server, too')
        : undefined;
    }
    const isInUse: Obstacle = { reason: describeOwner(record), isInUse: true };
    switch (judgement) {
      case 'free':
        return this.#obstacleOfWorkers(record);
      case 'in use':
        return isInUse;
      case 'left behind':
        return isManaged && (await this.#end(record)) ? this.#obstacleOfWorkers(record) : isInUse;
      case 'unknown':
        if (stoodFor >= this.#standsFor(record)) return undefined;
        return { ...isInUse, isInUse: this.#standing.hasChanged };
    }
  }

  /** For how long a record keeps others away whose processes cannot be looked at: they may have ended, and their workers may go on. */
  #standsFor(record: OwnerRecord): number {
    return this.#isOfSamePlace(record)
      ? record.standsFor
      : Math.max(record.standsFor, record.grace + 2 * RENEWAL_MS);
  }

  /** A master has ended, or its server too. Workers come to this one, and say what they hold; or they must have the time to end what they have begun. */
  #obstacleOfWorkers(record: OwnerRecord): Obstacle | undefined {
    if (this.#isOfSamePlace(record) || this.#standing.free() >= record.grace) return undefined;
    return mayBe(`${describeWorkers(record)} for ${record.grace / 1_000} s`);
  }

  /** Whether workers of another server that had the folder before may still come back to that, and go on there. */
  get #mayFormerReturn(): boolean {
    const { record, at = 0 } = this.#former ?? {};
    if (record === undefined || this.#isOfSamePlace(record) || isSameRun(record.server, this.#record.server))
      return false;
    return this.#settings.clock.now() - at < FORMER_GRACES * record.grace;
  }

  /** Whether that was a server where this one is, and knows the database by the same name: its workers come here. */
  #isOfSamePlace(record: OwnerRecord): boolean {
    const { host, server } = this.#record;
    return record.host === host && isSamePlace(record.server, server) && this.#isOfSameDatabase(record);
  }

  #isOfSameDatabase(record: OwnerRecord): boolean {
    const { database = record.database } = this.#record;
    return (record.database ?? database) === database;
  }

  /** Ends a master whose server is gone, which must not write any more. @returns whether it has ended */
  async #end({ process: words }: OwnerRecord): Promise<boolean> {
    const { clock, procPath } = this.#settings;
    const pid = pidIn(words ?? undefined);
    const until = clock.now() + ENDED_WAIT_MS;
    // Whoever may write in the folder may have written the record.
    if (pid === undefined || !runsProgram(pid, MASTER_PROGRAM, procPath)) return false;
    kill(pid);
    while (stateOfProcess(words ?? undefined, procPath) !== 'ended') {
      if (clock.now() >= until) return false;
      await pause(ENDED_LOOK_MS, clock);
    }
    return true;
  }

  /**
   * Makes the record, in the place of the one with that text; `undefined`: if there is none. It has its name when it is whole: one of a process that is
   * killed before says nothing, and would keep others waiting.
   *
   * @returns false if there is another one, or this one is not wanted any more
   */
  async #create(former: string | undefined): Promise<boolean> {
    const made = momentaryName(this.#path);
    try {
      await this.#write(made);
      if (this.#isOver) return false;
      if (former === undefined) return await this.#name(made);
      return replaceRecord(this.#path, (found) => found === former, made);
    } catch (error) {
      // That name is another one each time.
      throw withMessage(error, messageOf(error).replaceAll(made, this.#path));
    } finally {
      // At once: the other way waits for the lease of this very folder, in a process that has lost its place (client/file-fence.ts).
      rmSync(made, { force: true });
    }
  }

  async #name(made: string): Promise<boolean> {
    try {
      await link(made, this.#path);
      return true;
    } catch (error) {
      // A server of files that was asked twice says that it is there.
      const named = await stat(this.#path).catch(() => undefined);
      if (named !== undefined && fileOf(named) === this.#record.file) return true;
      if (codeOf(error) === 'EEXIST') return false;
    }
    // Some file systems have no links.
    try {
      await this.#write(this.#path);
      return true;
    } catch (error) {
      if (codeOf(error) === 'EEXIST') return false;
      throw error;
    }
  }

  /** Writes it to a new file. On a full disk there is none then: whoever comes next would wait until an empty one has stood still for long enough. */
  async #write(path: string): Promise<void> {
    const file = await open(path, 'wx');
    let made: string | undefined;
    try {
      try {
        made = fileOf(await file.stat());
        const { folder } = this.#settings;
        this.#record = { ...this.#record, file: made, folder: fileOf(await stat(folder)) };
        // They are to see who has it.
        giveToUsersOf(folder, file.fd);
        await file.writeFile(textOf(this.#record));
      } finally {
        await file.close();
      }
    } catch (error) {
      const named = await stat(path).catch(() => undefined);
      if (named !== undefined && (made === undefined || fileOf(named) === made))
        rmSync(path, { force: true });
      throw error;
    }
  }

  /** In its place, if it is there still. */
  #noteThatItHasLeft(): void {
    this.#hasLeft = true;
    let file: number;
    try {
      file = openSync(this.#path, 'r+');
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return;
      throw error;
    }
    try {
      const record = recordIn(readFileSync(file, 'utf8'));
      if (record?.id === this.#record.id) writeSync(file, textOf({ ...record, hasLeft: true }), 0);
    } finally {
      closeSync(file);
    }
  }

  #takeAwayOwn(): void {
    let isGone = false;
    try {
      isGone = replaceRecord(this.#path, (text) => recordIn(text)?.id === this.#record.id);
    } catch {
      // There may be no room for another file, even for a moment.
    }
    if (!isGone) this.#noteThatItHasLeft();
  }

  /**
   * The record was written. A disk that hangs answers nothing, so the end of what that is good for has a timer of its own; others wait for longer.
   *
   * @param since when it was begun to write it: by `clock.now()`, and by the uptime
   */
  #keep(since: { readonly at: number; readonly uptime: number }): void {
    const { clock, grace, kept, isManaged } = this.#settings;
    this.#stop();
    this.#problem = undefined;
    this.#isKept = true;
    // Without a server that runs it, its lease is what keeps it from writing.
    if (isManaged)
      this.#deadline = clock.schedule(since.at + certainFor(grace, 0) - clock.now(), () =>
        this.#lose(`it could not be noted in time that its folder is in use: ${this.#problem ?? NO_ANSWER}`),
      );
    this.#renewLater();
    kept(since.uptime);
  }

  #stop(): void {
    this.#attempt += 1;
    this.#isKept = false;
    this.#renewal?.();
    this.#deadline?.();
    this.#renewal = undefined;
    this.#deadline = undefined;
  }

  #lose(reason: string): void {
    // It has been given back meanwhile, or is lost already.
    if (!this.#isKept) return;
    this.#stop();
    this.#settings.lost(reason);
  }

  #renewLater(milliseconds = RENEWAL_MS): void {
    this.#renewal = this.#settings.clock.schedule(milliseconds, () => void this.#renew());
  }

  async #renew(): Promise<void> {
    if (this.#settings.mayRenew?.() === false) {
      this.#renewLater(HELD_BACK_MS);
      return;
    }
    const loss = await this.#tryToRenew();
    if (loss !== undefined) this.#lose(loss);
  }

  /** @returns why the folder is not this one's any more, in words; `undefined` if it is, as far as is known, or that is of no interest any more */
  async #tryToRenew(): Promise<string | undefined> {
    const { clock } = this.#settings;
    const attempt = this.#attempt;
    const since = { at: clock.now(), uptime: clock.uptime() };
    let loss: string | undefined;
    try {
      loss = await this.#renewRecord();
    } catch (error) {
      if (attempt !== this.#attempt) return undefined;
      // A disk that is out of order for a moment, perhaps: it is tried again while nobody can have taken the folder.
      this.#problem = messageOf(error);
      this.#renewLater();
      return undefined;
    }
    if (attempt !== this.#attempt) return undefined;
    if (loss === undefined) this.#keep(since);
    return loss;
  }

  /** @returns why the folder is not this one's any more, in words; `undefined` if it is */
  async #renewRecord(): Promise<string | undefined> {
    const beat = this.#record.beat + 1;
    const attempt = this.#attempt;
    const isWanted = (): boolean => attempt === this.#attempt;
    try {
      const renewed = await renewIn(this.#path, { ...this.#record, beat }, isWanted);
      // That was noted while this was on its way to the file.
      if (this.#hasLeft) this.#noteThatItHasLeft();
      if (typeof renewed === 'string') return renewed;
      // It may be at another server meanwhile.
      this.#record = { ...this.#record, ...renewed, beat };
      return undefined;
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return 'its folder, or the record of who uses it, was removed';
      throw error;
    }
  }
}

/**
 * Writes a record over the one that it follows: what is written to is what was read, whatever has the name by then.
 *
 * @param isWanted asked right before that: what was noted meanwhile, that the master has left, must stand
 * @returns where it is now, if it was put elsewhere; or in words, why it is not this one's any more
 */
async function renewIn(
  path: string,
  record: OwnerRecord,
  isWanted: () => boolean,
): Promise<Partial<Pick<OwnerRecord, 'file' | 'folder'>> | string> {
  const handle = await open(path, 'r+');
  let place = {};
  try {
    const file = fileOf(await handle.stat());
    const found = recordIn(await handle.readFile('utf8'));
    const isOwn = file === record.file;
    if (found === undefined && !isOwn) return overwritten(path);
    if ((found !== undefined && found.id !== record.id) || !isWanted()) return TAKEN;
    // The files that are open may be others than those that have the names now: the next process opens these. A master that no server runs goes on with
    // its own, and keeps others away from both. A file system that is not local may number a file anew.
    if (!isOwn && record.isManaged && isOnLocalDisk(path))
      return `the record of who uses its folder was replaced: ${path}`;
    if (!isOwn) place = { file, folder: fileOf(await stat(dirname(path))) };
    const text = textOf({ ...record, ...place });
    await handle.write(text, 0);
    // Of what somebody has written over it.
    if (found === undefined) await handle.truncate(Buffer.byteLength(text));
  } finally {
    await handle.close();
  }
  // If that took long, somebody else has taken the folder meanwhile, and it was written to a file that has no name any more.
  const named = recordIn(await readFile(path, 'utf8'));
  // The next renewal shows whose that is.
  if (named === undefined) throw new Error(overwritten(path));
  return named.id === record.id ? place : TAKEN;
}

const TAKEN = 'its folder was taken by another process';

function overwritten(path: string): string {
  return `the record of who uses its folder was overwritten: ${path}`;
}

function mayBe(reason: string): Obstacle {
  return { reason, isInUse: false };
}

const ABOUT_TO_BE_TAKEN = mayBe(
  'another process is about to take its folder, or was killed as it did, within the last minute',
);

/** Of one that was suspended, or given back, while it claimed the folder. */
const NOT_WANTED = mayBe('this process has lost its place, or is closing');

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    // It has ended meanwhile; or it is of another user, and goes on: that is seen.
    if (codeOf(error) !== 'ESRCH' && codeOf(error) !== 'EPERM') throw error;
  }
}
