import { randomFillSync } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, unlinkSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { RECORDS_AT, ROOT_ADDRESS_AT, ROOT_ADDRESS_BYTES } from '../file-layout.js';
import { readFully, type WrittenPlace, writeFully } from './redo-log.js';
import type { Change } from './write-buffer.js';

/** Where the header of a database file has nothing, in 40 bytes: there is the mark of the last commit. */
const MARK_AT = 40;

/** The file's own number (8 bytes, random), and that of what was logged (8). */
const MARK_BYTES = 16;

/** The text that a database file begins with. */
const DESCRIPTOR = Buffer.from('AceBase⚡');

/** A number in a file that each commit raises by one. */
export class Mark {
  readonly #file: number;
  /** What the file has; `undefined` before it was read. Nobody else writes it. */
  #bytes: Buffer | undefined;
  #next: Buffer | undefined;

  constructor(file: number) {
    this.#file = file;
  }

  /** What it becomes with the next commit. */
  next(): Change {
    const before = this.#bytes ?? this.#read();
    const after = Buffer.from(before);
    const count = before.readBigUInt64BE(8);
    if (count === 0n) randomFillSync(after, 0, 8);
    after.writeBigUInt64BE(count + 1n, 8);
    this.#next = after;
    return { position: MARK_AT, before, after };
  }

  /** That commit is in the file. */
  isWritten(): void {
    this.#bytes = this.#next;
  }

  #read(): Buffer {
    const bytes = Buffer.alloc(MARK_BYTES);
    readFully(this.#file, bytes, MARK_AT);
    this.#bytes = bytes;
    return bytes;
  }
}

/** Writes what a transaction changes. */
export function applyChanges(file: number, changes: readonly Change[]): void {
  for (const { position, after } of changes) writeFully(file, after, position);
}

/**
 * Whether a file is as a transaction that was being written to it has left it: each byte as it was before, or as it is to be. If another one
 * has its name by now, or it was written since by who knows nothing of the log, it is not.
 */
export function isInBetween(file: number, changes: readonly Change[]): boolean {
  return changes.every(({ position, before, after }) => {
    const found = Buffer.alloc(after.length);
    readFully(file, found, position);
    return found.every((byte, index) => byte === before[index] || byte === after[index]);
  });
}

/** Whether a file has what was written to these places. */
export function hasWritten(file: number, places: readonly WrittenPlace[]): boolean {
  return places.every(([position, length, checksum]) => checksumOf(file, position, length) === checksum);
}

/** The checksum of what a file has at a place. */
export function checksumOf(file: number, position: number, length: number): number {
  const bytes = Buffer.alloc(length);
  readFully(file, bytes, position);
  return crc32(bytes);
}

/** Whether a file is as a transaction leaves it in the end. */
export function hasAll(file: number, changes: readonly Change[]): boolean {
  return isInBetween(
    file,
    changes.map(({ position, after }) => ({ position, before: after, after })),
  );
}

/** Opens a file to mend it; `undefined` if there is none. */
export function openToMend(path: string): number | undefined {
  try {
    return openSync(path, constants.O_RDWR);
  } catch (error) {
    if (Reflect.get(Object(error), 'code') === 'ENOENT') return undefined;
    throw error;
  }
}

/**
 * Removes a database file whose making was cut short: it never opens. It has no root yet, and nothing where that would be.
 *
 * @returns whether it was one
 */
export function removeUnfinished(path: string): boolean {
  const file = openToMend(path);
  if (file === undefined) return false;
  try {
    if (!isUnfinished(file)) return false;
  } finally {
    closeSync(file);
  }
  unlinkSync(path);
  return true;
}

function isUnfinished(file: number): boolean {
  const { size } = fstatSync(file);
  const header = Buffer.alloc(64);
  readFully(file, header, 0);
  const isOurs = header.subarray(0, DESCRIPTOR.length).equals(DESCRIPTOR);
  if (size < RECORDS_AT) return isOurs || header.every((byte) => byte === 0);
  const hasRoot = header
    .subarray(ROOT_ADDRESS_AT, ROOT_ADDRESS_AT + ROOT_ADDRESS_BYTES)
    .some((byte) => byte !== 0);
  return isOurs && !hasRoot && isEmptyFrom(file, RECORDS_AT, size);
}

/** The first records are those of the root. */
function isEmptyFrom(file: number, from: number, to: number): boolean {
  const piece = Buffer.alloc(65_536);
  for (let at = from; at < to; at += piece.length) {
    piece.fill(0);
    readFully(file, piece, at);
    if (piece.some((byte) => byte !== 0)) return false;
  }
  return true;
}
