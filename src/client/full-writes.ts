/**
 * A disk that becomes full takes a part of what is written, and says how much, which is no error; nor does AceBase look. Here what is left is written,
 * too, or the write fails.
 */

import fs from 'node:fs';

type Method = (...details: unknown[]) => void;

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
