/** The record of who has the folder of a database in use, beside the data: what it says, and what that comes to. */

import { createHash, randomUUID } from 'node:crypto';
import {
  closeSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import type { Clock } from '../broker/ports.js';
import { codeOf, isForbidden, withPath } from '../system-error.js';
import { isOnLocalDisk } from './file-marks.js';
import { ownWords, stateOfProcess } from './local-processes.js';

/** The name of the record. */
export const OWNER_FILE = 'ipc-owner.json';

/** How often it is renewed, in milliseconds. */
export const RENEWAL_MS = 2_500;

/** Bytes of a record at least: it is renewed in its place, also on a disk that is full. */
const RECORD_BYTES = 1_024;

/** A server whose master uses the folder. */
export interface FolderServer {
  /** Of this run of it. */
  readonly id: string;
  /** Its process, as {@link ownWords} has it; `null` where the system does not say. */
  readonly process: string | null;
  /** Where workers connect; nowhere, if the folder was taken to repair it. */
  readonly urls: readonly string[];
}

/** Who has a folder in use. */
export interface OwnerRecord {
  readonly version: 1;
  /** Whether a server runs the master. Else `server` is where that has connected, and the process that of the master. */
  readonly isManaged: boolean;
  /** The name of the database at that server: `mydb_data`. */
  readonly database?: string;
  /** Of the record itself, `<device>:<inode>`: in a folder that was copied it is another one. */
  readonly file: string;
  /** The same of the folder. */
  readonly folder?: string;
  /** Of this one use of the folder. */
  readonly id: string;
  /** The process of the master, its number, and the machine, for people to read. */
  readonly process: string | null;
  readonly pid: number;
  readonly host: string;
  readonly server: FolderServer;
  /** Milliseconds without a renewal after which nobody uses the folder any more, where processes cannot be looked at. */
  readonly standsFor: number;
  /** Milliseconds for which workers may go on with what they have begun when the server is gone: its `reconnectGrace`. */
  readonly grace: number;
  /** How often it was renewed. */
  readonly beat: number;
  /** Whether the master was closed, and nothing of it writes any more; workers may, for `grace`. Older versions say nothing of it. */
  readonly hasLeft?: boolean;
}

/** What a record comes to, as far as this machine tells. */
type Judgement =
  /** Those who had it have ended, or have left. */
  | 'free'
  /** A server runs the master, and goes on. */
  | 'in use'
  /** The server has ended, and its master has not. */
  | 'left behind'
  /** It was copied together with its folder: who made it has another one. */
  | 'copied'
  /**
   * It is in use as long as it is renewed: they are of another machine, or another namespace; or it is of a master that no server runs, whose process
   * goes on when it has lost its place; or it was replaced by a copy, which those who have the folder find out.
   */
  | 'unknown';

/** What is known of a record from one look to the next: whether it is renewed. */
export class Standing {
  readonly #clock: Pick<Clock, 'now'>;
  #text: string | undefined;
  #since = 0;
  /** Whether it has been another one before. */
  hasChanged = false;
  #freeSince: number | undefined;

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock;
  }

  /** For how many milliseconds it has been as it is. */
  of(text: string): number {
    if (text !== this.#text) {
      this.hasChanged = this.#text !== undefined;
      this.#text = text;
      this.#since = this.#clock.now();
      this.#freeSince = undefined;
    }
    return this.#clock.now() - this.#since;
  }

  /** Those who had it have ended. @returns for how many milliseconds that has been known */
  free(): number {
    this.#freeSince ??= this.#clock.now();
    return this.#clock.now() - this.#freeSince;
  }
}

/** What is written: long enough to be renewed in its place. */
export function textOf(record: OwnerRecord): string {
  return JSON.stringify(record).padEnd(RECORD_BYTES);
}

/** @returns undefined if there is none */
export async function readRecord(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw withPath(error, path);
  }
}

