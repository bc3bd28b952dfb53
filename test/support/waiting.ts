import { setTimeout as delay } from 'node:timers/promises';

/**
 * Rejects if `promise` takes longer than `milliseconds`. The limit only ends a test that hangs: it is never the thing
 * that a test measures.
 *
 * @param describe says what was waited for and what is known by then; called at the timeout only
 */
export async function within<T>(
  milliseconds: number,
  describe: () => string,
  promise: Promise<T>,
): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`${describe()} (waited ${milliseconds} ms)`)), milliseconds);
  });
  try {
    return await Promise.race([promise, timeout]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Calls `attempt` until it neither throws nor gives `undefined` or `false`, and gives its result. Only for what can be
 * asked but tells nobody when it changes, such as an HTTP endpoint or a process table.
 */
export async function eventually<T>(
  attempt: () => T | Promise<T>,
  { timeout = 60_000, interval = 50 }: { timeout?: number; interval?: number } = {},
): Promise<Exclude<Awaited<T>, undefined | false>> {
  const giveUpAt = performance.now() + timeout;
  for (;;) {
    let failure: unknown;
    try {
      const result = await attempt();
      if (result !== undefined && result !== false) return result as Exclude<Awaited<T>, undefined | false>;
    } catch (error) {
      failure = error;
    }
    if (performance.now() > giveUpAt) {
      throw new Error(`It did not happen within ${timeout} ms`, { cause: failure });
    }
    await delay(interval);
  }
}

/** Values that arrive one by one, and those who wait for some of them. */
export class Arrivals<T> {
  readonly #all: T[] = [];
  readonly #waiting = new Set<{ accepts: (value: T) => boolean; resolve: (value: T) => void }>();

  /** Everything that has arrived, in order. */
  get all(): readonly T[] {
    return this.#all;
  }

  add(value: T): void {
    this.#all.push(value);
    for (const waiting of this.#waiting) {
      if (!waiting.accepts(value)) continue;
      this.#waiting.delete(waiting);
      waiting.resolve(value);
    }
  }

  /** The first value that `accepts` says yes to, whether it is here already or still to come. */
  first(accepts: (value: T) => boolean): Promise<T> {
    const here = this.#all.find(accepts);
    if (here !== undefined) return Promise.resolve(here);
    return new Promise((resolve) => this.#waiting.add({ accepts, resolve }));
  }

  /** Resolves once `count` values have arrived. */
  async atLeast(count: number): Promise<readonly T[]> {
    if (this.#all.length < count) await this.first(() => this.#all.length >= count);
    return this.#all;
  }
}
