import { describe, expect, test } from 'vitest';
import { filesBelow, prose, read } from './markdown.js';

const headings = [...prose(read('docs/PROTOCOL.md')).matchAll(/^#{2,3} (\d+(?:\.\d+)?) /gm)].map(
  ([, number = '']) => number,
);
const sources = [...filesBelow('src', '.ts'), ...filesBelow('test', '.ts'), ...filesBelow('docs', '.md')];

/** What a file cites: `PROTOCOL-3.7`, both ends of `PROTOCOL-2.1 to 2.6`, and `PROTOCOL.md, sections 2 and 4`. */
function citations(text: string): string[] {
  const clauses = [...text.matchAll(/PROTOCOL-(\d+\.\d+)(?: to (\d+\.\d+))?/g)].flatMap(([, from, to]) => [
    from,
    to,
  ]);
  const sections = [...text.matchAll(/PROTOCOL\.md, sections? (\d+)(?: and (\d+))?/g)].flatMap(
    ([, one, other]) => [one, other],
  );
  return [...clauses, ...sections].filter((number) => number !== undefined);
}

describe('docs/PROTOCOL.md', () => {
  test('numbers its clauses in order, each once', () => {
    const parts = headings.map((number) => number.split('.').map(Number));
    let section = 0;
    let clause = 0;
    for (const [first, second] of parts) {
      if (second === undefined) {
        section++;
        clause = 0;
      } else clause++;
      expect([first, second]).toEqual([section, second === undefined ? undefined : clause]);
    }
  });

  test('has every clause that is cited', () => {
    const cited = sources.flatMap((path) => citations(read(path)).map((number) => ({ path, number })));
    expect(cited.length).toBeGreaterThan(20);
    expect(cited.filter(({ number }) => !headings.includes(number))).toEqual([]);
  });
});
