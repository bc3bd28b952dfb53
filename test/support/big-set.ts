import { expect } from 'vitest';
import type { AceBaseProcess } from './acebase-process.js';

/** What a large write took, in milliseconds. */
export interface BigSet {
  readonly duration: number;
  /** The writes of another process that ended meanwhile, and the longest of them. */
  readonly otherWrites: number;
  readonly longestOther: number;
}

/**
 * Has a worker write a node with that many new children at once, each of which takes two allocations and a key, while
 * another worker goes on writing. Both find everything afterwards.
 */
export async function setMany(
  worker: AceBaseProcess,
  other: AceBaseProcess,
  children: number,
  timeoutMs?: number,
): Promise<BigSet> {
  const child = (number: number) => ({ name: `name ${number}`, text: 'x'.repeat(60) });
  const value = Object.fromEntries(
    Array.from({ length: children }, (_, number) => [`child${number}`, child(number)]),
  );
  const start = performance.now();
  let isOver = false;
  const others: number[] = [];
  const writing = (async () => {
    // The last one begins when all is over: no lock is left behind.
    for (let isLast = false; !isLast; ) {
      isLast = isOver;
      const before = performance.now();
      await other.command('set', { path: 'other/count', value: others.length }, timeoutMs);
      others.push(performance.now() - before);
    }
  })();
  try {
    await worker.command('set', { path: 'many', value }, timeoutMs);
  } finally {
    isOver = true;
    await writing;
  }
  const duration = performance.now() - start;
  expect(await other.get('other/count')).toBe(others.length - 1);
  const last = children - 1;
  expect(await other.get(`many/child${last}`)).toEqual(child(last));
  return { duration, otherWrites: others.length, longestOther: Math.max(...others) };
}
