/** An item's place in a {@link LinkedQueue}. */
export interface QueuePlace<T> {
  readonly item: T;
  previous: QueuePlace<T> | undefined;
  next: QueuePlace<T> | undefined;
  queue: LinkedQueue<T> | undefined;
}

/**
 * A first-in first-out queue from whose middle an item is taken in O(1). A `Set` would do that, too, but finding its first
 * item takes time in proportion to those that were taken out before.
 */
export class LinkedQueue<T> {
  #first: QueuePlace<T> | undefined;
  #last: QueuePlace<T> | undefined;
  #size = 0;

  /** How many items it holds. */
  get size(): number {
    return this.#size;
  }

  /** The item at the head: the one that has been here for longest, unless another one was put in front of it. */
  get first(): T | undefined {
    return this.#first?.item;
  }

  /** Adds an item behind all others. @returns its place, for {@link LinkedQueue.remove} */
  push(item: T): QueuePlace<T> {
    const place: QueuePlace<T> = { item, previous: undefined, next: undefined, queue: undefined };
    this.#append(place);
    return place;
  }

  /** Adds an item in front of all others. @returns its place */
  pushFirst(item: T): QueuePlace<T> {
    const place: QueuePlace<T> = { item, previous: undefined, next: this.#first, queue: this };
    if (this.#first === undefined) this.#last = place;
    else this.#first.previous = place;
    this.#first = place;
    this.#size++;
    return place;
  }

  /** Puts an item that is here behind all others, as if it had just been added. */
  moveToEnd(place: QueuePlace<T>): void {
    if (place.queue !== this || place === this.#last) return;
    this.remove(place);
    this.#append(place);
  }

  /** Takes an item out; does nothing if it is not here any more. */
  remove(place: QueuePlace<T>): void {
    if (place.queue !== this) return;
    const { previous, next } = place;
    if (previous === undefined) this.#first = next;
    else previous.next = next;
    if (next === undefined) this.#last = previous;
    else next.previous = previous;
    place.queue = undefined;
    place.previous = undefined;
    place.next = undefined;
    this.#size--;
  }

  /** All items, in order. The one at hand may be taken out meanwhile. */
  *[Symbol.iterator](): Iterator<T> {
    let place = this.#first;
    while (place !== undefined) {
      const { next, item } = place;
      yield item;
      place = next;
    }
  }

  #append(place: QueuePlace<T>): void {
    place.queue = this;
    place.previous = this.#last;
    if (this.#last === undefined) this.#first = place;
    else this.#last.next = place;
    this.#last = place;
    this.#size++;
  }
}
