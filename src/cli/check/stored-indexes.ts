/** Compares the files of indexes with the data that they index, and makes them anew. */

import { closeSync, openSync, readSync } from 'node:fs';
import { crc32 } from '../../client/journal/checksum.js';
import type { IndexDescription } from '../../client/journal/index-marks.js';
import { messageOf } from '../../system-error.js';
import type { AceBaseModules, BuildOptions, StoredIndex } from './acebase-modules.js';
import type { DatabaseView } from './database-view.js';
import { whatIsDue } from './turns.js';

/** How the file of an index is. */
export interface IndexReport {
  readonly file: string;
  readonly path: string;
  readonly key: string;
  readonly type: string;
  readonly entries: number;
  /** How many entries it lacks, and has too many. */
  readonly missing: number;
  readonly extra: number;
  /** Some of both: the value and the path of each. */
  readonly examples: { readonly missing: readonly string[]; readonly extra: readonly string[] };
  /** Differences that the settings of a full-text index may account for. */
  readonly unsure: number;
  /** Why it could not be read, or searched; `undefined` if it could. */
  readonly unreadable?: string | undefined;
  /** Why it could not be compared; `undefined` if it could. */
  readonly notCompared?: string | undefined;
}

/** Types of values that every index takes: numbers, booleans, texts, dates, bigints. */
const INDEXABLE: readonly number[] = [3, 4, 5, 6, 7];
const OBJECT = 1;

/** AceBase cuts longer texts. */
const LONGEST_TEXT = 255;

/** As many entries are held in memory at a time: an index with more is compared in parts. */
const ENTRIES_AT_ONCE = 2_000_000;

/** As many examples are given of both. */
const EXAMPLES = 3;
/** As many differences are remembered. */
const REMEMBERED = 10_000;

/** The bytes that are read of a tree at a time. */
const CHUNK_BYTES = 4_096;

/** The index in a file. @throws Error if it is none */
export async function readIndex(
  modules: AceBaseModules,
  view: DatabaseView,
  file: string,
): Promise<StoredIndex> {
  return await modules.DataIndex.readFromFile(view, `${view.settings.path}/${view.name}.acebase/${file}`);
}

