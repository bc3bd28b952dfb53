import { randomFillSync } from 'node:crypto';
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { basename, dirname } from 'node:path';
import { codeOf } from '../../system-error.js';
import {
  DESCRIPTOR,
  FREE_SPACE_AT,
  RECORDS_AT,
  ROOT_ADDRESS_AT,
  ROOT_ADDRESS_BYTES,
} from '../file-layout.js';
import { isIndexOf } from '../index-names.js';
import { crc32 } from './checksum.js';
import { readFully, type WrittenPlace } from './redo-log.js';
import type { Change } from './write-buffer.js';

/** The bytes at the end of a mark that count. Those before, and all but the last one, begin at random: they tell files apart. */
const COUNT_BYTES = 8;

/** Where the header of a database file has nothing, there are the marks of two logs. */
export const MARKS = {
  data: { position: 40, length: 16 },
  tables: { position: 56, length: 8 },
} as const;

/**
 * Where the logs of a file are: two of the data, which processes write to in turns, and one of the tables.
 *
 * @param folder of the database
 * @param type what kind of data the file has: `data`
 */
export function logPathsOf(folder: string, type: string) {
  const path = `${folder}/${type}`;
  return { data: [`${path}.redo`, `${path}.redo2`], tables: [`${path}.tables.redo`] } as const;
}

/** Where in a file the mark of a log is. */
export type MarkPlace = (typeof MARKS)[keyof typeof MARKS];

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

/** Opens a file to mend it; `undefined` if there is none. */
export function openToMend(path: string): number | undefined {
  return openIfThere(path, constants.O_RDWR);
}

/** Opens a file to look at it; `undefined` if there is none. */
export function openToLook(path: string): number | undefined {
  return openIfThere(path, constants.O_RDONLY);
}

function openIfThere(path: string, access: number): number | undefined {
  try {
    return openSync(path, access);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/**
 * Whether the making of a database file was cut short: it never opens. It has no root yet, and nothing where that would be. One that has lost its end is
 * none: it has had keys, space or commits, or there is what only a whole file has beside it.
 */
export function isCutShort(path: string): boolean {
  const file = openToLook(path);
  if (file === undefined) return false;
  try {
    return isUnfinished(file) && (fstatSync(file).size >= RECORDS_AT || !wasWhole(path));
  } finally {
    closeSync(file);
  }
}

/** Whether a database file has an index, or a log: both are made when it is whole. */
function wasWhole(path: string): boolean {
  const [folder, type] = [dirname(path), basename(path, '.db')];
  const { data, tables } = logPathsOf(folder, type);
  const isLogged = [...data, ...tables].some((log) => (statSync(log, NOTHING_THERE)?.size ?? 0) > 0);
  return isLogged || readdirSync(folder).some((name) => isIndexOf(name, type));
}

const NOTHING_THERE = { throwIfNoEntry: false } as const;

/**
 * A file whose making was cut short makes way for another one. If there is anything where records are, it keeps that, as `<file>.unfinished`, or with a number: of a file
 * that has lost its table of space, nothing else tells it.
 */
export function putAway(path: string): void {
  const file = openToLook(path);
  if (file === undefined) return;
  let isEmpty: boolean;
  try {
    const { size } = fstatSync(file);
    isEmpty = size < RECORDS_AT || isEmptyFrom(file, RECORDS_AT, size);
  } finally {
    closeSync(file);
  }
  if (isEmpty) rmSync(path, { force: true });
  else renameSync(path, freeName(`${path}.unfinished`));
}

/** That name, or with the next number that nothing has. */
function freeName(path: string): string {
  for (let name = path, number = 2; ; name = `${path}-${number++}`) if (!existsSync(name)) return name;
}

function isUnfinished(file: number): boolean {
  const { size } = fstatSync(file);
  const header = Buffer.alloc(64);
  readFully(file, header, 0);
  const isOurs = header.subarray(0, DESCRIPTOR.length).equals(DESCRIPTOR);
  const hasRoot = header
    .subarray(ROOT_ADDRESS_AT, ROOT_ADDRESS_AT + ROOT_ADDRESS_BYTES)
    .some((byte) => byte !== 0);
  // AceBase writes the header, and the tables as they are at first, at one time.
  if (size < RECORDS_AT)
    return (
      (isOurs ? !hasRoot : header.every((byte) => byte === 0)) && isEmptyFrom(file, MARKS.data.position, size)
    );
  return isOurs && !hasRoot && (hasNoPages(file) || isEmptyFrom(file, RECORDS_AT, size));
}

/** As long as that has not been committed, nothing has; whatever is behind the tables. */
function hasNoPages(file: number): boolean {
  const pages = Buffer.alloc(4);
  readFully(file, pages, FREE_SPACE_AT);
  return pages.readUInt32BE(0) === 0;
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
