/** Files that `acebase-ipc-server init` writes: all of them, or none. */

import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { IPCError } from '../../errors.js';

/** A file that is to be written. */
export interface NewFile {
  /** Its name, within the folder. */
  readonly name: string;
  readonly contents: string;
  /** Only its owner may read it. */
  readonly isSecret?: boolean;
}

/**
 * Writes the files.
 *
 * @param force whether files that are there are overwritten
 * @throws IPCError `IPC_INIT_FILE_EXISTS`, and writes nothing, if one is there and `force` is not given
 */
export function writeNewFiles(files: readonly NewFile[], folder: string, force: boolean): void {
  const existing = files.map(({ name }) => name).filter((name) => existsSync(join(folder, name)));
  if (existing.length > 0 && !force) {
    throw new IPCError(
      'IPC_INIT_FILE_EXISTS',
      existing.map((name) => `${join(folder, name)} is there already; nothing was written`).join('\n'),
    );
  }
  mkdirSync(folder, { recursive: true });
  for (const { name, contents, isSecret = false } of files) {
    const path = join(folder, name);
    writeFileSync(path, contents, { mode: isSecret ? 0o600 : 0o644 });
    // One that was there keeps its mode.
    if (isSecret) chmodSync(path, 0o600);
  }
}
