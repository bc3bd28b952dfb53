import type { Peer } from './peers/peer.js';

/** A peer, and how much memory it takes. */
export interface User {
  readonly peer: Peer;
  readonly bytes: number;
}

/** What a database is asked for its {@link Usage}. */
export interface Used {
  /** Bytes that are kept, all together. */
  readonly keptBytes: number;
  /** How many bytes came to it. */
  readonly received: Pick<ReceivedBytes, 'since'>;
  /** Its peers, with what they take, those first that take most. @param own what counts of a peer's own */
  users(own: (peer: Peer) => number): readonly User[];
  /** What is kept on account of a peer, in bytes. */
  keptFor(peer: Peer): number;
}

/**
 * What one database uses of `maxTotalBuffered`, and what is left of that when its largest users are cut off one after the other. Each
 * peer is looked at once, when it is made.
 *
 * What waits for a line counts for each peer. What was written and is not confirmed is the same memory for all receivers of a
 * broadcast: it counts for each of them as well, but all together no more than what has come since the first message that one of them has
 * not confirmed.
 */
export class Usage<Database extends Used = Used> {
  readonly database: Database;
  /** The largest one last; with the least number of frames before what it, or one before it, has not confirmed. */
  readonly #users: (User & { readonly since: number })[] = [];
  #keptAndWaiting: number;
  #unconfirmed = 0;

  constructor(database: Database) {
    this.database = database;
    this.#keptAndWaiting = database.keptBytes;
    let since = Number.POSITIVE_INFINITY;
    for (const user of database.users(({ outbox }) => outbox.bytes).toReversed()) {
      const { outbox } = user.peer;
      this.#keptAndWaiting += outbox.lineBytes;
      this.#unconfirmed += outbox.unconfirmedBytes;
      since = Math.min(since, outbox.unconfirmedSince);
      this.#users.push({ ...user, since });
    }
  }

  /** Those that were not taken out. */
  get bytes(): number {
    const since = this.#users.at(-1)?.since ?? Number.POSITIVE_INFINITY;
    return this.#keptAndWaiting + Math.min(this.#unconfirmed, this.database.received.since(since));
  }

  /** Takes the largest user out, as if it were cut off. @returns `undefined` if there is none */
  takeLargest(): User | undefined {
    const user = this.#users.pop();
    if (user === undefined) return undefined;
    const { peer } = user;
    this.#keptAndWaiting -= peer.outbox.lineBytes + this.database.keptFor(peer);
    this.#unconfirmed -= peer.outbox.unconfirmedBytes;
    return user;
  }
}

/** Parts of `maxTotalBuffered` in which it is known when they came. */
const PARTS = 1_024;

/** How many of them are remembered: twice as much as may wait. */
const MAX_MARKS = 2 * PARTS;

/** How many bytes came to a database since any of the last frames, up to a 1,024th of `maxTotalBuffered` more. */
export class ReceivedBytes {
  readonly #part: number;
  #bytes = 0;
  /** How many frames had come, and how many bytes, at times; the last ones last. */
  #marks = [{ frames: Number.NEGATIVE_INFINITY, bytes: 0 }];
  #next: number;

  /** @param total `maxTotalBuffered` */
  constructor(total: number) {
    this.#part = total / PARTS;
    this.#next = this.#part;
  }

  /** A frame came. @param frames how many have come, with this one */
  add(bytes: number, frames: number): void {
    this.#bytes += bytes;
    if (this.#bytes >= this.#next) this.#mark(frames);
  }

  /** The bytes that came behind so many frames; infinite if that is too long ago. */
  since(frames: number): number {
    const mark = this.#marks.findLast((each) => each.frames <= frames);
    return mark === undefined ? Number.POSITIVE_INFINITY : this.#bytes - mark.bytes;
  }

  #mark(frames: number): void {
    this.#next = this.#bytes + this.#part;
    this.#marks.push({ frames, bytes: this.#bytes });
    // Seldom, and many at once.
    if (this.#marks.length > 2 * MAX_MARKS) this.#marks = this.#marks.slice(-MAX_MARKS);
  }
}
