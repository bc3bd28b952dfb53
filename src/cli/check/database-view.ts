/** A database file as it is read here: nothing is written to it, and nobody is told of anything. */

import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { type Change, WriteBuffer } from '../../client/journal/write-buffer.js';
import {
  DESCRIPTOR,
  FREE_SPACE_AT,
  KEYS_AT,
  RECORDS_AT,
  ROOT_ADDRESS_AT,
} from '../../client/patches/file-layout.js';
import type { AceBaseModules, NodeValues } from './acebase-modules.js';
import { whatIsDue } from './turns.js';
import type { Child, FreeRange, RecordAddress, Records, StoredNode } from './walk.js';

/** Which file it is, and what is to be seen of it. */
export interface ViewSettings {
  readonly modules: AceBaseModules;
  /** The folder that the folder of the database is in, and the database's name. */
  readonly path: string;
  readonly name: string;
  /** `data` or `transaction`. */
  readonly type: string;
  /** What the next process to open the file will write to it: it is seen as if that was done. */
  readonly changes: readonly Change[];
}

/** A child with what AceBase tells of it. */
export type ViewedChild = Child & { readonly type: number };

const VERSION = 1;
const FLAG_FST2 = 2;

/** Where the header has the sizes of records and pages, of two bytes each. */
const SIZES_AT = 18;

/** The table of free space: pages (4 bytes), ranges (2), and of each its page (4), start (2) and end (2). */
const RANGES_AT = 6;
const RANGE_BYTES = 8;

/** What AceBase wants as a lock: nobody else has the file open. */
const LOCK = {
  state: 'locked',
  expires: Number.POSITIVE_INFINITY,
  forWriting: false,
  tid: 'check',
  release: () => Promise.resolve(),
};

const quiet = (): undefined => undefined;

/** A file, as AceBase's readers of nodes and indexes take a storage. */
export class DatabaseView implements Records {
  readonly name: string;
  readonly settings: { path: string; type: string; recordSize: number; pageSize: number };
  readonly FST: { pages: number; ranges: FreeRange[] } = { pages: 0, ranges: [] };
  readonly KIT: { keys: string[] } = { keys: [] };
  readonly rootRecord: { address: RecordAddress };
  readonly ipc = { isMaster: true };
  readonly logger = {
    trace: quiet,
    debug: quiet,
    info: quiet,
    log: quiet,
    warn: quiet,
    error: quiet,
    verbose: quiet,
  };
  readonly nodeLocker = { lock: () => Promise.resolve(LOCK) };
  /** Nodes that could not be read when an index was made of them. */
  readonly failures: string[] = [];
  readonly #modules: AceBaseModules;
  readonly #file: number;
  readonly #overlay = new WriteBuffer(() => undefined);
  readonly #addresses = new Map<string, RecordAddress>();

