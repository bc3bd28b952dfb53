import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A new empty directory. Whoever makes it removes it with {@link removeDirectory}. */
export function temporaryDirectory(purpose: string): Promise<string> {
  return mkdtemp(join(tmpdir(), `acebase-ipc-${purpose}-`));
}

/** Removes a directory and all in it. A process that has just been killed may still hold files, hence the retries. */
export function removeDirectory(path: string): Promise<void> {
  return rm(path, { recursive: true, force: true, maxRetries: 5 });
}
