import type { Cancel, Clock } from './ports.js';

/** Milliseconds for which it waits for what comes next, at most. */
export const CACHE_NEWS_MS = 10;

/** The most that is said at one time. */
const MOST = 200;

/** What it works with. */
export interface CacheNewsSettings {
  readonly clock: Pick<Clock, 'schedule'>;
  /** Whether all others that are there understand it. */
  isUnderstood(): boolean;
  /** Sends what was gathered: notifications, each as JSON. @param canWait whether another message follows at once */
  send(news: readonly string[], canWait: boolean): void;
}

/**
 * A transaction says of each record that it writes what others are to forget of it or to know. Nobody needs that before he is granted a lock,
 * which comes behind it: so it is said together, with what is said next (docs/PROTOCOL.md, section 15.7).
 */
export class CacheNews {
  readonly #settings: CacheNewsSettings;
  #news: string[] = [];
  #cancelWait: Cancel | undefined;

  constructor(settings: CacheNewsSettings) {
    this.#settings = settings;
  }

  /** Takes a notification of this kind, as JSON. @returns false if it is to be sent by itself */
  take(notification: string): boolean {
    if (!this.#settings.isUnderstood()) return false;
    this.#news.push(notification);
    if (this.#news.length >= MOST) this.flush();
    else this.#cancelWait ??= this.#settings.clock.schedule(CACHE_NEWS_MS, () => this.flush());
    return true;
  }

  /** Says what was gathered. @param canWait whether another message follows at once */
  flush(canWait = false): void {
    const news = this.#news;
    this.clear();
    if (news.length > 0) this.#settings.send(news, canWait);
  }

  /** Nobody needs it any more. */
  clear(): void {
    this.#cancelWait?.();
    this.#cancelWait = undefined;
    this.#news = [];
  }
}
