import { expect, test } from 'vitest';
import { INVARIANTS } from '../../../src/broker/invariants.js';
import { cells, read, tables } from './markdown.js';

test('docs/OPERATIONS.md says what each invariant is', () => {
  const [table] = tables(read('docs/OPERATIONS.md')).filter(([head]) => /^\| `invariant`/.test(head ?? ''));
  const named = (table ?? []).slice(2).map((line) => cells(line)[0]?.replaceAll('`', ''));
  expect(named).toEqual([...INVARIANTS]);
});
