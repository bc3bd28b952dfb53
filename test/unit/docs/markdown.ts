import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The folder of this package. */
export const root = fileURLToPath(new URL('../../../', import.meta.url));

/** The text of a file of this package. */
export function read(path: string): string {
  return readFileSync(root + path, 'utf8');
}

/** The files of a folder and below whose names end so, by their path from the root. */
export function filesBelow(folder: string, ending: string): string[] {
  return readdirSync(root + folder, { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    if (entry.name === 'node_modules') return [];
    if (entry.isDirectory()) return filesBelow(path, ending);
    return entry.name.endsWith(ending) ? [path] : [];
  });
}

/** All documents: those at the top, in `docs/`, `examples/` and `deploy/`. */
export function documents(): string[] {
  const top = readdirSync(root).filter((name) => name.endsWith('.md'));
  return [...top, ...['docs', 'examples', 'deploy'].flatMap((folder) => filesBelow(folder, '.md'))];
}

/** The text without blocks of code. */
export function prose(markdown: string): string {
  return markdown.replace(/^```[\s\S]*?^```/gm, '');
}

/** One row of a table, by the headings of its columns. */
export type Row = Readonly<Record<string, string>>;

/** The lines of each table, in order, even of one without a row. */
export function tables(markdown: string): string[][] {
  return [...prose(markdown).matchAll(/^\|.*\|\n\|[ |:-]+\|\n(?:\|.*\|\n?)*/gm)].map(([table]) =>
    table.trimEnd().split('\n'),
  );
}

/** The rows of all tables, in order. Cells are trimmed; marks of code stay. */
export function tableRows(markdown: string): Row[] {
  return tables(markdown).flatMap(([head = '', , ...body]) =>
    body.map((row) =>
      Object.fromEntries(cells(head).map((name, column) => [name, cells(row)[column] ?? ''])),
    ),
  );
}

/** The cells of a line of a table, trimmed. */
export function cells(line: string): string[] {
  return line
    .trim()
    .slice(1, -1)
    .split('|')
    .map((cell) => cell.trim());
}

/** `` `maxPeers` `` → `maxPeers`. */
export function withoutMarks(cell: string | undefined): string {
  return (cell ?? '').replaceAll('`', '');
}

/** The anchors of the headings, as GitHub makes them. */
export function anchors(markdown: string): string[] {
  return [...prose(markdown).matchAll(/^#{1,6} +(.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replace(/\s/g, '-'),
  );
}

/** Where the links of a document lead. */
export function links(markdown: string): string[] {
  return [...prose(markdown).matchAll(/\[[^\]]*\]\(([^)\s]+)\)/g)].map(([, target = '']) => target);
}
