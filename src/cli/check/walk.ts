/** Walks all records of a database file, from the root on. */

import type { RecordRange } from '../../client/core/space-reserve.js';
import { messageOf } from '../../system-error.js';
import { whatIsDue } from './turns.js';

/** Where a node is. */
export interface RecordAddress {
  readonly path: string;
  readonly pageNr: number;
  readonly recordNr: number;
}

/** What a node has below it, or in it. */
export interface Child {
  readonly key?: string | number | undefined;
  readonly index?: number | undefined;
  readonly address?: RecordAddress | null | undefined;
}

/** A node as it is stored. */
export interface StoredNode {
  readHeader(): Promise<{
    readonly allocation: { readonly ranges: readonly RecordRange[] };
    readonly valueType: number;
  }>;
  getChildStream(): { next(each: (child: Child) => void): Promise<unknown> };
  getDataStream(): { next(each: (piece: object) => void): Promise<unknown> };
}

/** A part of the table of free space. */
export interface FreeRange {
  readonly page: number;
  readonly start: number;
  readonly end: number;
}

/** A file whose records are walked: AceBase's own storage is one. */
export interface Records {
  readonly settings: { readonly pageSize: number };
  readonly FST: { readonly pages: number; readonly ranges: readonly FreeRange[] };
  readonly rootRecord: { readonly address: RecordAddress };
}

/** How it is walked. */
export interface WalkSettings {
  readonly records: Records;
  nodeAt(address: RecordAddress): StoredNode;
  /** How many records the file has room for; by default, as many as its table of free space says. */
  readonly capacity?: number;
  /** Whether texts and binaries are read, too, and not only where they are. */
  readonly readsValues?: boolean;
}

/** What may be wrong with the records of a file. */
export interface WalkFault {
  readonly kind: 'unreadable' | 'outside' | 'shared' | 'not-free' | 'free-table';
  readonly message: string;
}

/** What a walk has found. */
export interface WalkReport {
  readonly nodes: number;
  /** Records that nodes have. */
  readonly used: number;
  /** Records that are free. */
  readonly free: number;
  /** Records that nobody has, and that are not free. */
  readonly leaked: number;
  readonly faults: readonly WalkFault[];
  /** Of each record whether a node has it. */
  readonly isUsed: { at(record: number): boolean; readonly last: number };
}

/** Types of nodes that have children. */
const OBJECT = 1;
const ARRAY = 2;

/** What is known of a record; 0 is nothing. */
const USED = 1;
const FREE = 2;

/** As many records of those that are in two places as are named. */
const NAMED_RECORDS = 1_000;

/** Walks all records. It needs one byte of memory for each record of the file. */
export async function walk(settings: WalkSettings): Promise<WalkReport> {
  const found = new Walk(settings);
  await found.fromRoot();
  found.freeSpace();
  if (found.doubles.size > 0) {
    const again = new Walk(settings, found.doubles);
    await again.fromRoot();
    found.nameDoubles(again.owners);
  }
  return found.report();
}

class Walk {
  /** Records that are in two places, and whether the second one is the free space. */
  readonly doubles = new Map<number, 'shared' | 'not-free'>();
  /** Which nodes have the records that were asked for. */
  readonly owners = new Map<number, string[]>();
  readonly #settings: WalkSettings;
  readonly #wanted: ReadonlyMap<number, unknown> | undefined;
  readonly #states: Uint8Array;
  readonly #total: number;
  readonly #limit: number;
  readonly #faults: WalkFault[] = [];
  #nodes = 0;
  #last = -1;

  /** @param wanted records whose owners are asked for */
  constructor(settings: WalkSettings, wanted?: ReadonlyMap<number, unknown>) {
    const { pageSize } = settings.records.settings;
    this.#settings = settings;
    this.#wanted = wanted;
    this.#total = settings.records.FST.pages * pageSize;
    this.#limit = settings.capacity ?? this.#total;
    this.#states = new Uint8Array(Math.max(this.#limit, this.#total));
  }

  async fromRoot(): Promise<void> {
    const waiting: RecordAddress[] = [this.#settings.records.rootRecord.address];
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      await this.#node(next, waiting);
      await whatIsDue();
    }
  }

