import { closeSync, constants, fdatasyncSync, fstatSync, openSync, type Stats } from 'node:fs';
import { giveTo } from '../../platform/file-ownership.js';
import { codeOf } from '../../system-error.js';
import { readFully, writeFully } from '../patches/file-access.js';
import { crc32 } from './checksum.js';
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

/** What a record begins with: enough to see, in most cases, that nothing is left to be done. */
export interface RecordHead {
  /** Raised by each process that begins to write to the log after another one. */
  readonly term: number;
  /** Which one wrote the record. */
  readonly owner: string;
  /** The end of the mark that the record leaves in the file. */
  readonly mark: bigint;
  /** Whether something is to be done yet when its changes are in the file. */
  readonly hasNotes: boolean;
  /** Whether its process had the file for itself, with the tables that a master has otherwise. */
  readonly isLone: boolean;
}

/** Who writes to the log, or is about to. */
export type Claim = Pick<RecordHead, 'term' | 'owner'>;

const MAGIC = 0x41_43_52_33;

/** Magic number and checksum of what follows in the head; length and checksum of the body; term, owner, mark, flags. */
const HEAD_BYTES = 44;
const CHECKED_FROM = 8;
const HAS_NOTES = 1;
const IS_LONE = 2;

/** Behind the head: term, owner, checksum of both. */
const CLAIM_BYTES = 20;
const CLAIM_CHECKED = 16;
const BODY_AT = HEAD_BYTES + CLAIM_BYTES;

/** Bytes that tell one process from another. */
export const OWNER_BYTES = 8;

/** Position (8 bytes) and length (4) of a change, and how many there are (4). */
const CHANGE_BYTES = 12;
const COUNT_BYTES = 4;

/**
 * The redo log of a database file: it holds one record, of the transaction that was committed last. When that was carried out, nobody needs it
 * any more: the file has its mark.
 *
 * Whatever is not complete is no record: it never happened.
 */
export class RedoLog {
  readonly #descriptor: number;
  readonly #isSynced: boolean;
  #isClosed = false;

