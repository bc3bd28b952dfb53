import { stat } from 'node:fs/promises';
import type { Cancel } from '../broker/ports.js';
import { codeOf } from '../system-error.js';

/** How often files are looked at, in milliseconds. */
const LOOK_MS = 1_000;

/** The clock of a watch. */
export interface WatchClock {
  /** Calls once; a process that has nothing else to do ends without it. */
  scheduleIdle(milliseconds: number, callback: () => void): Cancel;
}

/**
 * Tells when the contents of files may have changed.
 *
 * It looks at them once a second, instead of asking the system for events. Events come for a file, or for a folder, by
 * the way it was changed: written in place, replaced by a rename, or, as Kubernetes does it, by another target of a link
 * further up; and none come from other machines. What a path leads to can always be looked at.
 *
 * A change is told when the next look finds no further one: so certificate and key, or a file that is being written, are
 * read when both are there.
 */
export class FileWatch {
  readonly #clock: WatchClock;
  readonly #changed: () => void;
  readonly #identify: (path: string) => Promise<string>;
  #seen = new Map<string, string>();
  #isUnsettled = false;
  #isRunning = false;
  #look: Promise<void> = Promise.resolve();

  /**
   * @param changed is called after each change
   * @param identify gives a text that is another one if the file is; given to tests
   */
  constructor(
    clock: WatchClock,
    changed: () => void,
    identify: (path: string) => Promise<string> = identityOf,
  ) {
    this.#clock = clock;
    this.#changed = changed;
    this.#identify = identify;
  }

  /** Watches these files, and no others. What is new among them counts as unchanged. */
  watch(files: readonly string[]): void {
    const wanted = new Set(files);
    for (const path of this.#seen.keys()) if (!wanted.has(path)) this.#seen.delete(path);
    const fresh = [...wanted].filter((path) => !this.#seen.has(path));
    for (const path of fresh) this.#seen.set(path, '');
    this.#look = this.#look.then(async () => {
      for (const path of fresh) {
        const identity = await this.#identify(path);
        if (this.#seen.has(path)) this.#seen.set(path, identity);
      }
    });
    if (this.#isRunning || wanted.size === 0) return;
    this.#isRunning = true;
    this.#lookLater();
  }

  #lookLater(): void {
    this.#clock.scheduleIdle(LOOK_MS, () => {
      this.#look = this.#look.then(() => this.#lookNow());
      void this.#look.then(() => this.#lookLater());
    });
  }

  async #lookNow(): Promise<void> {
    let hasChanged = false;
    for (const [path, before] of [...this.#seen]) {
      const now = await this.#identify(path);
      if (now === before || !this.#seen.has(path)) continue;
      this.#seen.set(path, now);
      hasChanged = true;
    }
    const isTold = this.#isUnsettled && !hasChanged;
    this.#isUnsettled = hasChanged;
    if (isTold) this.#changed();
  }
}

async function identityOf(path: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
    return [dev, ino, size, mtimeNs, ctimeNs].join(' ');
  } catch (error) {
    return codeOf(error) ?? 'unknown';
  }
}
