/** Whose the files are that this process makes beside those of a database: it may be one of root. */

import { closeSync, fchmodSync, fchownSync, fstatSync, openSync, type Stats, statSync } from 'node:fs';
import { codeOf } from '../system-error.js';

/** How systems say that a file cannot be given to that user: `EINVAL` in a container that does not know the user. */
const NOT_GIVEN = new Set(['EPERM', 'EACCES', 'EINVAL', 'ENOTSUP', 'ENOSYS']);

/**
 * Those who may use a file may use another one, too, which was just made.
 *
 * @param made its descriptor
 */
export function giveTo(made: number, { mode, uid, gid }: Pick<Stats, 'mode' | 'uid' | 'gid'>): void {
  const own = fstatSync(made);
  const isOthers = own.uid !== uid || own.gid !== gid;
  // Only root can give it an owner; a member of the group, that.
  if (isOthers && !ifAllowed(() => fchownSync(made, uid, gid)) && own.gid !== gid)
    ifAllowed(() => fchownSync(made, own.uid, gid));
  if ((own.mode & 0o777) !== (mode & 0o777)) ifAllowed(() => fchmodSync(made, mode & 0o777));
}

/** Those who may use a folder may use a file in it, which was just made; nobody loses what he may do with it. @param made its descriptor */
export function giveToUsersOf(folder: string, made: number): void {
  const { mode, uid, gid } = statSync(folder);
  giveTo(made, { mode: fstatSync(made).mode | (mode & 0o666), uid, gid });
}

/** The same of a file that is closed. */
export function giveFileToUsersOf(folder: string, path: string): void {
  const file = openSync(path, 'r+');
  try {
    giveToUsersOf(folder, file);
  } finally {
    closeSync(file);
  }
}

/** @returns whether it was */
function ifAllowed(act: () => void): boolean {
  try {
    act();
    return true;
  } catch (error) {
    if (NOT_GIVEN.has(codeOf(error) ?? '')) return false;
    throw error;
  }
}
