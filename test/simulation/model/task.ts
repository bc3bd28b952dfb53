/**
 * What a modelled process does step by step, in virtual time: an `async` function whose waiting the simulation drives,
 * so that a seed replays every step.
 */

/** Something to wait for: it is given what goes on with the result, and what goes on with an error. */
export type Wait<T> = (resolve: (value: T) => void, reject: (error: Error) => void) => void;

/** A piece of work that waits for things. */
export type Task<T> = Generator<Wait<unknown>, T, unknown>;

/** Waits, within a task. */
export function* wait<T>(until: Wait<T>): Task<T> {
  return (yield until as Wait<unknown>) as T;
}

/** Begins a task, and calls one of the two at its end. A task whose process is dead just never goes on. */
export function begin<T>(task: Task<T>, done: (value: T) => void, failed: (error: Error) => void): void {
  const goOn = (next: () => IteratorResult<Wait<unknown>, T>): void => {
    let result: IteratorResult<Wait<unknown>, T>;
    try {
      result = next();
    } catch (error) {
      failed(error as Error);
      return;
    }
    if (result.done === true) {
      done(result.value);
      return;
    }
    let isSettled = false;
    const once = (settle: () => void): void => {
      if (isSettled) return;
      isSettled = true;
      settle();
    };
    const failedToWait = (error: Error): void => once(() => goOn(() => task.throw(error)));
    try {
      result.value((value) => once(() => goOn(() => task.next(value))), failedToWait);
    } catch (error) {
      failedToWait(error as Error);
    }
  };
  goOn(() => task.next());
}
