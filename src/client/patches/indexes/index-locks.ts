/** What a method of an index takes, and must give back. */
interface Taken {
  release(): void;
}

type Method = (this: object, ...details: unknown[]) => Promise<unknown>;

/** The methods of an index that use its tree, and what they take for that. */
const TAKERS = {
  _getTree: '_lock',
  delete: '_getTree',
  close: '_getTree',
  query: '_getTree',
  count: '_getTree',
  take: '_getTree',
  _processTreeOperations: '_getTree',
} as const;

/** The classes of indexes that have this repair. */
const repaired = new WeakSet<object>();

/**
 * AceBase locks an index within a process while it uses the tree of that index, and releases the lock only if it succeeds. When the file
 * cannot be opened or read, or made anew (the disk is full, too many files are open), everybody who uses that index waits until the lock has timed out: a
 * minute, also for closing the database. Here a method that fails releases what it has taken.
 *
 * @param methods the class of indexes that all kinds of them go by; once more, nothing is changed
 * @returns undoes it
 */
export function releaseIndexesAfterFailures(methods: object): () => void {
  if (repaired.has(methods)) return () => undefined;
  repaired.add(methods);
  const undo = Object.entries(TAKERS).map(([name, taker]) => {
    const original = Reflect.get(methods, name) as Method | undefined;
    if (original === undefined || !Object.hasOwn(methods, name)) return () => undefined;
    Reflect.set(methods, name, function (this: object, ...details: unknown[]) {
      return releasing(this, taker, (index) => original.apply(index, details));
    });
    return () => void Reflect.set(methods, name, original);
  });
  return () => {
    for (const each of undo) each();
    repaired.delete(methods);
  };
}

/** @param act is given the index in a form that notes what is taken of it */
async function releasing<T>(index: object, taker: string, act: (index: object) => Promise<T>): Promise<T> {
  const held = new Set<Taken>();
  const take: Method = async (...details) => {
    const taken = (await (Reflect.get(index, taker) as Method).apply(index, details)) as Taken;
    // AceBase gives one and the same lock to one after the other.
    const noted: Taken = {
      ...taken,
      release: () => {
        held.delete(noted);
        taken.release();
      },
    };
    held.add(noted);
    return noted;
  };
  const noting = new Proxy(index, {
    get(_, name) {
      if (name === taker) return take;
      const member: unknown = Reflect.get(index, name);
      // Whatever it calls knows the index by itself.
      return typeof member === 'function' ? member.bind(index) : member;
    },
  });
  try {
    return await act(noting);
  } catch (error) {
    for (const taken of held) releaseIfHeld(taken);
    throw error;
  }
}

function releaseIfHeld(taken: Taken): void {
  try {
    taken.release();
  } catch {
    // It had timed out, which AceBase has logged: it was not held any more.
  }
}
