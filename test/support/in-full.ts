import { it } from 'vitest';

/** Whether tests that have a short form run in their long one: `npm run test:nightly` asks for that. */
export const isInFull = process.env['TESTS_IN_FULL'] === '1';

/** Of several cases, as many as `npm test` tries: the first ones. */
export function someOf<T>(cases: readonly T[], count = 1): readonly T[] {
  return isInFull ? cases : cases.slice(0, count);
}

/** A test of which `npm test` has a neighbour that shows nearly the same: only the long form has it. */
export function itInFull(title: string, test: () => Promise<void> | void): void {
  if (isInFull) it(title, test);
}
