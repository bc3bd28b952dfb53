import type { Storage } from '../../acebase.js';

/** What was read for an index. */
export interface IndexReading {
  /** Why some of it could not be read; `undefined` if all was. */
  readonly failure: unknown;
  end(): void;
}

/** How AceBase's storage reads, as far as it does for an index. */
interface ReadingStorage {
  getNode?(
    path: string,
    options?: { readonly include?: readonly string[]; readonly tid?: unknown },
  ): Promise<{ readonly value: unknown }>;
  getChildren?(path: string, options?: object): { next(...details: unknown[]): Promise<unknown> };
}

/** There is nothing to index. AceBase has a class for that, without a name of its own. */
const NOT_THERE = /^Node ".*" does not exist$/s;

/**
 * Tells whether what AceBase reads for an index could be read. If a node cannot be, it waits for ever, with the locks that it has by then; and the
 * children of one that cannot be read, it leaves out. Here it goes on in both cases, and whoever makes the index knows.
 * A node that is removed between the reading of its parent's children and its own ends the process in AceBase; here the index is made without it.
 *
 * @returns begins to tell
 */
export function watchIndexReads(storage: Storage): () => IndexReading {
  const under = new Set<{ failure: unknown }>();
  const note = (error: unknown): void => {
    for (const reading of under) reading.failure ??= error;
  };
  const reader = storage as ReadingStorage;
  const { getNode, getChildren } = reader;
  if (getNode !== undefined) {
    reader.getNode = async (path, options, ...rest) => {
      const keys = under.size > 0 && options?.tid !== undefined ? options.include : undefined;
      try {
        const node = await getNode.call(reader, path, options, ...rest);
        return keys === undefined || node.value !== null ? node : { ...node, value: notIndexed(keys) };
      } catch (error) {
        if (keys === undefined) throw error;
        note(error);
        return { value: {} };
      }
    };
  }
  if (getChildren !== undefined) {
    reader.getChildren = (path, options, ...rest) => {
      const found = getChildren.call(reader, path, options, ...rest);
      if (under.size === 0 || options !== undefined) return found;
      const { next } = found;
      found.next = async (...details) => {
        try {
          return await next.apply(found, details);
        } catch (error) {
          if (!(error instanceof Error && NOT_THERE.test(error.message))) note(error);
          throw error;
        }
      };
      return found;
    };
  }
  return () => {
    const reading = { failure: undefined as unknown, end: () => void under.delete(reading) };
    under.add(reading);
    return reading;
  };
}

/** A value in which each of these keys has one that no kind of index takes: itself, of binary data. */
function notIndexed(keys: readonly string[]): ArrayBuffer {
  const value = new ArrayBuffer(0);
  for (const part of keys.flatMap((key) => key.split(/[/[\]]/)))
    Object.defineProperty(value, part, { value });
  return value;
}
