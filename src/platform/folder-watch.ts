/** Who has the folder of a database in use, for those that take it from nobody. */

import { rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../broker/ports.js';
import { systemClock } from './clock.js';
import {
  describeOwner,
  describeUnreadable,
  type FolderServer,
  isOwn,
  isSamePlace,
  isSameRun,
  judge,
  momentaryName,
  OWNER_FILE,
  readAtOnce,
  readRecord,
  recordIn,
  Standing,
  takeAway,
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
 * the record is no older than it stands for. An older one is taken away, so that whoever goes on nevertheless finds that out.
 *
 * @param how `isOnlyLook`: nothing is written or taken away, for one that does not open the database
 * @returns who has it, in words; `undefined` if nobody has
 * @throws Error if that cannot be seen
 */
export function userAtOnce(folder: string, { isOnlyLook = false } = {}): string | undefined {
  const path = join(folder, OWNER_FILE);
  const text = readAtOnce(path);
  if (text === undefined) return undefined;
  const record = recordIn(text);
  const judgement = record === undefined ? 'unknown' : judge(record, path);
  if (judgement === 'free' || judgement === 'copied') return undefined;
  const who = record === undefined ? describeUnreadable(path) : describeOwner(record);
  if (judgement !== 'unknown') return who;
  const { standsFor } = record ?? { standsFor: UNREADABLE_STANDS_FOR };
  const age = isOnlyLook ? systemClock.wallTime() - statSync(path).mtimeMs : ageOf(path);
  if (age < standsFor)
    return `${who}, as far as is known until ${Math.ceil((standsFor - age) / 1_000)} s from now`;
  if (!isOnlyLook) takeAway(path, (found) => found === text);
  return undefined;
}

/** Milliseconds since a file was written, by the clock of its disk: that of a server of files may be set otherwise. */
function ageOf(path: string): number {
  const probe = momentaryName(path);
  writeFileSync(probe, '', { flag: 'wx' });
  try {
    const written = statSync(path, { throwIfNoEntry: false });
    return written === undefined ? 0 : statSync(probe).mtimeMs - written.mtimeMs;
  } finally {
    rmSync(probe, { force: true });
  }
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
