/**
 * Files, as a whole or not at all. A disk that becomes full takes a part of what is written, and says how much, which is no error; nor does AceBase look.
 * Here what is left is written, too, or the write fails.
 */

import fs from 'node:fs';
import { codeOf } from '../../system-error.js';

type Method = (...details: unknown[]) => void;

/** Opens a file to mend it; `undefined` if there is none. */
export function openToMend(path: string): number | undefined {
  return openIfThere(path, fs.constants.O_RDWR);
}

/** Opens a file to look at it; `undefined` if there is none. */
export function openToLook(path: string): number | undefined {
  return openIfThere(path, fs.constants.O_RDONLY);
}

function openIfThere(path: string, access: number): number | undefined {
  try {
    return fs.openSync(path, access);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Reads what is there; behind the end of the file, there are zeros. */
export function readFully(file: number, bytes: Buffer, position: number): void {
  for (let read = 0; read < bytes.length; ) {
    const count = fs.readSync(file, bytes, read, bytes.length - read, position + read);
    if (count === 0) return;
    read += count;
  }
}

/** Writes all of it, at once. @param offset of the first of the bytes @param length how many @throws if that fails */
export function writeFully(
  file: number,
  bytes: Uint8Array,
  position: number,
  offset = 0,
  length = bytes.length - offset,
): void {
  for (let written = 0; written < length; ) {
    const count = fs.writeSync(file, bytes, offset + written, length - written, position + written);
    if (count === 0) throw shortWrite(written, length);
    written += count;
  }
}

/** A function as `fs.write`, which writes all of it where it is told how much. */
export function inFull(write: Method): Method {
  return (file, buffer, ...rest) => {
    const [offset, length, position, done] = rest;
    if (typeof offset !== 'number' || typeof length !== 'number' || typeof done !== 'function') {
      write(file, buffer, ...rest);
      return;
    }
    const goOn = (written: number): void => {
      // Without a position, the file knows where it is.
      const at = typeof position === 'number' ? position + written : position;
      const next = (error: Error | null, count: unknown): void => {
        const all = written + Number(count);
        if (error !== null) done(error, written, buffer);
        else if (all < length && count === 0) done(shortWrite(written, length), written, buffer);
        else if (all < length) goOn(all);
        else done(null, all, buffer);
      };
      write(file, buffer, offset + written, length - written, at, next);
    };
    goOn(0);
  };
}

function shortWrite(written: number, length: number): Error {
  const text = `ENOSPC: the disk has taken ${written} of ${length} bytes, write`;
  return Object.assign(new Error(text), { code: 'ENOSPC', syscall: 'write' });
}