  /**
   * @param path of the log; it is made if it is not there
   * @param isSynced whether what was written is to outlive a loss of power
   * @param leastBytes how long it is made at once, so that a disk which becomes full is no matter later
   * @param access the flags of open(2); by default, it may be written
   * @param like a file: if the log is made, the same users may use it; default: as the process makes files
   * @throws if it cannot be opened, or made so long
   */
  constructor(
    path: string,
    isSynced: boolean,
    leastBytes = 0,
    access: number = constants.O_RDWR | constants.O_CREAT,
    like?: Pick<Stats, 'mode' | 'uid' | 'gid'>,
  ) {
    const made = like === undefined ? undefined : madeFile(path, access);
    this.#descriptor = made ?? openSync(path, access);
    this.#isSynced = isSynced;
    try {
      if (made !== undefined && like !== undefined) giveTo(made, like);
      const { size } = fstatSync(this.#descriptor);
      if (size < leastBytes) writeFully(this.#descriptor, Buffer.alloc(leastBytes - size), size);
    } catch (error) {
      closeSync(this.#descriptor);
      throw error;
    }
  }

  /** @throws when it is closed: another file may have its number */
  get #file(): number {
    if (this.#isClosed) throw new TypeError('the log is closed');
    return this.#descriptor;
  }

  /** The head of the record; `undefined` if there is none. Whether the rest is complete, {@link RedoLog.read} tells. */
  head(): RecordHead | undefined {
    return this.look().head;
  }

  /** The head of the record, and who has written it, or claimed to write the next one since. */
  look(): { readonly head: RecordHead | undefined; readonly claim: Claim | undefined } {
    const bytes = Buffer.alloc(BODY_AT);
    readFully(this.#file, bytes, 0);
    return { head: headOf(bytes.subarray(0, HEAD_BYTES)), claim: claimOf(bytes.subarray(HEAD_BYTES)) };
  }

  /** The record, if it is complete. */
  read(): LogRecord | undefined {
    const { size } = fstatSync(this.#file);
    const head = Buffer.alloc(HEAD_BYTES);
    readFully(this.#file, head, 0);
    const length = head.readUInt32BE(8);
    const isThere = headOf(head) !== undefined && length >= COUNT_BYTES && length <= size - BODY_AT;
    if (!isThere) return undefined;
    const body = Buffer.alloc(length);
    readFully(this.#file, body, BODY_AT);
    return crc32(body) === head.readUInt32BE(12) ? parse(body) : undefined;
  }

  /** Writes a record. @throws if that fails; whether it is there must then be asked by {@link RedoLog.read} */
  append(record: LogRecord, head: RecordHead): void {
    const bytes = serialize(record);
    writeHead(bytes, head);
    this.#write(bytes);
  }

  /** Claims to write the next record; the one that is there stays. A power cut leaves nobody to whom that matters. @throws if that fails */
  claim(claim: Claim): void {
    writeFully(this.#file, claimBytes(claim), HEAD_BYTES);
  }

  /** There is to be no record, and the term stays: whoever was stopped on his way to the log has an older one. @throws if that fails */
  clear(head: Omit<RecordHead, 'hasNotes'>): void {
    const bytes = Buffer.alloc(BODY_AT);
    writeHead(bytes, { ...head, hasNotes: false });
    this.#write(bytes);
  }

  #write(bytes: Buffer): void {
    writeFully(this.#file, bytes, 0);
    if (this.#isSynced) fdatasyncSync(this.#file);
  }

  /** Nothing is to be done any more of what the record has noted. @throws if that cannot be written */
  notesAreDone(): void {
    const head = Buffer.alloc(HEAD_BYTES);
    readFully(this.#file, head, 0);
    head.writeUInt32BE((head.readUInt32BE(40) | HAS_NOTES) - HAS_NOTES, 40);
    head.writeUInt32BE(crc32(head.subarray(CHECKED_FROM)), 4);
    writeFully(this.#file, head, 0);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    closeSync(this.#descriptor);
  }
}

/** Makes a file. @returns `undefined` if it is there already */
function madeFile(path: string, access: number): number | undefined {
  try {
    return openSync(path, access | constants.O_EXCL);
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return undefined;
    throw error;
  }
}

/** @param bytes the head, and the body behind it if there is one */
function writeHead(bytes: Buffer, { term, owner, mark, hasNotes, isLone }: RecordHead): void {
  const head = bytes.subarray(0, HEAD_BYTES);
  const body = bytes.subarray(BODY_AT);
  bytes.set(claimBytes({ term, owner }), HEAD_BYTES);
  head.writeUInt32BE(MAGIC, 0);
  head.writeUInt32BE(body.length, 8);
  head.writeUInt32BE(crc32(body), 12);
  head.writeBigUInt64BE(BigInt(term), 16);
  head.write(owner, 24, 'latin1');
  head.writeBigUInt64BE(mark, 32);
  head.writeUInt32BE((hasNotes ? HAS_NOTES : 0) + (isLone ? IS_LONE : 0), 40);
  head.writeUInt32BE(crc32(head.subarray(CHECKED_FROM)), 4);
}

function claimBytes({ term, owner }: Claim): Buffer {
  const bytes = Buffer.alloc(CLAIM_BYTES);
  bytes.writeBigUInt64BE(BigInt(term), 0);
  bytes.write(owner, 8, 'latin1');
  bytes.writeUInt32BE(crc32(bytes.subarray(0, CLAIM_CHECKED)), CLAIM_CHECKED);
  return bytes;
}

function claimOf(bytes: Buffer): Claim | undefined {
  if (crc32(bytes.subarray(0, CLAIM_CHECKED)) !== bytes.readUInt32BE(CLAIM_CHECKED)) return undefined;
  return { term: Number(bytes.readBigUInt64BE(0)), owner: bytes.toString('latin1', 8, 8 + OWNER_BYTES) };
}

function headOf(head: Buffer): RecordHead | undefined {
  const isThere =
    head.readUInt32BE(0) === MAGIC && crc32(head.subarray(CHECKED_FROM)) === head.readUInt32BE(4);
  if (!isThere) return undefined;
  const flags = head.readUInt32BE(40);
  return {
    term: Number(head.readBigUInt64BE(16)),
    owner: head.toString('latin1', 24, 24 + OWNER_BYTES),
    mark: head.readBigUInt64BE(32),
    hasNotes: (flags & HAS_NOTES) !== 0,
    isLone: (flags & IS_LONE) !== 0,
  };
}

/** With room for the head, and the claim. */
function serialize({ changes, written, notes }: LogRecord): Buffer {
  const text = JSON.stringify({ written, notes });
  let at = BODY_AT + COUNT_BYTES;
  const end = changes.reduce((sum, { after }) => sum + CHANGE_BYTES + 2 * after.length, at);
  const bytes = Buffer.allocUnsafe(end + Buffer.byteLength(text));
  bytes.writeUInt32BE(changes.length, BODY_AT);
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
