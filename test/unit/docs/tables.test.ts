import { expect, test } from 'vitest';
import { cells, documents, prose, read } from './markdown.js';

/** Tables as they stand there, even without a row. */
function tables(markdown: string): string[][] {
  return [...prose(markdown).matchAll(/^\|.*\|\n\|[ |:-]+\|\n(?:\|.*\|\n?)*/gm)].map(([table]) =>
    table.trimEnd().split('\n'),
  );
}

test.each(documents())('the tables of %s have rows, as wide as their heads', (document) => {
  for (const lines of tables(read(document))) {
    expect(lines.length, lines[0]).toBeGreaterThan(2);
    for (const line of lines) expect(cells(line).length, line).toBe(cells(lines[0] ?? '').length);
  }
});
