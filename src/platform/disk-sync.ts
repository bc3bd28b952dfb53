/** What was done with files and folders outlives a loss of power when this returns. */

import { closeSync, fsyncSync, openSync } from 'node:fs';

/** Of a file: its bytes. */
export function syncFile(path: string): void {
  // Windows syncs no file that is open for reading alone.
  sync(path, 'r+');
}

/** Of a folder: the names in it. Windows opens no folders, and has no way to do that. */
export function syncFolder(path: string): void {
  if (process.platform !== 'win32') sync(path, 'r');
}

function sync(path: string, flags: 'r' | 'r+'): void {
  const file = openSync(path, flags);
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
