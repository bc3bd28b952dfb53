/** Files that `acebase-ipc-server init` writes: all of them, or none. */

import { randomBytes } from 'node:crypto';
import { constants, copyFileSync, existsSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { IPCError } from '../../errors.js';
import { makeFolder } from '../../platform/new-folder.js';
import { codeOf } from '../../system-error.js';

/** A file that is to be written. */
export interface NewFile {
  /** Its name, within the folder. */
  readonly name: string;
  readonly contents: string;
  /** Only its owner may read it, and one that is there is kept, whatever is asked: what it holds is known nowhere else. */
  readonly isSecret?: boolean;
}

/** A file under the name that it has until all are there. */
interface Draft {
  readonly draft: string;
  readonly path: string;
}

/**
 * Writes the files.
 *
 * @param force whether files that are there are overwritten, but for secret ones, which are kept
 * @returns the names of those that were kept
 * @throws IPCError `IPC_INIT_FILE_EXISTS`, and writes nothing, if one is there and `force` is not given
 */
export function writeNewFiles(files: readonly NewFile[], folder: string, force: boolean): readonly string[] {
  const existing = new Set(files.map(({ name }) => name).filter((name) => existsSync(join(folder, name))));
  if (existing.size > 0 && !force) throw areThere([...existing], folder);
  makeFolder(folder);
  const kept = files.filter(({ name, isSecret }) => isSecret === true && existing.has(name));
  const drafts: Draft[] = [];
  try {
    for (const file of files) if (!kept.includes(file)) drafts.push(writeDraft(file, folder));
    if (force) for (const { draft, path } of drafts) renameSync(draft, path);
    else putInPlace(drafts, folder);
  } finally {
    for (const { draft } of drafts) rmSync(draft, { force: true });
  }
  return kept.map(({ name }) => name);
}

/** Nobody else can read a secret at any moment, whatever the mode of the file that was there. */
function writeDraft({ name, contents, isSecret = false }: NewFile, folder: string): Draft {
  const path = join(folder, name);
  const draft = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  writeFileSync(draft, contents, { flag: 'wx', mode: isSecret ? 0o600 : 0o644 });
  return { draft, path };
}

/** Puts all in place, or none if somebody has put one there meanwhile. */
function putInPlace(drafts: readonly Draft[], folder: string): void {
  const placed: string[] = [];
  try {
    for (const { draft, path } of drafts) {
      // Unlike a rename, this replaces nothing.
      copyFileSync(draft, path, constants.COPYFILE_EXCL);
      placed.push(path);
    }
  } catch (error) {
    for (const path of placed) rmSync(path, { force: true });
    const isThere = codeOf(error) === 'EEXIST';
    const late = drafts.slice(placed.length, placed.length + 1).map(({ path }) => basename(path));
    throw isThere ? areThere(late, folder) : error;
  }
}

function areThere(names: readonly string[], folder: string): IPCError {
  const [first = '', ...others] = names;
  const what =
    others.length === 0 ? `${first} is there already` : `these are there already: ${names.join(', ')}`;
  return new IPCError('IPC_INIT_FILE_EXISTS', `nothing was written to ${folder}, since ${what}`);
}