  /** Takes what is free into account. To be called when all nodes were seen. */
  freeSpace(): void {
    const { records } = this.#settings;
    const { pageSize } = records.settings;
    for (const { page, start, end } of records.FST.ranges) {
      if (page >= records.FST.pages || end > pageSize || start > end) {
        this.#fault('free-table', `the table of free space has records ${start} to ${end} of page ${page}`);
        continue;
      }
      for (let record = page * pageSize + start; record < page * pageSize + end; record++) {
        if (this.#states[record] === USED) this.#double(record, 'not-free');
        else if (this.#states[record] === FREE) this.#fault('free-table', `record ${record} is free twice`);
        else this.#states[record] = FREE;
      }
    }
  }

  /** Says who has what is in two places. */
  nameDoubles(owners: ReadonlyMap<number, readonly string[]>): void {
    const groups = new Map<string, { record: number; count: number; kind: 'shared' | 'not-free' }>();
    for (const [record, kind] of this.doubles) {
      const all = (owners.get(record) ?? []).map((path) => `/${path}`);
      const text = kind === 'shared' ? all.join(' and ') : `${all.join(' and ')} and the free space`;
      const group = groups.get(text) ?? { record, count: 0, kind };
      group.count++;
      groups.set(text, group);
    }
    for (const [text, { record, count, kind }] of groups) {
      const more = count === 1 ? '' : ` and ${count - 1} more`;
      this.#fault(kind, `record ${record}${more} belongs to ${text}`);
    }
  }

  report(): WalkReport {
    const counts = [0, 0, 0];
    for (const state of this.#states.subarray(0, this.#total)) counts[state] = (counts[state] ?? 0) + 1;
    const [leaked = 0, used = 0, free = 0] = counts;
    const isUsed = { at: (record: number) => this.#states[record] === USED, last: this.#last };
    return { nodes: this.#nodes, used, free, leaked, faults: this.#faults, isUsed };
  }

  async #node(address: RecordAddress, waiting: RecordAddress[]): Promise<void> {
    const where = `/${address.path} (page ${address.pageNr}, record ${address.recordNr})`;
    if (!this.#isWithin({ ...address, length: 1 })) {
      this.#fault('outside', `${where} lies beyond the end of the file`);
      return;
    }
    const isSeen = this.#states[this.#recordOf(address)] === USED;
    try {
      const node = this.#settings.nodeAt(address);
      const { allocation, valueType } = await node.readHeader();
      const outside = allocation.ranges.find((range) => !this.#isWithin(range));
      for (const range of allocation.ranges) if (this.#isWithin(range)) this.#take(address.path, range);
      // Below it is what was seen there before.
      if (isSeen) return;
      this.#nodes++;
      if (outside !== undefined)
        throw new Error(`it has records behind the end: ${outside.pageNr}, ${outside.recordNr}`);
      if (valueType === OBJECT || valueType === ARRAY) await this.#children(node, waiting);
      else if (valueType > 9 || valueType === 0) throw new Error(`its type, ${valueType}, is not known`);
      else if (this.#settings.readsValues === true) await node.getDataStream().next(() => undefined);
    } catch (error) {
      const reason = messageOf(error);
      this.#fault('unreadable', `${where} cannot be read: ${reason}`);
    }
  }

  async #children(node: StoredNode, waiting: RecordAddress[]): Promise<void> {
    await node.getChildStream().next(({ key, index, address }) => {
      if (key === undefined && index === undefined)
        throw new Error('a key of it is not in the table of keys');
      if (address !== undefined && address !== null) waiting.push(address);
    });
  }

  #take(path: string, range: RecordRange): void {
    const first = this.#recordOf(range);
    this.#last = Math.max(this.#last, first + range.length - 1);
    for (let record = first; record < first + range.length; record++) {
      if (this.#wanted?.has(record) === true) this.#owned(record, path);
      if (this.#states[record] === USED) this.#double(record, 'shared');
      this.#states[record] = USED;
    }
    if (first + range.length > this.#total && this.#wanted === undefined) {
      this.#fault('free-table', `/${path} has records of a page that the table of free space does not have`);
    }
  }

  #owned(record: number, path: string): void {
    const owners = this.owners.get(record);
    if (owners === undefined) this.owners.set(record, [path]);
    else if (!owners.includes(path)) owners.push(path);
  }

  #double(record: number, kind: 'shared' | 'not-free'): void {
    if (this.doubles.size < NAMED_RECORDS && this.doubles.get(record) !== 'shared')
      this.doubles.set(record, kind);
  }

  #isWithin(range: RecordRange): boolean {
    return range.length > 0 && this.#recordOf(range) + range.length <= this.#limit;
  }

  #recordOf({ pageNr, recordNr }: Pick<RecordRange, 'pageNr' | 'recordNr'>): number {
    return pageNr * this.#settings.records.settings.pageSize + recordNr;
  }

  #fault(kind: WalkFault['kind'], message: string): void {
    this.#faults.push({ kind, message });
  }
}
