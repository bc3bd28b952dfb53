import { randomFillSync } from 'node:crypto';
import { readFully } from '../patches/file-access.js';
import { MARKS, type MarkPlace } from '../patches/file-layout.js';
import { crc32 } from './checksum.js';
import type { WrittenPlace } from './redo-log.js';
import type { Change } from './write-buffer.js';

/** The bytes at the end of a mark that count. Those before, and all but the last one, begin at random: they tell files apart. */
const COUNT_BYTES = 8;

/** A number in a file that each commit raises by one. */
export class Mark {
  readonly #file: number;
  readonly #place: MarkPlace;
  #bytes: Buffer;

  constructor(file: number, place: MarkPlace) {
    this.#file = file;
    this.#place = place;
    this.#bytes = this.read();
  }

  /** What the file has, which others may have written. */
  read(): Buffer {
    const { position, length } = this.#place;
    this.#bytes = Buffer.alloc(length);
    readFully(this.#file, this.#bytes, position);
    return this.#bytes;
  }

  /** What it becomes with the next commit, if nobody else has written since it was read. */
  next(): Change {
    const { position, length } = this.#place;
    const after = Buffer.from(this.#bytes);
    if (after.every((byte) => byte === 0)) randomFillSync(after, 0, COUNT_BYTES - 1);
    after.writeBigUInt64BE(BigInt.asUintN(64, countOf(after) + 1n), length - COUNT_BYTES);
    return { position, before: this.#bytes, after };
  }

  /** That commit is in the file. */
  isWritten({ after }: Change): void {
    this.#bytes = Buffer.from(after);
  }

  /** The end of what was read last, as a number. */
  get count(): bigint {
    return countOf(this.#bytes);
  }
}

/** The marks that a file has, in hex. */
export function marksOf(file: number): Readonly<Record<keyof typeof MARKS, string>> {
  const at = (place: MarkPlace): string => new Mark(file, place).read().toString('hex');
  return { data: at(MARKS.data), tables: at(MARKS.tables) };
}

/** The end of a mark, as a number. */
export function countOf(mark: Uint8Array): bigint {
  return Buffer.from(mark.subarray(-COUNT_BYTES)).readBigUInt64BE();
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
