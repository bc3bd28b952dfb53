/**
 * Who is there, as the server tells it (docs/PROTOCOL.md, section 8). Stock clients never introduce themselves; a
 * `hello` in another peer's name, with no `to`, makes the receiver answer with a `hello` and all its subscriptions.
 * Sent both ways on each arrival it brings every pair together, whatever the order of starting up.
 */

import { encode } from '../../protocol/frames.js';
import { MAX_ANNOUNCEMENT_BYTES, MAX_REPLAYED_KEYS } from '../limits.js';

/** A `hello` in the name of that peer [PROTOCOL-8.1]. */
export function helloFrom(id: string): Uint8Array {
  return encode(JSON.stringify({ type: 'hello', from: id }));
}

/** A key that the master announced, and its message. */
export interface Announcement {
  readonly key: string;
  readonly message: Uint8Array;
}

/** The keys that the master announced, for those who were not there or had not opened the file [PROTOCOL-8.3]. */
export class AnnouncedKeys {
  readonly #announcements = new Map<number, Announcement>();
  /** The highest index that was announced. */
  highestIndex = -1;

  /** A `kit.new_key` for that index of the key table. A later one for the same index replaces it. */
  remember(index: number, key: string, announcement: Uint8Array): void {
    this.highestIndex = Math.max(this.highestIndex, index);
    if (announcement.length > MAX_ANNOUNCEMENT_BYTES) return;
    if (this.#announcements.size >= MAX_REPLAYED_KEYS && !this.#announcements.has(index)) return;
    this.#announcements.set(index, { key, message: new Uint8Array(announcement) });
  }

  /** Whether it was announced that this index stands for that key. */
  isAnnounced(index: number, key: string): boolean {
    return this.#announcements.get(index)?.key === key;
  }

  /** The announcements, in the order in which their indexes were first announced. */
  all(): Iterable<Announcement> {
    return this.#announcements.values();
  }

  get size(): number {
    return this.#announcements.size;
  }
}