/** Compares an index with what it indexes, by the values and the paths of its entries. */
export async function compareIndex(
  modules: AceBaseModules,
  view: DatabaseView,
  index: StoredIndex,
  partEntries = ENTRIES_AT_ONCE,
): Promise<IndexReport> {
  const { path, key, type } = index;
  const about = { file: index._fileName.replace(/^.*\//, ''), path, key, type };
  const comparison = new Comparison(modules, view, index);
  view.failures.length = 0;
  try {
    for (let parts = 1; !(await comparison.run(parts, partEntries)); ) parts *= 2;
  } catch (error) {
    if (!(error instanceof IndexUnreadable)) throw error;
    return { ...about, ...NO_DIFFERENCES, entries: 0, unreadable: error.message };
  }
  const [failure] = view.failures.splice(0);
  if (failure !== undefined)
    return { ...about, ...NO_DIFFERENCES, entries: comparison.entries, notCompared: failure };
  return { ...about, entries: comparison.entries, ...comparison.result() };
}

export const NO_DIFFERENCES = {
  missing: 0,
  extra: 0,
  examples: { missing: [], extra: [] },
  unsure: 0,
} as const;

/**
 * Makes an index anew, as AceBase does: beside the files of the database.
 *
 * @param fileName where it is to be; it must not be there
 * @throws Error if that fails
 */
export async function makeIndex(
  modules: AceBaseModules,
  view: DatabaseView,
  { path, key, options }: IndexDescription,
  fileName: string,
): Promise<void> {
  const type = (options as { readonly type?: string }).type ?? 'normal';
  const Index = modules.DataIndex.KnownIndexTypes[type];
  if (Index === undefined) throw new Error(`there is no kind of index called ${type}`);
  const index = new Index(view, path, key, options);
  index._fileName = fileName;
  // Nobody else has it, and one that is never given back would keep the process alive for a day.
  index._lock = () => Promise.resolve({ release: () => undefined });
  await orUnhandled(index.build());
  const [failure] = view.failures.splice(0);
  if (failure !== undefined) throw new Error(failure);
}

/** What AceBase begins and nobody waits for may fail: what depends on it never ends then. */
async function orUnhandled<T>(doing: Promise<T>): Promise<T> {
  let fail: (error: unknown) => void = () => undefined;
  const failing = new Promise<never>((_resolve, reject) => {
    fail = reject;
  });
  process.once('unhandledRejection', fail);
  try {
    return await Promise.race([doing, failing]);
  } finally {
    process.off('unhandledRejection', fail);
  }
}

class IndexUnreadable extends Error {}

/** An entry: a value as text, with its type, and the path of the item that has it. */
interface Entry {
  readonly value: string;
  readonly item: string;
}

class Comparison {
  readonly #modules: AceBaseModules;
  readonly #view: DatabaseView;
  readonly #index: StoredIndex;
  #missing: Entry[] = [];
  #extra: Entry[] = [];
  #missingCount = 0;
  #extraCount = 0;
  /** Values that the data, and the index, have at all. */
  readonly #values = { data: new Set<string>(), index: new Set<string>() };
  entries = 0;

  constructor(modules: AceBaseModules, view: DatabaseView, index: StoredIndex) {
    this.#modules = modules;
    this.#view = view;
    this.#index = index;
  }

  /** @returns false if that many parts are too few */
  async run(parts: number, partEntries: number): Promise<boolean> {
    this.#missing = [];
    this.#extra = [];
    this.#missingCount = 0;
    this.#extraCount = 0;
    for (let part = 0; part < parts; part++) {
      const isIn = (entry: string): boolean => parts === 1 || crc32(entry) % parts === part;
      if (!(await this.#part(isIn, partEntries))) return false;
    }
    return true;
  }

  result(): Pick<IndexReport, 'missing' | 'extra' | 'examples' | 'unsure'> {
    const { data, index } = this.#values;
    const isText = this.#index.type === 'fulltext';
    // Its settings are not in its file. They go by words: one that is left out, is left out everywhere.
    const sureMissing = isText ? this.#missing.filter(({ value }) => index.has(value)) : this.#missing;
    const sureExtra = isText ? this.#extra.filter(({ value }) => data.has(value)) : this.#extra;
    const unsure = this.#missing.length - sureMissing.length + this.#extra.length - sureExtra.length;
    const shown = ({ value, item }: Entry): string => `value ${value} → /${item}`;
    return {
      missing: isText ? sureMissing.length : this.#missingCount,
      extra: isText ? sureExtra.length : this.#extraCount,
      unsure,
      examples: {
        missing: sureMissing.slice(0, EXAMPLES).map(shown),
        extra: sureExtra.slice(0, EXAMPLES).map(shown),
      },
    };
  }

  async #part(isIn: (entry: string) => boolean, partEntries: number): Promise<boolean> {
    const expected = new Set<string>();
    let isTooMuch = false;
    await this.#expected((value, item) => {
      const entry = `${value}\0${item}`;
      if (isIn(entry) && !isTooMuch) expected.add(entry);
      isTooMuch = expected.size > partEntries;
      this.#note('data', value);
    });
    if (isTooMuch) return false;
    this.entries = 0;
    const seen = new Set<string>();
    await this.#found((value, item) => {
      const entry = `${value}\0${item}`;
      this.entries++;
      this.#note('index', value);
      if (!isIn(entry) || seen.has(entry)) return;
      if (expected.delete(entry)) seen.add(entry);
      else {
        this.#extraCount++;
        if (this.#extra.length < REMEMBERED) this.#extra.push({ value, item });
      }
    });
    this.#missingCount += expected.size;
    for (const entry of expected) {
      if (this.#missing.length >= REMEMBERED) break;
      const [value = '', item = ''] = entry.split('\0');
      this.#missing.push({ value, item });
    }
    return true;
  }

  #note(where: 'data' | 'index', value: string): void {
    if (this.#index.type === 'fulltext') this.#values[where].add(value);
  }

  /** What the file has. */
  async #found(each: (value: string, item: string) => void): Promise<void> {
    const { _fileName, path, trees } = this.#index;
    const file = openSync(_fileName, 'r');
    try {
      const readFn = (index: number, length: number): Promise<Buffer> => {
        const bytes = Buffer.alloc(length);
        const read = readSync(file, bytes, 0, length, trees.default.fileIndex + index);
        return Promise.resolve(bytes.subarray(0, read));
      };
      const { logger } = this.#view;
      const tree = new this.#modules.Tree({ readFn, chunkSize: CHUNK_BYTES, logger, id: _fileName });
      const seen = new Set<number>();
      let leaf = await tree.getFirstLeaf();
      while (leaf) {
        if (seen.has(leaf.index)) throw new Error('its leaves lead to each other in a circle');
        seen.add(leaf.index);
        if (leaf.hasExtData && !leaf.extData.loaded) await leaf.extData.load();
        const [first] = leaf.entries;
        if (
          first !== undefined &&
          first.key !== undefined &&
          (await tree.findLeaf(first.key))?.index !== leaf.index
        )
          throw new Error(`a search for ${textOf(first.key)} does not lead to where that is`);
        for (const { key, values } of leaf.entries) {
          // Items without a value are in an index only if they were there when it was made.
          if (key === undefined) continue;
          const value = textOf(key);
          for (const { recordPointer } of values) each(value, itemOf(path, recordPointer));
        }
        leaf = (await leaf.getNext?.()) ?? null;
        await whatIsDue();
      }
    } catch (error) {
      throw new IndexUnreadable(messageOf(error));
    } finally {
      closeSync(file);
    }
  }

  /** What it would have if it was made now. */
  async #expected(each: (value: string, item: string) => void): Promise<void> {
    const index = this.#index;
    const options = await this.#buildOptions();
    const { valueTypes = INDEXABLE, addCallback } = options;
    await this.#items('', this.#modules.pathKeys(index.path), async (item, key) => {
      const { value, locale } =
        index.key === '{key}' ? { value: key, locale: index.textLocale } : await this.#valueOf(item);
      if (value === undefined || value === null || !valueTypes.includes(this.#modules.valueTypeOf(value)))
        return;
      const add = (made: unknown, _item: string): void => {
        // Geo indexes get none of what is no place.
        if (made === undefined || made === null) return;
        each(textOf(typeof made === 'string' ? this.#stored(made, locale) : made), asStored(item));
      };
      if (addCallback === undefined) add(value, item);
      else addCallback(add, value, item, {}, { path: item, key, locale });
    });
  }

  #stored(text: string, locale: string): string {
    const cut = text.slice(0, LONGEST_TEXT);
    return this.#index.caseSensitive ? cut : cut.toLocaleLowerCase(locale);
  }

  /** Calls for each item that may be in the index: an object. */
  async #items(
    path: string,
    keys: readonly (string | number)[],
    each: (item: string, key: string | number) => Promise<void>,
  ): Promise<void> {
    const wild = keys.indexOf('*');
    const fixed = wild < 0 ? keys : keys.slice(0, wild);
    const parent = fixed.reduce<string>(childPath, path);
    const children: (string | number)[] = [];
    await this.#view.getChildren(parent).next(({ key, index, address, type }) => {
      const name = index ?? key;
      if (address && type === OBJECT && name !== undefined) children.push(name);
    });
    for (const child of children) {
      const item = childPath(parent, child);
      if (wild < 0) await each(item, child);
      else await this.#items(item, keys.slice(wild + 1), each);
    }
  }

  async #valueOf(item: string): Promise<{ value: unknown; locale: string }> {
    const { key, textLocaleKey, textLocale } = this.#index;
    const include = textLocaleKey === undefined ? [key] : [key, textLocaleKey];
    const { value } = await this.#view.getNode(item, { include });
    const at = (path: string): unknown =>
      this.#modules
        .pathKeys(path)
        .reduce<unknown>(
          (found, part) =>
            typeof found === 'object' && found !== null ? Reflect.get(found, part) : undefined,
          value,
        );
    const locale = textLocaleKey === undefined ? undefined : at(textLocaleKey);
    return { value: at(key), locale: typeof locale === 'string' ? locale : textLocale };
  }

  /** How this kind of index makes entries: it says so to the class that all kinds go by. */
  async #buildOptions(): Promise<BuildOptions> {
    const { prototype, KnownIndexTypes } = this.#modules.DataIndex;
    const { path, key, type } = this.#index;
    const Index = KnownIndexTypes[type];
    if (type === 'normal' || Index === undefined) return {};
    const { build } = prototype;
    let options: BuildOptions = {};
    prototype.build = (given = {}) => {
      options = given;
      return Promise.resolve();
    };
    try {
      const { textLocale, caseSensitive } = this.#index;
      await new Index(this.#view, path, key, { textLocale, caseSensitive }).build();
    } finally {
      prototype.build = build;
    }
    return options;
  }
}

