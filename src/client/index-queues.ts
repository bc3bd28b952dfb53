/** What an index is told while it is made, or made anew. */

/** An index of AceBase, as far as its queue goes. */
interface QueuingIndex {
  /** What it is told meanwhile. */
  readonly _updateQueue: { reject(error: unknown): void }[];
}

type Method = (this: QueuingIndex) => Promise<unknown>;

/** The classes of indexes that are watched. */
const watched = new WeakSet<object>();

/** When what was queued last is written, by index. */
const writing = new WeakMap<object, Promise<unknown>>();

/**
 * AceBase queues what an index is told while it is made. It writes that when the index is made, which it says before; and where that fails, it logs it,
 * and the index misses it. Here, who waits for the queue hears that it has failed, and {@link queueWritten} tells of it.
 *
 * @param methods the class of indexes that all kinds of them go by; once more, nothing is changed
 * @returns undoes it
 */
export function watchIndexQueues(methods: object): () => void {
  const original = Reflect.get(methods, '_processUpdateQueue') as Method | undefined;
  if (original === undefined || watched.has(methods)) return () => undefined;
  watched.add(methods);
  Reflect.set(methods, '_processUpdateQueue', function (this: QueuingIndex) {
    const written = writeQueue(this, original);
    writing.set(this, written);
    // Whoever makes an index does not wait for it.
    written.catch(() => undefined);
    return written;
  });
  return () => {
    Reflect.set(methods, '_processUpdateQueue', original);
    watched.delete(methods);
  };
}

async function writeQueue(index: QueuingIndex, write: Method): Promise<void> {
  const failures: unknown[] = [];
  for (const update of index._updateQueue) {
    const reject = update.reject.bind(update);
    update.reject = (error) => {
      failures.push(error);
      reject(error);
    };
  }
  await write.call(index);
  if (failures.length > 0) throw failures[0];
}

/** Resolves when what that index was told while it was made is written. @throws if it could not be */
export async function queueWritten(index: object): Promise<void> {
  await writing.get(index);
}
