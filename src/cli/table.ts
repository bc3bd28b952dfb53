/** Tables of text. */

/** A column. */
export interface Column<Row> {
  readonly title: string;
  readonly of: (row: Row) => string;
  /** Numbers stand on the right. */
  readonly isNumber?: boolean;
  /** Where the lines would be too long, columns are left out: those with the highest number first, those without never. */
  readonly spare?: number;
}

const GAP = '  ';

/**
 * Lays rows out in columns.
 * @param width the longest that a line should be; columns are left out until it fits
 * @returns lines without a line break at the end
 */
export function layOut<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  width = Number.POSITIVE_INFINITY,
): string {
  const cells = columns.map((column) => ({
    column,
    texts: [column.title, ...rows.map(column.of)],
  }));
  let shown = cells.map((cell) => ({ ...cell, width: Math.max(...cell.texts.map((text) => text.length)) }));
  const total = () => shown.reduce((sum, cell) => sum + cell.width, GAP.length * (shown.length - 1));
  while (total() > width) {
    const spare = Math.max(...shown.map(({ column }) => column.spare ?? 0));
    if (spare === 0) break;
    shown = shown.filter(({ column }) => column.spare !== spare);
  }
  return [...rows.keys(), rows.length]
    .map((line) =>
      shown
        .map(({ column, texts, width: cellWidth }) => {
          const text = texts[line] ?? '';
          return column.isNumber ? text.padStart(cellWidth) : text.padEnd(cellWidth);
        })
        .join(GAP)
        .trimEnd(),
    )
    .join('\n');
}
