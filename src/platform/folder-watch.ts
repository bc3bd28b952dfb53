/** Who has the folder of a database in use, for those that take it from nobody. */

import { join } from 'node:path';
import type { Clock } from '../broker/ports.js';
import {
  type FolderServer,
  isOwn,
  isSamePlace,
  isSameRun,
  judge,
  OWNER_FILE,
  readAtOnce,
  readRecord,
  recordIn,
  Standing,
} from './owner-record.js';

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
    if (!isSameRun(record.server, server) && !isSamePlace(record.server, server)) return false;
    const judgement = judge(record, this.#path, this.#procPath);
    if (judgement === 'unknown') return this.#standing.of(text) < record.standsFor;
    return judgement !== 'free' && judgement !== 'copied';
  }
}
