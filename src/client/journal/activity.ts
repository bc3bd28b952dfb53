import { systemClock } from '../../platform/clock.js';

/** A transaction that has done nothing with the file for so long, in milliseconds, and waits for nothing, hangs. */
const QUIET_MS = 1_000;

/**
 * What a transaction is doing: whose lock has expired may go on for a while, and nobody else of its process may read and write until it is at rest.
 */
export class Activity {
  /** How much it does at one time, and how much it has begun. */
  #underWay = 0;
  #begun = 0;
  #userCalls = 0;
  #isOver = false;
  readonly #waiting: (() => void)[] = [];

  /** It does something with the file, or waits for somebody else. */
  async during<T>(act: () => Promise<T>): Promise<T> {
    this.#underWay += 1;
    this.#begun += 1;
    try {
      return await act();
    } finally {
      this.#underWay -= 1;
    }
  }

  /** It calls code of the user, which may take as long as it likes. AceBase asks for a lock when it goes on. */
  inUserCode<T>(call: () => T): T {
    this.#userCalls += 1;
    this.#wake();
    const isOver = (): void => {
      this.#userCalls -= 1;
    };
    let result: T;
    try {
      result = call();
    } catch (error) {
      isOver();
      throw error;
    }
    if (!(result instanceof Promise)) {
      isOver();
      return result;
    }
    return result.finally(isOver) as T;
  }

  /** It is over. */
  end(): void {
    this.#isOver = true;
    this.#wake();
  }

  /** Whether it is over, or in code of the user: it does nothing with the file that it has no lock for. */
  get isHarmless(): boolean {
    return this.#isOver || this.#userCalls > 0;
  }

  /** Resolves when it is harmless, or hangs: AceBase has lost it. */
  async atRest(): Promise<void> {
    while (!this.isHarmless) {
      const begun = this.#begun;
      await this.#change();
      if (this.#underWay === 0 && this.#begun === begun) return;
    }
  }

  /** Resolves when it becomes harmless, or has had the time to do something. */
  async #change(): Promise<void> {
    await new Promise<void>((resolve) => {
      const cancel = systemClock.schedule(QUIET_MS, resolve);
      this.#waiting.push(() => {
        cancel();
        resolve();
      });
    });
  }

  #wake(): void {
    for (const each of this.#waiting.splice(0)) each();
  }
}
