/** A process that ends at a change of its files. */

import fs from 'node:fs';
import { join } from 'node:path';
import { type Change, hasHalves } from './disk.js';
import { writeHalf } from './full-disk.js';
import { watchChanges } from './recorder.js';
import type { CrashPoint } from './verdict.js';

/** What a process was about to do when it ended itself. */
export interface LastChange {
  readonly isHalf: boolean;
  /** For people. */
  readonly change: string;
}

/** Those of Node.js, whoever puts something in their places. */
const { statSync, writeFileSync } = { ...fs };

/**
 * Counts the changes of the files in a folder, which other processes may change as well. At the given one it ends this process, as `SIGKILL`
 * does, when all before it is in the file system; a change that has no halves is not begun then. To be called before anything else is
 * put between Node.js and those who call its functions.
 *
 * @param lastWords the file that says what was to be changed: {@link LastChange}, as JSON
 * @returns tells of each change so far whether it had halves
 */
export function endAtChange(
  folder: string,
  point: CrashPoint | undefined,
  lastWords: string,
): () => readonly boolean[] {
  const changes: boolean[] = [];
  watchChanges(folder, {
    isAtOnce: true,
    lengthOf: (file) => statSync(join(folder, file), { throwIfNoEntry: false })?.size,
    changing(change) {
      if (changes.push(hasHalves(change)) - 1 !== point?.change) return;
      const isHalf = point.isHalf && hasHalves(change);
      if (isHalf) writeHalf(join(folder, change.file), change);
      const last: LastChange = { isHalf, change: shown(change) };
      writeFileSync(lastWords, JSON.stringify(last));
      process.kill(process.pid, 'SIGKILL');
    },
  });
  return () => changes;
}

function shown(change: Change): string {
  const { kind, file } = change;
  switch (kind) {
    case 'write':
      return `write ${change.bytes.length} bytes at ${change.position} of ${file}`;
    case 'resize':
      return `resize ${file} to ${change.length}`;
    case 'rename':
      return `rename ${file} to ${change.to}`;
    case 'create':
    case 'remove':
      return `${kind} ${file}`;
  }
}
