/** Where a path is in a {@link PathIndex}: below the place of its parent. */
export interface Place<T> {
  /** The last key of the path. */
  readonly key: string;
  readonly parent: Place<T> | undefined;
  /** By key; `undefined` if there are none. */
  children: Map<string, Place<T>> | undefined;
  /** What is kept for this very path: one item, mostly. */
  items: readonly T[];
}

const NONE: readonly never[] = [];

/**
 * Items by path, as a tree of keys: whatever is below a path is found without a look at anything else. `list[3]` and `list/3`
 * are the same place: AceBase may name one and the same node either way.
 */
export class PathIndex<T> {
  readonly #root: Place<T> = newPlace<T>('', undefined);
  #size = 0;

  /** How many places it has, without the root. */
  get size(): number {
    return this.#size;
  }

  /** @returns the place, for {@link PathIndex.remove} */
  add(path: string, item: T): Place<T> {
    let place = this.#root;
    for (const key of keysOf(path)) place = place.children?.get(key) ?? this.#addChild(place, key);
    // Room for one: an array that grows takes room for many.
    place.items = place.items.length === 0 ? [item] : place.items.concat(item);
    return place;
  }

  /** Takes an item out that is there, and the places that lead to nothing then. */
  remove(place: Place<T>, item: T): void {
    place.items = place.items.length === 1 ? NONE : place.items.filter((other) => other !== item);
    let empty = place;
    while (empty.parent !== undefined && empty.items.length === 0 && empty.children === undefined) {
      const { key, parent } = empty;
      parent.children?.delete(key);
      if (parent.children?.size === 0) parent.children = undefined;
      this.#size--;
      empty = parent;
    }
  }

  /** The place of a path; `undefined` if nothing is kept for it, nor below it. */
  at(path: string): Place<T> | undefined {
    let place: Place<T> | undefined = this.#root;
    for (const key of keysOf(path)) {
      place = place.children?.get(key);
      if (place === undefined) return undefined;
    }
    return place;
  }

  #addChild(parent: Place<T>, key: string): Place<T> {
    const place = newPlace(key, parent);
    parent.children ??= new Map();
    parent.children.set(key, place);
    this.#size++;
    return place;
  }
}

/** What is kept at this place, and below it. */
export function itemsFrom<T>(place: Place<T>): T[] {
  const items: T[] = [];
  const places = [place];
  for (let next = places.pop(); next !== undefined; next = places.pop()) {
    for (const item of next.items) items.push(item);
    for (const child of next.children?.values() ?? []) places.push(child);
  }
  return items;
}

/** What is kept below this place. */
export function itemsBelow<T>({ children }: Place<T>): T[] {
  return [...(children?.values() ?? [])].flatMap((child) => itemsFrom(child));
}

function newPlace<T>(key: string, parent: Place<T> | undefined): Place<T> {
  return { key, parent, children: undefined, items: NONE };
}

/** The keys of a path, from the root. No key has a slash or a bracket in it. */
function keysOf(path: string): readonly string[] {
  return path.match(/[^/[\]]+/g) ?? [];
}
