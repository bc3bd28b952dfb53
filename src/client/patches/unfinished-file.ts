import { closeSync, existsSync, fstatSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { openToLook, readFully } from './file-access.js';
import {
  DESCRIPTOR,
  FREE_SPACE_AT,
  logPathsOf,
  MARKS,
  RECORDS_AT,
  ROOT_ADDRESS_AT,
  ROOT_ADDRESS_BYTES,
} from './file-layout.js';
import { isIndexOf } from './indexes/index-names.js';

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
