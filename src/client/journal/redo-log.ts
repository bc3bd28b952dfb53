import { closeSync, constants, fdatasyncSync, fstatSync, openSync, readSync, writeSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import type { Change } from './write-buffer.js';

/** A place in the file that was written before the record was: how many bytes, and their checksum. */
export type WrittenPlace = readonly [position: number, length: number, checksum: number];

/** A transaction as the log has it: what it changes in the file, and what is to be done when that is there. */
export interface LogRecord {
  readonly changes: readonly Change[];
  /** What its changes lead to. */
  readonly written?: readonly WrittenPlace[] | undefined;
  /** JSON; `undefined` if there are none. */
  readonly notes?: unknown;
}

/** What a record begins with; four zeros where there is none. */
const MAGIC = 0x41_43_52_31;
/** Magic number, length of what follows the header, and its checksum; 4 bytes each. */
const HEADER_BYTES = 12;
/** Position (8 bytes) and length (4) of a change, and how many there are (4). */
const CHANGE_BYTES = 12;
const COUNT_BYTES = 4;

/**
 * The redo log of a database file: it holds one record, of the transaction that is being committed, and none when that was
 * carried out. So nobody needs it who opens the database later, except after a crash.
 *
 * Whatever is not complete is no record: it never happened.
 */
export class RedoLog {
  readonly #file: number;
  readonly #isSynced: boolean;
  /** Whether there may be a record. */
  #isUsed = true;

  /**
   * @param path of the log; it is made if it is not there
   * @param isSynced whether what was written is to outlive a loss of power
   * @throws if it cannot be opened
   */
  constructor(path: string, isSynced: boolean) {
    this.#file = openSync(path, constants.O_RDWR | constants.O_CREAT);
    this.#isSynced = isSynced;
  }

  /** The record that is there, complete; `undefined` if there is none. */
  read(): LogRecord | undefined {
    const { size } = fstatSync(this.#file);
    if (size < HEADER_BYTES) return undefined;
    const header = Buffer.alloc(HEADER_BYTES);
    readFully(this.#file, header, 0);
    const length = header.readUInt32BE(4);
    const isThere =
      header.readUInt32BE(0) === MAGIC && length >= COUNT_BYTES && length <= size - HEADER_BYTES;
    if (!isThere) return undefined;
    const body = Buffer.alloc(length);
    readFully(this.#file, body, HEADER_BYTES);
    return crc32(body) === header.readUInt32BE(8) ? parse(body) : undefined;
  }

  /** Writes a record. @throws if that fails; whether it is there must then be asked by {@link RedoLog.clear} */
  append(record: LogRecord): void {
    const bytes = serialize(record);
    const body = bytes.subarray(HEADER_BYTES);
    bytes.writeUInt32BE(MAGIC, 0);
    bytes.writeUInt32BE(body.length, 4);
    bytes.writeUInt32BE(crc32(body), 8);
    this.#isUsed = true;
    writeFully(this.#file, bytes, 0);
    if (this.#isSynced) fdatasyncSync(this.#file);
  }

  /** There is to be no record. @throws if that fails */
  clear(): void {
    if (!this.#isUsed) return;
    writeFully(this.#file, Buffer.alloc(4), 0);
    this.#isUsed = false;
  }

  /** There is no record, as was seen. */
  isEmpty(): void {
    this.#isUsed = false;
  }

  close(): void {
    closeSync(this.#file);
  }
}

/** Reads what is there; behind the end of the file, there are zeros. */
export function readFully(file: number, bytes: Buffer, position: number): void {
  for (let read = 0; read < bytes.length; ) {
    const count = readSync(file, bytes, read, bytes.length - read, position + read);
    if (count === 0) return;
    read += count;
  }
}

/** Writes all of it: a disk that becomes full takes a part, which is no error. @throws if that fails */
export function writeFully(file: number, bytes: Uint8Array, position: number): void {
  for (let written = 0; written < bytes.length; ) {
    const count = writeSync(file, bytes, written, bytes.length - written, position + written);
    if (count === 0) throw new Error('nothing more could be written');
    written += count;
  }
}

/** With room for the header. */
function serialize({ changes, written, notes }: LogRecord): Buffer {
  const text = JSON.stringify({ written, notes });
  let at = HEADER_BYTES + COUNT_BYTES;
  const end = changes.reduce((sum, { after }) => sum + CHANGE_BYTES + 2 * after.length, at);
  const bytes = Buffer.allocUnsafe(end + Buffer.byteLength(text));
  bytes.writeUInt32BE(changes.length, HEADER_BYTES);
  for (const { position, before, after } of changes) {
    bytes.writeUIntBE(Math.floor(position / 2 ** 32), at, 4);
    bytes.writeUInt32BE(position % 2 ** 32, at + 4);
    bytes.writeUInt32BE(after.length, at + 8);
    bytes.set(before, at + CHANGE_BYTES);
    bytes.set(after, at + CHANGE_BYTES + after.length);
    at += CHANGE_BYTES + 2 * after.length;
  }
  bytes.write(text, at);
  return bytes;
}

function parse(body: Buffer): LogRecord {
  const changes: Change[] = [];
  let at = COUNT_BYTES;
  for (let left = body.readUInt32BE(0); left > 0; left--) {
    const position = body.readUInt32BE(at) * 2 ** 32 + body.readUInt32BE(at + 4);
    const length = body.readUInt32BE(at + 8);
    at += CHANGE_BYTES;
    changes.push({
      position,
      before: body.subarray(at, at + length),
      after: body.subarray(at + length, at + 2 * length),
    });
    at += 2 * length;
  }
  const { written, notes } = JSON.parse(body.toString('utf8', at)) as Omit<LogRecord, 'changes'>;
  return { changes, written, notes };
}
