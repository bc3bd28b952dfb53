import { expect, test } from 'vitest';
import { cells, documents, read, tables } from './markdown.js';

test.each(documents())('the tables of %s have rows, as wide as their heads', (document) => {
  for (const lines of tables(read(document))) {
    expect(lines.length, lines[0]).toBeGreaterThan(2);
    for (const line of lines) expect(cells(line).length, line).toBe(cells(lines[0] ?? '').length);
  }
});
