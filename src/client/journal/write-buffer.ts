/** What is changed in a file at one place: as many bytes before as after. */
export interface Change {
  readonly position: number;
  readonly before: Uint8Array;
  readonly after: Uint8Array;
}

/** What was read is remembered up to this length, in bytes, and so many times: AceBase reads a node before it writes it. */
const REMEMBERED_BYTES = 64 * 1024;
const REMEMBERED_READS = 32;

/** A piece of the file. */
interface Piece {
  readonly position: number;
  readonly bytes: Uint8Array;
}

/** What one transaction writes to a file, held back until it is committed. */
export class WriteBuffer {
  /** In the order of their places; none overlaps another. */
  readonly #changes: { position: number; before: Uint8Array; after: Uint8Array }[] = [];
  readonly #reads: Piece[] = [];
  readonly #read: (position: number, bytes: Buffer) => void;

  /** @param read reads what the file has at a place; behind its end, there are zeros */
  constructor(read: (position: number, bytes: Buffer) => void) {
    this.#read = read;
  }

  /** Holds a write back. */
  write(position: number, bytes: Uint8Array): void {
    const end = position + bytes.length;
    let at = this.#firstBehind(position);
    let from = position;
    while (from < end) {
      const next = this.#changes[at];
      if (next !== undefined && next.position <= from) {
        const to = Math.min(end, next.position + next.after.length);
        next.after.set(bytes.subarray(from - position, to - position), from - next.position);
        from = to;
      } else {
        const to = Math.min(end, next?.position ?? end);
        const after = new Uint8Array(bytes.subarray(from - position, to - position));
        this.#changes.splice(at, 0, { position: from, before: this.#contentOf(from, to - from), after });
        from = to;
      }
      at += 1;
    }
  }

  /** What was read of the file becomes what is to be there. */
  overlay(position: number, bytes: Uint8Array): void {
    this.#remember(position, bytes);
    const end = position + bytes.length;
    for (let at = this.#firstBehind(position); at < this.#changes.length; at++) {
      const { position: from, after } = this.#changes[at] as Change;
      if (from >= end) return;
      copyOverlap({ position: from, bytes: after }, { position, bytes });
    }
  }

  /** Whether it is to become another one than it is. */
  get changesAnything(): boolean {
    return this.#changes.some(({ before, after }) => Buffer.compare(before, after) !== 0);
  }

  /** All changes, in the order of their places, each without what does not change at its ends. */
  changes(): Change[] {
    return this.#changes.flatMap(({ position, before, after }) => {
      const from = equalBytes(before, after);
      if (from === after.length) return [];
      const to = after.length - equalBytesAtEnd(before, after);
      return [
        { position: position + from, before: before.subarray(from, to), after: after.subarray(from, to) },
      ];
    });
  }

  /** The index of the first change that ends behind a place. */
  #firstBehind(position: number): number {
    let [low, high] = [0, this.#changes.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      const { position: from, after } = this.#changes[middle] as Change;
      if (from + after.length > position) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  #remember(position: number, bytes: Uint8Array): void {
    if (bytes.length > REMEMBERED_BYTES) return;
    if (this.#reads.length === REMEMBERED_READS) this.#reads.shift();
    this.#reads.push({ position, bytes: new Uint8Array(bytes) });
  }

  /** What the file has at a place: remembered, or read. */
  #contentOf(position: number, length: number): Uint8Array {
    const content = Buffer.alloc(length);
    let known = 0;
    for (const read of this.#reads) {
      if (read.position <= position + known && read.position + read.bytes.length > position + known) {
        copyOverlap(read, { position, bytes: content });
        known = Math.min(length, read.position + read.bytes.length - position);
      }
    }
    if (known < length) this.#read(position, content);
    return content;
  }
}

/** Bytes that are compared at one time. */
const COMPARED_BYTES = 512;

/** How many bytes two pieces of one length have in common, from the first. */
function equalBytes(one: Uint8Array, other: Uint8Array): number {
  const { length } = one;
  let at = 0;
  while (at < length && areSame(one, other, at, at + COMPARED_BYTES)) at += COMPARED_BYTES;
  while (at < length && one[at] === other[at]) at += 1;
  return Math.min(at, length);
}

/** The same, from the last. */
function equalBytesAtEnd(one: Uint8Array, other: Uint8Array): number {
  let to = one.length;
  while (to > 0 && areSame(one, other, Math.max(0, to - COMPARED_BYTES), to)) to -= COMPARED_BYTES;
  while (to > 0 && one[to - 1] === other[to - 1]) to -= 1;
  return one.length - Math.max(0, to);
}

function areSame(one: Uint8Array, other: Uint8Array, from: number, to: number): boolean {
  return Buffer.compare(one.subarray(from, to), other.subarray(from, to)) === 0;
}

/** Copies what one piece has of another one. */
function copyOverlap(from: Piece, to: Piece): void {
  const begin = Math.max(from.position, to.position);
  const end = Math.min(from.position + from.bytes.length, to.position + to.bytes.length);
  if (begin >= end) return;
  to.bytes.set(from.bytes.subarray(begin - from.position, end - from.position), begin - to.position);
}
