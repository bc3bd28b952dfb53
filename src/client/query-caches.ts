/**
 * AceBase keeps the results of index queries for a minute, and forgets them _before_ it changes the index. A query that
 * runs meanwhile puts the old result back, and it stays. So they are forgotten again afterwards, here and, told by the
 * master, in every process; and what a query has read across a change is not kept.
 */

import { basename } from 'node:path';
import type { Index, Storage } from './acebase.js';

/** An index with its cache, as AceBase has it. */
interface CachingIndex extends Index {
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
}

/** How often each index was changed. */
const changes = new WeakMap<object, number>();

/**
 * Puts the repair into a class of indexes.
 *
 * @param changed is told of each change that this process made to an index
 * @returns undoes it
 */
export function repairQueryCaches(
  methods: IndexMethods,
  changed: (storage: Storage, file: string) => void,
): () => void {
  const undo = [
    ...(['handleRecordUpdate', '_processUpdateQueue'] as const).map((name) =>
      wrap(methods, name, async (index, run) => {
        const result = await run();
        forget(index);
        changed(index.storage, basename(index.fileName));
        return result;
      }),
    ),
    ...(['query', 'count', 'take'] as const).map((name) =>
      wrap(methods, name, async (index, run) => {
        const before = changes.get(index);
        const result = await run();
        if (changes.get(index) !== before) index._cache.clear();
        return result;
      }),
    ),
  ];
  return () => {
    for (const each of undo) each();
  };
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
  around: (index: CachingIndex, run: () => unknown) => Promise<unknown>,
): () => void {
  const original = methods[name];
  if (original === undefined || !Object.hasOwn(methods, name)) return () => undefined;
  methods[name] = function (this: CachingIndex, ...rest: unknown[]) {
    return around(this, () => original.apply(this, rest));
  };
  return () => {
    methods[name] = original;
  };
}