/** @returns undefined if the text is no record, or not whole */
export function recordIn(text: string): OwnerRecord | undefined {
  try {
    const record = JSON.parse(text) as Partial<OwnerRecord> | null;
    const isWhole =
      record?.version === 1 &&
      typeof record.id === 'string' &&
      typeof record.standsFor === 'number' &&
      typeof record.grace === 'number' &&
      typeof record.file === 'string' &&
      typeof record.isManaged === 'boolean' &&
      typeof record.server?.id === 'string' &&
      Array.isArray(record.server.urls);
    return isWhole ? (record as OwnerRecord) : undefined;
  } catch {
    return undefined;
  }
}

/** The same as {@link readRecord}, where nothing may come between. */
export function readAtOnce(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw withPath(error, path);
  }
}

/** Two containers may have one name, and their processes one number. */
export function isOwn({ pid, host, process: words }: OwnerRecord): boolean {
  const own = ownWords();
  if (words !== null && own !== undefined) return words === own;
  return pid === process.pid && host === hostname();
}

/** Whether both are where the same workers come to, if they are on one machine: nobody listens at an address where somebody else does. */
export function isSamePlace(one: FolderServer, other: FolderServer): boolean {
  const places = new Set(one.urls.map(placeOf));
  return other.urls.some((url) => places.has(placeOf(url)));
}

