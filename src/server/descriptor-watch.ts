import type { Cancel, Clock, Logger } from '../broker/ports.js';
import type { Descriptors } from '../platform/descriptors.js';

/** How many descriptors are kept free of connections, for files, answers to those who are turned away, and the rest of the process. */
const RESERVE = 64;

/** But no more than this share of a low limit. */
const RESERVE_SHARE = 1 / 8;

/** How often it is looked whether something else in this process takes the reserve, in milliseconds. */
const INTERVAL_MS = 5_000;

/** How often that is logged while it lasts, in milliseconds. */
const REPEAT_MS = 60_000;

/** What it works with. */
export interface DescriptorWatchSettings {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly descriptors: Descriptors;
}

/**
 * Sees to it that connections are refused by the server, with a reason, before the system does so: libuv then accepts and closes
 * them at once, and tells nobody.
 */
export class DescriptorWatch {
  readonly #settings: DescriptorWatchSettings;
  readonly #limit: number;
  readonly #reserve: number;
  #cancel: Cancel | undefined;
  #warnedAt = Number.NEGATIVE_INFINITY;

  constructor(settings: DescriptorWatchSettings) {
    this.#settings = settings;
    this.#limit = settings.descriptors.limit ?? Number.POSITIVE_INFINITY;
    this.#reserve = Math.min(RESERVE, Math.floor(this.#limit * RESERVE_SHARE));
  }

  /** How much room there is for a connection that was just accepted: none, only to tell it so, or enough. */
  get room(): 'none' | 'for an answer' | 'enough' {
    const free = this.#limit - this.#settings.descriptors.used();
    if (free >= this.#reserve) return 'enough';
    return free * 2 >= this.#reserve ? 'for an answer' : 'none';
  }

  /** For people: how many there are, and may be; `null` where that is not known. */
  get report(): { readonly used: number; readonly limit: number } | null {
    const { limit, used } = this.#settings.descriptors;
    return limit === undefined ? null : { used: used(), limit };
  }

  /** Warns of a limit that connections will meet before `maxConnections`, and begins to look. */
  start(maxConnections: number): void {
    if (this.#limit === Number.POSITIVE_INFINITY) return;
    if (this.#limit < maxConnections) {
      this.#settings.logger.warn(
        { limit: this.#limit, maxConnections },
        'this process may open fewer files than maxConnections, and each connection is one: raise the limit (ulimit -n, LimitNOFILE) or lower maxConnections',
      );
    }
    this.#look();
  }

  /** Ends looking. */
  stop(): void {
    this.#cancel?.();
  }

  #look(): void {
    this.#cancel = this.#settings.clock.schedule(INTERVAL_MS, () => {
      const now = this.#settings.clock.now();
      if (this.room === 'none' && now - this.#warnedAt >= REPEAT_MS) {
        this.#warnedAt = now;
        this.#settings.logger.warn(
          { used: this.#settings.descriptors.used(), limit: this.#limit },
          'hardly any file descriptors are left, and connections are refused: raise the limit (ulimit -n, LimitNOFILE), or find out what has so many files open',
        );
      }
      this.#look();
    });
  }
}
