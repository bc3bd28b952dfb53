/** What is done to a database while it crashes, and what must be in it then. */

import { Random } from '../torture/random.js';

/** JSON, as far as it is used here. */
export type Value = string | number | readonly Value[] | { readonly [key: string]: Value };
type Tree = { readonly [key: string]: Value };

/** The indexes that are made. */
export const INDEXES = {
  n: { type: 'normal' },
  tags: { type: 'array' },
  text: { type: 'fulltext' },
  place: { type: 'geo' },
} as const;

/** The key of an index on {@link INDEXED}. */
export type IndexKey = keyof typeof INDEXES;

/** The path whose children are indexed. */
export const INDEXED = 'items';

/** What is done. */
export type Operation =
  | { readonly kind: 'set'; readonly path: string; readonly value: Value }
  | { readonly kind: 'update'; readonly path: string; readonly value: Tree }
  | { readonly kind: 'remove'; readonly path: string }
  | { readonly kind: 'add'; readonly path: string; readonly increment: number }
  /** Not all or nothing: AceBase writes it piece by piece. */
  | { readonly kind: 'import'; readonly path: string; readonly value: Tree }
  | { readonly kind: 'index'; readonly key: IndexKey };

export const WORDS = ['alder', 'birch', 'hazel', 'larch', 'rowan', 'walnut'] as const;
export const TAGS = ['red', 'green', 'blue', 'white', 'black'] as const;

/** A place, in degrees. */
export interface Place {
  readonly lat: number;
  readonly long: number;
}

/** So far from each other that no search for one finds another. */
export const PLACES: readonly [Place, ...Place[]] = [
  { lat: 52.3, long: 4.9 },
  { lat: 40.7, long: -74.1 },
  { lat: -33.9, long: 151.2 },
  { lat: 35.7, long: 139.7 },
];

const ITEMS = 60;
const LEAVES = 400;
const DOCUMENTS = 12;
const COUNTERS = 5;

/** How often each kind of operation comes. */
const WEIGHTS = [
  ['item', 26],
  ['fields', 14],
  ['leaf', 18],
  ['leaves', 6],
  ['document', 12],
  ['removal', 12],
  ['counter', 6],
  ['key', 4],
  ['import', 1],
] as const;

type Kind = (typeof WEIGHTS)[number][0];

/** Each kind as often as it comes. */
const KINDS = WEIGHTS.flatMap(([kind, weight]) => Array<Kind>(weight).fill(kind)) as [Kind, ...Kind[]];

/**
 * The operations of a seed, as many as `count`: small and large values, updates of several keys, removals, a tree that splits, keys that the table does not
 * know, a root that moves, indexes of each kind made before and during, transactions, imports.
 */
export function* workload(seed: number, count: number): Generator<Operation, void> {
  const random = new Random(seed);
  const made = new Made(random);
  const indexes = new Map<number, IndexKey>([
    [0, 'n'],
    [1, 'tags'],
    [Math.floor(count / 3), 'text'],
    [Math.floor(count / 2), 'place'],
  ]);
  for (let index = 0; index < count; index++) {
    const key = indexes.get(index);
    yield key === undefined ? made.next() : { kind: 'index', key };
  }
}

/** What is in a database after an operation that was carried out. */
export function applied(tree: Tree, operation: Operation): Tree {
  switch (operation.kind) {
    case 'set':
    case 'import':
      return withValue(tree, operation.path.split('/'), () => operation.value);
    case 'update':
      return withValue(tree, operation.path.split('/'), (before) => ({
        ...(before as Tree | undefined),
        ...operation.value,
      }));
    case 'remove':
      return withValue(tree, operation.path.split('/'), () => undefined);
    case 'add':
      return withValue(
        tree,
        operation.path.split('/'),
        (before) => ((before as number) ?? 0) + operation.increment,
      );
    case 'index':
      return tree;
  }
}

function withValue(
  tree: Tree,
  [key = '', ...rest]: readonly string[],
  change: (before: Value | undefined) => Value | undefined,
): Tree {
  const before = tree[key];
  const after = rest.length === 0 ? change(before) : withValue((before ?? {}) as Tree, rest, change);
  const { [key]: _, ...others } = tree;
  return after === undefined ? others : { ...others, [key]: after };
}

/** Draws operations that fit to what is there. */
class Made {
  readonly #random: Random;
  readonly #paths = new Set<string>();
  #keys = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  next(): Operation {
    const random = this.#random;
    const kind = random.pick(KINDS);
    switch (kind) {
      case 'item':
        return this.#set(`${INDEXED}/item${random.below(ITEMS)}`, this.#item());
      case 'fields':
        return this.#updateItem();
      case 'leaf':
        return this.#set(`tree/leaf${random.below(LEAVES)}`, this.#text(1 + random.below(60)));
      case 'leaves':
        return { kind: 'update', path: 'tree', value: this.#leaves() };
      case 'document':
        return this.#set(`documents/document${random.below(DOCUMENTS)}`, this.#document());
      case 'removal':
        return this.#remove();
      case 'counter':
        return {
          kind: 'add',
          path: `counters/counter${random.below(COUNTERS)}`,
          increment: 1 + random.below(9),
        };
      case 'key':
        this.#keys += 1;
        return this.#set(`keys/key${this.#keys}`, { [`field${this.#keys}`]: this.#text(70), x: this.#keys });
      case 'import':
        return { kind: 'import', path: `imports/import${this.#keys++}`, value: this.#leaves() };
    }
  }

  #set(path: string, value: Value): Operation {
    this.#paths.add(path);
    return { kind: 'set', path, value };
  }

  #updateItem(): Operation {
    const item = this.#item();
    const names = Object.keys(item).filter(() => this.#random.chance(0.5));
    const value = Object.fromEntries(names.map((name) => [name, item[name] as Value]));
    const path = `${INDEXED}/item${this.#random.below(ITEMS)}`;
    this.#paths.add(path);
    return { kind: 'update', path, value: { ...value, n: item['n'] as Value } };
  }

  /** Never the last one below its parent: whether an empty object is left in its place is AceBase's affair. */
  #remove(): Operation {
    const paths = [...this.#paths];
    const path = paths[this.#random.below(paths.length)];
    const parent = path?.split('/')[0];
    if (path === undefined || paths.filter((other) => other.startsWith(`${parent}/`)).length < 2) {
      return this.#set(`tree/leaf${this.#random.below(LEAVES)}`, this.#text(10));
    }
    this.#paths.delete(path);
    return { kind: 'remove', path };
  }

  #item(): Tree {
    const random = this.#random;
    const words = WORDS.filter(() => random.chance(0.4)).join(' ');
    return {
      n: random.below(12),
      tags: [...new Set([random.pick(TAGS), random.pick(TAGS), random.pick(TAGS)])],
      text: `${words} oak`,
      place: { ...random.pick(PLACES) },
      note: this.#text(random.below(200) + 1),
    };
  }

  #leaves(): Tree {
    const names = Array.from(
      { length: 2 + this.#random.below(12) },
      () => `leaf${this.#random.below(LEAVES)}`,
    );
    return Object.fromEntries(names.map((name) => [name, this.#text(1 + this.#random.below(90))]));
  }

  /** Of one record or many. */
  #document(): Value {
    return this.#text(200 + this.#random.below(this.#random.chance(0.2) ? 60_000 : 3_000));
  }

  #text(length: number): string {
    const word = this.#random.pick(WORDS);
    return `${word}-${this.#random.below(1_000_000)} `.repeat(Math.ceil(length / 12)).slice(0, length);
  }
}