/** A value of an index as text: AceBase takes dates for their numbers. */
function textOf(value: unknown): string {
  if (value instanceof Date) return String(value.getTime());
  if (typeof value === 'bigint') return `${value}n`;
  return typeof value === 'string' ? JSON.stringify(value) : String(value);
}

/** Indexes have the lower byte of each character of a path. */
function asStored(item: string): string {
  return Buffer.from(item, 'latin1').toString('latin1');
}

/** As AceBase has it. */
function childPath(path: string, key: string | number): string {
  if (typeof key === 'number') return `${path}[${key}]`;
  return path === '' ? key : `${path}/${key}`;
}

/** The path of the item of an entry: the values of the wildcards (a length and bytes each), and its key. */
function itemOf(path: string, pointer: ArrayLike<number>): string {
  const bytes = Buffer.from(pointer);
  let at = 1;
  const next = (): string => {
    const length = bytes[at] ?? 0;
    const text = bytes.toString('latin1', at + 1, at + 1 + length);
    at += 1 + length;
    return text;
  };
  const wildcards = Array.from({ length: bytes[0] ?? 0 }, next);
  const key = next();
  const parent = path.replace(/\*/g, () => wildcards.shift() ?? '*');
  return /^\[\d+\]$/.test(key) ? parent + key : childPath(parent, key);
}
