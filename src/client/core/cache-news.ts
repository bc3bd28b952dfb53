import type { Cancel, Clock } from './ports.js';

/** Milliseconds for which it waits for what comes next, at most. */
export const CACHE_NEWS_MS = 10;

/** UTF-16 units of what is said at one time, at most. */
export const MAX_CACHE_NEWS_UNITS = 32_768;

/** What stands around them. */
const FRAME_UNITS = 128;

/** What it works with. */
export interface CacheNewsSettings {
  readonly clock: Pick<Clock, 'schedule'>;
  /** Whether all others that are there understand it. */
  isUnderstood(): boolean;
  /** The units of a message that need not go another way, at most. */
  longest(): number;
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
  #units = 0;
  #cancelWait: Cancel | undefined;

  constructor(settings: CacheNewsSettings) {
    this.#settings = settings;
  }

  /** Takes a notification of this kind, as JSON. @returns false if it is to be sent by itself */
  take(notification: string): boolean {
    // What is long goes by itself, and behind a long message others may overtake it.
    const most = Math.min(this.#settings.longest(), MAX_CACHE_NEWS_UNITS) - FRAME_UNITS;
    if (!this.#settings.isUnderstood() || notification.length > most) return false;
    if (this.#units + notification.length > most) this.flush();
    this.#news.push(notification);
    this.#units += notification.length + 1;
    this.#cancelWait ??= this.#settings.clock.schedule(CACHE_NEWS_MS, () => this.flush());
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
    this.#units = 0;
  }
}
