/**
 * AceBase keeps the results of index queries for a minute, and forgets them _before_ it changes the index. A query that
 * runs meanwhile puts the old result back, and it stays. So they are forgotten again afterwards, here and, told by the
 * master, in every process; and what a query has read across a change is not kept. Nor is what was kept used by a process that others do
 * not wait for any more.
 */

import { basename } from 'node:path';
import type { Index, Storage } from '../../acebase.js';
import { whenAssigned } from '../when-assigned.js';

/** An index with its cache, as AceBase has it. */
export interface CachingIndex extends Index {
  readonly storage: Storage;
  readonly _cache: Map<unknown, unknown>;
}

type Method = (this: CachingIndex, ...rest: unknown[]) => unknown;

/** The methods of an index that are looked at. */
export interface IndexMethods {
  handleRecordUpdate: Method;
  _processUpdateQueue: Method;
  query: Method;
  count?: Method;
  take?: Method;
  /** Keeps results, or gives those that it has. */
  cache(this: CachingIndex, operator: unknown, parameter: unknown, results?: unknown): unknown;
}

/** What looks into the index, and keeps what it finds. */
const QUERIES = ['query', 'count', 'take'] as const;

/** What queries are repaired with. */
export interface QueryCacheSettings {
  /** Is told of each change that this process made to an index. */
  changed(storage: Storage, file: string): void;
  /** Runs a query as one that sees the index as it is at one time. */
  whole(index: CachingIndex, run: (index: CachingIndex) => unknown): Promise<unknown>;
  /** Whether what this process remembers of that database is what the others have left. */
  isCurrent(storage: Storage): boolean;
}

/** How often each index was changed. */
const changes = new WeakMap<object, number>();

/**
 * Puts the repair into a class of indexes, and into those that are derived from it: each kind of index has a query of its own, which keeps what it has found
 * last.
 *
 * @returns undoes it
 */
export function repairQueryCaches(
  methods: IndexMethods,
  { changed, whole, isCurrent }: QueryCacheSettings,
): () => void {
  const known = new Set<object>([methods]);
  const { cache } = methods;
  const asked = (index: CachingIndex, run: (index: CachingIndex) => unknown): Promise<unknown> =>
    keepNothingAcrossChanges(index, () => whole(index, run));
  const repairKindsOf = (index: object): void => {
    // Of what stands for an index, too.
    let kind = index.constructor.prototype as IndexMethods;
    for (; !known.has(kind); kind = Object.getPrototypeOf(kind) as IndexMethods) {
      known.add(kind);
      undo.push(...QUERIES.map((name) => wrap(kind, name, asked)));
    }
  };
  const undo = [
    ...(['handleRecordUpdate', '_processUpdateQueue'] as const).map((name) =>
      wrap(methods, name, async (index, run) => {
        const result = await run(index);
        forget(index);
        changed(index.storage, basename(index.fileName));
        return result;
      }),
    ),
    ...QUERIES.map((name) => wrap(methods, name, asked)),
    whenAssigned(methods, 'storage' satisfies keyof CachingIndex, repairKindsOf),
  ];
  methods.cache = function (operator, parameter, ...results) {
    // Of a kind that was there before.
    repairKindsOf(this);
    const isLookedFor = results[0] === undefined;
    return isLookedFor && !isCurrent(this.storage) ? null : cache.call(this, operator, parameter, ...results);
  };
  return () => {
    methods.cache = cache;
    for (const each of undo) each();
  };
}

async function keepNothingAcrossChanges(index: CachingIndex, run: () => unknown): Promise<unknown> {
  const before = changes.get(index);
  const result = await run();
  if (changes.get(index) !== before) index._cache.clear();
  return result;
}

/** Forgets what was read of these index files, named without their folder. */
export function forgetQueries(storage: Storage, files: readonly string[]): void {
  for (const index of storage.indexes.list()) {
    if (files.includes(basename(index.fileName))) forget(index as CachingIndex);
  }
}

function forget(index: CachingIndex): void {
  changes.set(index, (changes.get(index) ?? 0) + 1);
  index._cache.clear();
}

function wrap(
  methods: IndexMethods,
  name: keyof IndexMethods,
  around: (index: CachingIndex, run: (index: CachingIndex) => unknown) => Promise<unknown>,
): () => void {
  const original = methods[name];
  if (original === undefined || !Object.hasOwn(methods, name)) return () => undefined;
  methods[name] = function (this: CachingIndex, ...rest: unknown[]) {
    return around(this, (index) => original.apply(index, rest));
  };
  return () => {
    methods[name] = original;
  };
}
