/** Copies of the folder of a database. */

import { constants, existsSync } from 'node:fs';
import { cp, readdir, stat, statfs } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { IPCError } from '../../errors.js';
import { syncFile, syncFolder } from '../../platform/disk-sync.js';
import { makeFolder } from '../../platform/new-folder.js';

/** How a folder is copied. */
export interface CopyOptions {
  /** Which names in the folder are left out; default: none. Who uses the folder may make one of them, or remove it, at any time. */
  isLeftOut?(name: string): boolean;
  /** The error if there is no room. */
  readonly noRoom: 'IPC_CHECK_NO_ROOM' | 'IPC_BACKUP_NO_ROOM';
}

/** What was copied. */
export interface Copied {
  readonly files: number;
  readonly bytes: number;
}

/**
 * Copies a folder. The copy outlives a loss of power only after {@link syncCopy}.
 *
 * @param copy where to; nothing may be there yet. The folder that it is to be in is made.
 * @throws IPCError `options.noRoom`; nothing was copied then
 */
export async function copyFolder(folder: string, copy: string, options: CopyOptions): Promise<Copied> {
  const { isLeftOut = () => false, noRoom } = options;
  const parent = dirname(copy);
  makeFolder(parent);
  const names = (await readdir(folder)).filter((name) => !isLeftOut(name));
  const sizes = await Promise.all(names.map(async (name) => (await stat(join(folder, name))).size));
  const bytes = sizes.reduce((sum, size) => sum + size, 0);
  const { bavail, bsize } = await statfs(parent);
  if (bavail * bsize < bytes)
    throw new IPCError(noRoom, `the copy needs ${bytes} bytes, and ${parent} has ${bavail * bsize}`);
  await cp(folder, copy, {
    recursive: true,
    preserveTimestamps: true,
    errorOnExist: true,
    force: false,
    // Where the file system can, both share their blocks until one is changed.
    mode: constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE,
    filter: (source) => dirname(source) !== folder || !isLeftOut(basename(source)),
  });
  return { files: names.length, bytes };
}

/** Waits until a copy is on the disk. */
export async function syncCopy(copy: string): Promise<void> {
  await syncAll(copy);
  syncFolder(dirname(copy));
}

async function syncAll(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (entry.isFile()) syncFile(join(folder, entry.name));
    else if (entry.isDirectory()) await syncAll(join(folder, entry.name));
  }
  syncFolder(folder);
}

/**
 * A name with the time in it, to the second, that nothing has yet.
 *
 * @param path what it begins with
 * @param time as ISO 8601
 */
export function timedName(path: string, time: string): string {
  const timed = `${path}.${time.replace(/\..*$/, '').replaceAll(':', '-')}`;
  for (let name = timed, number = 2; ; name = `${timed}-${number++}`) if (!existsSync(name)) return name;
}
