/** Which folders beside a new copy are removed: the oldest copies, and what backups have left that were killed. */

import { existsSync, statSync } from 'node:fs';
import { readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { systemClock } from '../../platform/clock.js';
import { messageOf } from '../../system-error.js';
import { timedName } from '../check/copy.js';

/** A folder that could not be removed. */
export interface NotRemoved {
  readonly folder: string;
  /** In words. */
  readonly reason: string;
}

/** The copy that was just made. */
export interface NewCopy {
  /** Its folder. */
  readonly copy: string;
  readonly isChecked: boolean;
}

/** What has become of folders that were to be removed. None keeps a backup from being made, or the others from being removed. */
export interface Removal {
  readonly removed: readonly string[];
  readonly notRemoved: readonly NotRemoved[];
}

/** How the folder of a copy is called until it is whole, and after how many milliseconds such a one is of a backup that was killed. */
const PART = '.part';
const CUT_SHORT_MS = 3_600_000;

/** The folder in which a copy is made. Others may make one at the same time. @param name of the copy, without the time */
export function draftOf(name: string, now: string): string {
  return hidden(timedName(name, now));
}

/** Removes what backups of that database have left that were killed: none takes so long. */
export async function removeCutShort(to: string, database: string): Promise<Removal> {
  if (!existsSync(to)) return { removed: [], notRemoved: [] };
  const isCutShort = (name: string): boolean => {
    if (!name.startsWith(`.${database}.`) || !name.endsWith(PART)) return false;
    // Another backup may give it its name in this moment.
    const found = statSync(join(to, name), { throwIfNoEntry: false });
    return found !== undefined && systemClock.wallTime() - found.mtimeMs > CUT_SHORT_MS;
  };
  const names = (await readdir(to)).filter(isCutShort);
  return removeEach(
    names.map((name) => join(to, name)),
    (folder) => rm(folder, { recursive: true, force: true }),
  );
}

/**
 * Removes the copies of a database that are the oldest by their names, and never the one that was just made. Where that was not checked, it is no reason to remove one
 * that was.
 *
 * @param keep how many are to be left; `undefined`: all
 */
export async function removeOldest(
  { copy, isChecked }: NewCopy,
  database: string,
  keep: number | undefined,
): Promise<Removal> {
  if (keep === undefined || !isChecked) return { removed: [], notRemoved: [] };
  const to = dirname(copy);
  const isCopy = (name: string): boolean =>
    name !== basename(copy) &&
    name.startsWith(`${database}.`) &&
    /^\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d(?:-\d+)?$/.test(name.slice(database.length + 1)) &&
    existsSync(join(to, name, `${database}.acebase`));
  const entries = await readdir(to, { withFileTypes: true });
  const others = entries
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .filter(isCopy)
    // Of one second, the second has a 2 at its end, and the tenth a 10.
    .sort(new Intl.Collator('en', { numeric: true }).compare);
  const oldest = others.slice(0, Math.max(0, others.length - keep + 1)).map((name) => join(to, name));
  return removeEach(oldest, async (folder) => {
    // What is left of it if that fails on the way is no copy any more, and must not look like one.
    const condemned = hidden(folder);
    await rename(folder, condemned);
    await rm(condemned, { recursive: true, force: true });
  });
}

function hidden(folder: string): string {
  return join(dirname(folder), `.${basename(folder)}.${process.pid}${PART}`);
}

async function removeEach(
  folders: readonly string[],
  remove: (folder: string) => Promise<void>,
): Promise<Removal> {
  const removed: string[] = [];
  const notRemoved: NotRemoved[] = [];
  for (const folder of folders) {
    try {
      await remove(folder);
      removed.push(folder);
    } catch (error) {
      notRemoved.push({ folder, reason: messageOf(error) });
    }
  }
  return { removed, notRemoved };
}
