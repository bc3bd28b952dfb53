import fs from 'node:fs';
import { join } from 'node:path';
import { type Change, firstHalf, hasHalves } from './disk.js';
import { RefusedChange } from './recorder.js';
import type { CrashPoint } from './verdict.js';

/** Where the disk is full. */
export interface FullDisk extends CrashPoint {
  /** For how many changes, one after the other. */
  readonly times: number;
}

/** Those of Node.js, whoever puts something in their places. */
const { closeSync, openSync, writeSync } = { ...fs };

/**
 * Counts the changes of the files in a folder, and refuses some; there may be room for half of the first one.
 *
 * @returns to be called with each change
 */
export function refusing(
  folder: string,
  { change: first, isHalf, times }: FullDisk,
): (change: Change) => void {
  let count = 0;
  return (change) => {
    const number = count++;
    // To make something smaller needs no room.
    const needsRoom = change.kind === 'create' || change.kind === 'write';
    if (number < first || number >= first + times || !needsRoom) return;
    if (number === first && isHalf && hasHalves(change)) writeHalf(join(folder, change.file), change);
    throw new RefusedChange();
  };
}

/** Writes what there is room for, or time. */
export function writeHalf(path: string, change: Parameters<typeof firstHalf>[0]): void {
  const { O_CREAT, O_WRONLY } = fs.constants;
  const file = openSync(path, O_WRONLY | O_CREAT);
  const bytes = firstHalf(change);
  writeSync(file, bytes, 0, bytes.length, change.position);
  closeSync(file);
}
