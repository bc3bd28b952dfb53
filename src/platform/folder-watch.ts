/** Who has the folder of a database in use, for those that take it from nobody. */

import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../broker/ports.js';
import { pause } from './clock.js';
import {
  describeOwner,
  type FolderServer,
  fileOf,
  isCopy,
  isOwn,
  isSameServer,
  judge,
  OWNER_FILE,
  RENEWAL_MS,
  readAtOnce,
  readRecord,
  recordIn,
  Standing,
} from './owner-record.js';

/**
 * Who has a folder in use, for a master that no server runs; it takes nothing. Where processes cannot be looked at, it waits until it is known
 * whether the record is renewed.
 *
 * @param server where it is connected: a master there is the server's to judge
 * @returns in words; `undefined`: nobody, or this process
 */
export async function folderUser(
  folder: string,
  clock: Pick<Clock, 'now' | 'schedule'>,
  server?: FolderServer,
  procPath?: string,
): Promise<string | undefined> {
  const standing = new Standing(clock);
  let first: string | undefined;
  const path = join(folder, OWNER_FILE);
  for (;;) {
    const text = await readRecord(path);
    if (text === undefined) return undefined;
    const record = recordIn(text);
    if (record !== undefined && (await isCopy(record, path, procPath))) return undefined;
    if (record?.isManaged === false && server !== undefined && isSameServer(record, server)) return undefined;
    const judgement = record === undefined ? 'unknown' : judge(record, procPath);
    if (judgement === 'free' || (record !== undefined && isOwn(record))) return undefined;
    if (record !== undefined) {
      first ??= text;
      if (judgement !== 'unknown' || text !== first) return describeOwner(record);
    }
    // One that is not whole is being written, or was cut short.
    if (standing.of(text) >= (record?.standsFor ?? RENEWAL_MS)) return undefined;
    await pause(RENEWAL_MS / 5, clock);
  }
}

/** Whether a folder is in use by the master that a server runs in this process. */
export async function isFolderOfManagedMaster(folder: string): Promise<boolean> {
  const record = recordIn((await readRecord(join(folder, OWNER_FILE))) ?? '');
  return record?.isManaged === true && isOwn(record);
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
    if (!isSameServer(record, server)) return false;
    const judgement = judge(record, this.#procPath);
    if (judgement === 'unknown') return this.#standing.of(text) < record.standsFor;
    return judgement !== 'free' && fileOf(statSync(this.#path)) === record.file;
  }
}