  /** @throws Error in plain words, if it is no database file of AceBase */
  constructor({ modules, path, name, type, changes }: ViewSettings) {
    this.#modules = modules;
    this.name = name;
    this.#file = openSync(`${path}/${name}.acebase/${type}.db`, constants.O_RDONLY);
    for (const { position, after } of changes) this.#overlay.write(position, after);
    try {
      const header = this.#read(0, 64);
      checkHeader(header);
      const [recordSize, pageSize] = [header.readUInt16BE(SIZES_AT), header.readUInt16BE(SIZES_AT + 2)];
      this.settings = { path, type, recordSize: recordSize || 65_536, pageSize: pageSize || 65_536 };
      const [pageNr, recordNr] = [
        header.readUInt32BE(ROOT_ADDRESS_AT),
        header.readUInt16BE(ROOT_ADDRESS_AT + 4),
      ];
      this.rootRecord = { address: new modules.NodeAddress('', pageNr, recordNr) };
      this.KIT.keys.push(...keysOf(this.#read(KEYS_AT, FREE_SPACE_AT - KEYS_AT)));
      Object.assign(this.FST, freeSpaceOf(this.#read(FREE_SPACE_AT, RECORDS_AT - FREE_SPACE_AT)));
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** How many bytes the file has, and how many its table of free space says. */
  get length(): { readonly found: number; readonly told: number } {
    return { found: fstatSync(this.#file).size, told: this.getRecordFileIndex(this.FST.pages, 0) };
  }

  /** How many records the file has room for. */
  get capacity(): number {
    return Math.floor((this.length.found - RECORDS_AT) / this.settings.recordSize);
  }

  /** @returns the number of bytes that were read. As AceBase does, it takes the memory of an array as a whole */
  readData(position: number, buffer: ArrayBuffer | Uint8Array, offset = 0, length = -1): Promise<number> {
    const bytes =
      buffer instanceof Buffer ? buffer : Buffer.from(buffer instanceof ArrayBuffer ? buffer : buffer.buffer);
    const read = readSync(this.#file, bytes, offset, length === -1 ? buffer.byteLength : length, position);
    this.#overlay.overlay(position, bytes.subarray(offset, offset + read));
    return Promise.resolve(read);
  }

  getRecordFileIndex(pageNr: number, recordNr: number): number {
    const { recordSize, pageSize } = this.settings;
    return RECORDS_AT + (pageNr * pageSize + recordNr) * recordSize;
  }

  updateCache(): void {}

  nodeAt(address: RecordAddress): StoredNode & NodeValues {
    return new this.#modules.NodeReader(this, address, LOCK, false);
  }

  /** The children of a node; none, if it is not there, or cannot be read. */
  getChildren(path: string): { next(each: (child: ViewedChild) => unknown): Promise<void> } {
    return {
      next: async (each) => {
        const address = await this.#find(path);
        if (address === undefined) return;
        await this.#orFailure(path, () =>
          this.nodeAt(address)
            .getChildStream()
            .next((child) => {
              if (child.address) this.#addresses.set(child.address.path, child.address);
              each(child as ViewedChild);
            }),
        );
      },
    };
  }

  /** The value of a node that is an object; empty, if it cannot be read. */
  async getNode(
    path: string,
    options: { readonly include?: readonly string[] },
  ): Promise<{ value: unknown }> {
    const address = await this.#find(path);
    this.#addresses.delete(path);
    const read = async (): Promise<unknown> => address && this.nodeAt(address).getValue(options);
    return { value: (await this.#orFailure(path, read)) ?? {} };
  }

  close(): void {
    closeSync(this.#file);
  }

  /** Where a node is; `undefined` if it has no record of its own. */
  async #find(path: string): Promise<RecordAddress | undefined> {
    const known = path === '' ? this.rootRecord.address : this.#addresses.get(path);
    if (known !== undefined) return known;
    return await this.#orFailure(path, async () => {
      let address: RecordAddress | null | undefined = this.rootRecord.address;
      for (const key of this.#modules.pathKeys(path)) {
        if (!address) return undefined;
        address = (await this.nodeAt(address).getChildInfo(key)).address;
      }
      return address ?? undefined;
    });
  }

  /** AceBase would wait for ever for an index whose making fails. */
  async #orFailure<T>(path: string, read: () => Promise<T>): Promise<T | undefined> {
    await whatIsDue();
    try {
      return await read();
    } catch (error) {
      this.failures.push(`/${path}: ${error instanceof Error ? error.message : error}`);
      return undefined;
    }
  }

  #read(position: number, length: number): Buffer {
    const bytes = Buffer.alloc(length);
    const read = readSync(this.#file, bytes, 0, length, position);
    this.#overlay.overlay(position, bytes.subarray(0, read));
    return bytes;
  }
}

function checkHeader(header: Buffer): void {
  if (!header.subarray(0, DESCRIPTOR.length).equals(DESCRIPTOR))
    throw new Error('it is not a database file of AceBase');
  const [version, flags = 0] = header.subarray(DESCRIPTOR.length);
  if (version !== VERSION) throw new Error(`its format, ${version}, is not known`);
  if ((flags & FLAG_FST2) !== 0) throw new Error('its table of free space has a format that is not known');
}

/** Each key has its length before it; the last is followed by a zero. */
function keysOf(table: Buffer): string[] {
  const keys: string[] = [];
  for (let at = 0, length = table[at] ?? 0; length > 0; at += 1 + length, length = table[at] ?? 0) {
    keys.push(table.toString('utf8', at + 1, at + 1 + length));
  }
  return keys;
}

function freeSpaceOf(table: Buffer): { pages: number; ranges: FreeRange[] } {
  const count = Math.min(table.readUInt16BE(4), maximumOfRanges(table.length));
  const ranges = Array.from({ length: count }, (_, index) => {
    const at = RANGES_AT + index * RANGE_BYTES;
    return {
      page: table.readUInt32BE(at),
      start: table.readUInt16BE(at + 4),
      end: table.readUInt16BE(at + 6),
    };
  });
  return { pages: table.readUInt32BE(0), ranges };
}

/** The table of free space, as AceBase writes it. @throws RangeError if it has no room for as many */
export function freeSpaceTable(pages: number, ranges: readonly FreeRange[]): Buffer {
  const table = Buffer.alloc(RECORDS_AT - FREE_SPACE_AT);
  table.writeUInt32BE(pages, 0);
  table.writeUInt16BE(ranges.length, 4);
  ranges.forEach(({ page, start, end }, index) => {
    const at = RANGES_AT + index * RANGE_BYTES;
    table.writeUInt32BE(page, at);
    table.writeUInt16BE(start, at + 4);
    table.writeUInt16BE(end, at + 6);
  });
  return table;
}

/** How many ranges a table has room for. */
export function maximumOfRanges(bytes = RECORDS_AT - FREE_SPACE_AT): number {
  return Math.floor((bytes - RANGES_AT) / RANGE_BYTES);
}