/** An address as all write it: masters know the one that they are given, and servers those that they listen at. */
function placeOf(url: string): string {
  return url
    .replace(/^(?:http|ws)s?:\/\//, '')
    .replace(/\/$/, '')
    .replace(/^(?:127\.0\.0\.1|\[::1\]|::1|0\.0\.0\.0|\[::\]|::)(?=:\d+$)/, 'localhost');
}

/** Whether both are the same run of a server, by whichever address. One that does not say which it is, is none that is known. */
export function isSameRun(one: FolderServer, other: FolderServer): boolean {
  return one.id !== '' && one.id === other.id;
}

/** Which file it is, as a record has it. */
export function fileOf({ dev, ino }: Pick<Stats, 'dev' | 'ino'>): string {
  return `${dev}:${ino}`;
}

/** What the record at that path comes to now. @param procPath default: `/proc` */
export function judge(record: OwnerRecord, path: string, procPath?: string): Judgement {
  if (record.hasLeft === true) return 'free';
  const judgement = judgeProcesses(record, procPath);
  // Another machine may give a file other numbers.
  if (judgement === 'unknown') return judgement;
  if (!isNamed(path, record.file)) {
    // So may another mount of a file system that is not local.
    if (!isOnLocalDisk(path)) return 'unknown';
    if (!isNamed(dirname(path), record.folder)) return 'copied';
    if (judgement !== 'free') return 'unknown';
  }
  return judgement === 'in use' && !record.isManaged ? 'unknown' : judgement;
}

/** By what the master does whose server has ended. */
const WITHOUT_SERVER = { runs: 'left behind', ended: 'free', unknown: 'unknown' } as const;

function judgeProcesses({ process: master, server }: OwnerRecord, procPath?: string): Judgement {
  switch (stateOfProcess(server.process ?? undefined, procPath)) {
    case 'runs':
      // It starts the next one, which renews the record; or it was stopped, in a process that goes on, and will not.
      return stateOfProcess(master ?? undefined, procPath) === 'ended' ? 'unknown' : 'in use';
    case 'unknown':
      return 'unknown';
    case 'ended':
      return WITHOUT_SERVER[stateOfProcess(master ?? undefined, procPath)];
  }
}

/** Whether what has that name is that file, or nothing has it any more. */
function isNamed(path: string, file: string | undefined): boolean {
  const found = statSync(path, { throwIfNoEntry: false });
  return found === undefined || fileOf(found) === file;
}

/** A name beside it, for a moment. */
export function momentaryName(path: string): string {
  return `${path}.${randomUUID()}`;
}

/** How long a file may have such a name whose process lives, in milliseconds. */
const LEFT_OVER_MS = 60_000;

/** Removes what has such a name of processes that were killed. To be called by who has just written the record, whose age is that of the clock of the disk. */
export function removeLeftOvers(path: string): void {
  try {
    const now = statSync(path).mtimeMs;
    const folder = dirname(path);
    for (const name of readdirSync(folder)) {
      if (!name.startsWith(`${basename(path)}.`)) continue;
      const file = join(folder, name);
      if (now - statSync(file).mtimeMs > LEFT_OVER_MS) rmSync(file, { force: true });
    }
  } catch {
    // Whoever takes the folder next tries again.
  }
}

/**
 * Milliseconds since a file was written, by the clock of its disk: that of a server of files may be set otherwise. Where that was set back since, the time begins
 * anew.
 */
export function ageOf(path: string): number {
  const probe = momentaryName(path);
  writeFileSync(probe, '', { flag: 'wx' });
  try {
    const written = statSync(path, { throwIfNoEntry: false });
    const { mtime: now } = statSync(probe);
    const age = now.getTime() - (written?.mtimeMs ?? now.getTime());
    if (age < 0) beginAnew(path, now);
    return Math.max(0, age);
  } finally {
    rmSync(probe, { force: true });
  }
}

function beginAnew(path: string, now: Date): void {
  try {
    utimesSync(path, now, now);
  } catch (error) {
    // That of another user stays as it is.
    if (!isForbidden(error)) throw error;
  }
}

/**
 * Puts another record in the place of the one at that path, or removes it, if it is one that is meant. Of all who mean the same one, one has its way, and nobody
 * finds none meanwhile. Whose record it is may renew it in that very moment, and finds out with the next renewal.
 *
 * @param made the file with the other one, which is renamed; default: it is removed
 * @returns whether that was done; false if it is not the one that is meant, or somebody else is about to do that, or was killed as he did
 * @throws Error of the system; of a full disk, too
 */
export function replaceRecord(path: string, isMeant: (text: string) => boolean, made?: string): boolean {
  const text = readAtOnce(path);
  if (text === undefined || !isMeant(text)) return false;
  const turn = `${path}.${turnOf(text)}`;
  if (!takeTurn(turn)) return false;
  try {
    const found = readAtOnce(path);
    if (found === undefined || !isMeant(found)) return false;
    if (made === undefined) rmSync(path);
    else renameSync(made, path);
    return true;
  } finally {
    rmSync(turn, { force: true });
  }
}

/** What a file is named by whose maker alone may replace a record: the same, however often that is renewed. */
function turnOf(text: string): string {
  const id = recordIn(text)?.id ?? 'unreadable';
  return createHash('sha256').update(id).digest('hex').slice(0, 32);
}

function takeTurn(turn: string): boolean {
  try {
    writeWords(openSync(turn, 'wx'));
    return true;
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
    // Where it cannot be seen whether its process has ended, that was killed, most likely.
    if (stateOfProcess(readAtOnce(turn)) === 'ended' || ageOf(turn) > LEFT_OVER_MS)
      rmSync(turn, { force: true });
    return false;
  }
}

/** Who has made it. On a full disk it does not say so. */
function writeWords(file: number): void {
  try {
    writeSync(file, ownWords() ?? '');
  } catch (error) {
    if (!['ENOSPC', 'EDQUOT'].includes(codeOf(error) ?? '')) throw error;
  } finally {
    closeSync(file);
  }
}

/** In words, for people. */
export function describeOwner({ pid, host, server, isManaged }: OwnerRecord): string {
  if (server.urls.length === 0)
    return `its folder is in use by process ${pid} on ${host}, which repairs it (acebase-ipc-server check)`;
  const master = isManaged ? 'the master of' : 'a master at';
  return `its folder is in use by process ${pid} on ${host}, ${master} the IPC server at ${server.urls.join(' and ')}`;
}

/** The same of workers that may outlive their master, or its server. */
export function describeWorkers({ host, server, isManaged }: OwnerRecord): string {
  const who = isManaged ? 'the IPC server' : 'the master of the IPC server';
  return `${who} at ${server.urls.join(' and ')} on ${host} has ended, and its workers may go on writing`;
}

/** The same of a record that is not whole: one that is being written, perhaps. */
export function describeUnreadable(path: string): string {
  return `it has a record that cannot be read: ${path}`;
}
