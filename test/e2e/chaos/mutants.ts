import { fileURLToPath } from 'node:url';

/** What processes can be without, so that a campaign must find it. */
export const mutants = ['no-invalidation', 'no-lease'] as const;

/**
 * - `no-invalidation`: what others say of caches that are out of date (`cache.invalidate`) is not heard.
 * - `no-lease`: locks, and the use of the file, have no end that a process keeps by itself: the fence is skipped.
 */
export type Mutant = (typeof mutants)[number];

/** The flags for Node that make a process a mutant. It has the client of this package. */
export function flagsOf(mutant: Mutant | undefined): readonly string[] {
  if (mutant === undefined) return [];
  return ['--require', fileURLToPath(new URL(`mutants/${mutant}.cjs`, import.meta.url))];
}
