/** Who has the folder of a database in use, for those that take it from nobody. */

import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../broker/ports.js';
import { isForbidden } from '../system-error.js';
import { systemClock } from './clock.js';
import {
  ageOf,
  describeOwner,
  describeUnreadable,
  describeWorkers,
  type FolderServer,
  isOwn,
  isSamePlace,
  isSameRun,
  judge,
  OWNER_FILE,
  type OwnerRecord,
  RENEWAL_MS,
  readAtOnce,
  readRecord,
  recordIn,
  replaceRecord,
  Standing,
} from './owner-record.js';

/** Whether a folder is in use by the master that a server runs in this process. */
export async function isFolderOfManagedMaster(folder: string): Promise<boolean> {
  const record = recordIn((await readRecord(join(folder, OWNER_FILE))) ?? '');
  return record?.isManaged === true && isOwn(record);
}

/** Milliseconds for which a record stands that does not say so: it is being written, perhaps. */
const UNREADABLE_STANDS_FOR = 27_000;

/**
 * Whether somebody has a folder in use, or may have, for one that can neither wait nor watch: whose processes cannot be looked at has it as long as
 * the record is no older than it stands for, and workers may go on for a while when all others have ended. What stands no more is taken away, so that whoever
 * goes on nevertheless finds that out.
 *
 * @param how `isOnlyLook`: nothing is written or taken away, for one that does not open the database
 * @returns who has it, in words; `undefined` if nobody has
 * @throws Error if that cannot be seen
 */
export function userAtOnce(folder: string, { isOnlyLook = false } = {}): string | undefined {
  const path = join(folder, OWNER_FILE);
  const text = readAtOnce(path);
  const use = text === undefined ? undefined : useOf(text, path);
  if (use === undefined) return undefined;
  const { who, milliseconds, mayGoOn } = use;
  if (milliseconds === undefined) return who;
  const left = milliseconds - age(path, isOnlyLook);
  if (left > 0) return `${who}, as far as is known until ${Math.ceil(left / 1_000)} s from now`;
  return mayGoOn && !isOnlyLook && !isTakenAway(path, (found) => found === text) ? who : undefined;
}

/** Whether a record is not there any more. Who may not write there opens the database for reading at most. */
function isTakenAway(path: string, isMeant: (text: string) => boolean): boolean {
  try {
    return replaceRecord(path, isMeant) || readAtOnce(path) === undefined;
  } catch (error) {
    if (!isForbidden(error)) throw error;
    return true;
  }
}

interface Use {
  /** In words. */
  readonly who: string;
  /** For how long after the record was written; `undefined`: as long as it is there. */
  readonly milliseconds: number | undefined;
  /** Whether who has it may be there for longer, and is to find out that it has it no more. */
  readonly mayGoOn: boolean;
}

/** @returns undefined if nobody uses the folder */
function useOf(text: string, path: string): Use | undefined {
  const record = recordIn(text);
  if (record === undefined)
    return { who: describeUnreadable(path), milliseconds: UNREADABLE_STANDS_FOR, mayGoOn: true };
  const who = describeOwner(record);
  switch (judge(record, path)) {
    case 'copied':
      return undefined;
    case 'free':
      return { who: describeWorkers(record), milliseconds: workersUseIt(record), mayGoOn: false };
    case 'unknown':
      return { who, milliseconds: Math.max(record.standsFor, workersUseIt(record)), mayGoOn: true };
    default:
      return { who, milliseconds: undefined, mayGoOn: true };
  }
}

/** For how long after the record was written workers may use the folder of those that have ended: at most one renewal later, unless they had time to say so. */
function workersUseIt({ grace, hasLeft }: OwnerRecord): number {
  return grace === 0 || hasLeft === true ? grace : grace + 2 * RENEWAL_MS;
}

/** Milliseconds since a file was written. Who cannot write there, or is not to, asks the clock of this machine. */
function age(path: string, isOnlyLook: boolean): number {
  try {
    if (!isOnlyLook) return ageOf(path);
  } catch {
    // The folder is not writable, or the disk is full.
  }
  return systemClock.wallTime() - statSync(path).mtimeMs;
}

/**
 * Looks at a folder again and again, and takes nothing: whether another process has it in use, as far as that is known at once. Where processes
 * cannot be looked at, one does whose record is renewed, or that has not been watched for long enough.
 */
export class FolderWatch {
  readonly #path: string;
  readonly #standing: Standing;
  readonly #procPath: string | undefined;

  constructor(folder: string, clock: Pick<Clock, 'now'>, procPath?: string) {
    this.#path = join(folder, OWNER_FILE);
    this.#standing = new Standing(clock);
    this.#procPath = procPath;
  }

  /**
   * Whether it is, by a master at the same server.
   *
   * @throws Error if the record cannot be read
   */
  isInUseAt(server: FolderServer): boolean {
    const text = readAtOnce(this.#path);
    const record = text === undefined ? undefined : recordIn(text);
    if (text === undefined || record === undefined || isOwn(record)) return false;
    if (!isSameRun(record.server, server) && !isSamePlace(record.server, server)) return false;
    const judgement = judge(record, this.#path, this.#procPath);
    if (judgement === 'unknown') return this.#standing.of(text) < record.standsFor;
    return judgement !== 'free' && judgement !== 'copied';
  }
}
