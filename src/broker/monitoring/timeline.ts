import { MAX_TIMELINE_ENTRIES } from '../limits.js';

/**
 * What happened to a database: somebody `came`, is `away` (lost its line, and may come back), `went`, or was `refused`;
 * locks were `recovered`; a peer is `slow`; the `master` may work, or must not; or another `warning`.
 */
export type TimelineKind = 'came' | 'away' | 'went' | 'refused' | 'recovered' | 'slow' | 'master' | 'warning';

/** One thing that happened. */
export interface TimelineEntry {
  /** When: milliseconds since 1970. */
  readonly at: number;
  readonly kind: TimelineKind;
  /** The id of the peer that it happened to; `null` if it was none, or is not known. */
  readonly peer: string | null;
  /** In plain words. */
  readonly message: string;
}

interface Kept extends TimelineEntry {
  /** How often it happened in a row. */
  readonly count: number;
}

/** The kinds that clients cause again and again while something is wrong: each stands there once, with a number. */
const REPEATING: ReadonlySet<TimelineKind> = new Set(['refused', 'warning', 'slow']);

/** The last things that happened to one database, for people to read. */
export class Timeline {
  #entries: Kept[] = [];

  /** The entries, the newest last. */
  get entries(): readonly TimelineEntry[] {
    return this.#entries.map(({ at, kind, peer, message, count }) => {
      return { at, kind, peer, message: count === 1 ? message : `${message} (${count} times)` };
    });
  }

  /** Something happened. Beyond {@link MAX_TIMELINE_ENTRIES}, the oldest is forgotten. */
  add({ at, kind, peer, message }: TimelineEntry): void {
    let count = 1;
    if (REPEATING.has(kind)) {
      const isSame = (entry: Kept): boolean =>
        entry.kind === kind && entry.peer === peer && entry.message === message;
      const last = this.#entries.find(isSame);
      count += last?.count ?? 0;
      if (last !== undefined) this.#entries = this.#entries.filter((entry) => entry !== last);
    }
    this.#entries.push({ at, kind, peer, message, count });
    if (this.#entries.length > MAX_TIMELINE_ENTRIES) this.#entries.shift();
  }
}
