/** The database file that all modelled processes share: what is in it survives every one of them. */

/** A record: the root, or the value of one key. */
export type FileRecord =
  | {
      readonly kind: 'root';
      /** Where the value of each key is; a key stands as its number in the key table, or in full. */
      readonly entries: ReadonlyMap<number | string, number>;
    }
  | { readonly kind: 'value'; readonly key: string; readonly value: number }
  /** Half of it is what was there before, and half what was to be. */
  | { readonly kind: 'torn' };

/** What one commit changes. */
export interface Changes {
  readonly records: ReadonlyMap<number, FileRecord>;
  /** Where the root is then; `undefined` if it stays where it is. */
  readonly root: number | undefined;
}

/** What the redo log has. */
export interface LogRecord extends Changes {
  /** Which commit it is, counted from 1. */
  readonly mark: number;
  /** Whether all of it was written: one that is not never happened. */
  isComplete: boolean;
}

/** The space of the file as a master keeps it: records that are free, in order, and how many there are. */
export interface Space {
  free: readonly number[];
  size: number;
}

export class DatabaseFile {
  /** The record of the root. */
  root = 0;
  /** The key table. */
  keys: readonly string[] = [];
  /** The free space table. */
  space: Space = { free: [], size: 1 };
  readonly records = new Map<number, FileRecord>([[0, { kind: 'root', entries: new Map() }]]);
  /** The last commit that is in its places. */
  mark = 0;
  /** The redo log beside the file. */
  log: LogRecord | undefined;

  /** What was committed and is not in its places; `undefined` if all is. */
  get outstanding(): LogRecord | undefined {
    const { log } = this;
    return log?.isComplete === true && log.mark === this.mark + 1 ? log : undefined;
  }

  /** Where the root is for whoever carries out first what is outstanding. */
  get committedRoot(): number {
    return this.outstanding?.root ?? this.root;
  }

  /** Carries out what is outstanding. @returns whether anything was */
  recover(): boolean {
    const { outstanding } = this;
    if (outstanding === undefined) return false;
    for (const [record, content] of outstanding.records) this.records.set(record, content);
    this.root = this.committedRoot;
    this.mark = outstanding.mark;
    return true;
  }

  /** What a fresh open reads: every key with its value, or why it cannot be read. */
  readAll(): ReadonlyMap<string, number> | string {
    const root = this.records.get(this.root);
    if (root?.kind !== 'root') return `the root is said to be in record ${this.root}, and is not`;
    const values = new Map<string, number>();
    for (const [name, address] of root.entries) {
      const key = typeof name === 'number' ? this.keys[name] : name;
      const record = this.records.get(address);
      if (key === undefined) return `key ${name} is not in the key table`;
      if (record?.kind !== 'value' || record.key !== key)
        return `record ${address} is not that of key ${key}`;
      values.set(key, record.value);
    }
    return values;
  }
}
