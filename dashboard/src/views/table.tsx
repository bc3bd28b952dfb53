import type { ComponentChildren } from 'preact';
import { MAX_ROWS } from '../cluster.js';
import { count } from '../words.js';

interface Column {
  readonly label: string;
  /** A number: to the right, in digits of one width. */
  readonly isNumber?: boolean;
  readonly class?: string;
}

interface TableProps<Row> {
  readonly caption: string;
  readonly columns: readonly Column[];
  readonly rows: readonly Row[];
  /** How many there are, those that the server did not list among them. */
  readonly total: number;
  readonly keyOf: (row: Row) => string;
  /** One cell for each column. */
  readonly cells: (row: Row) => readonly ComponentChildren[];
  readonly classOf?: (row: Row) => string;
  /** What it says where there is no row. */
  readonly nothing: string;
}

/**
 * A table that becomes a list of cards on a narrow screen. The roles are written down since browsers forget them where
 * a table is laid out as something else.
 */
export function Table<Row>({
  caption,
  columns,
  rows,
  total,
  keyOf,
  cells,
  classOf,
  nothing,
}: TableProps<Row>) {
  const shown = rows.slice(0, MAX_ROWS);
  const classes = (column: Column | undefined): string =>
    [column?.isNumber ? 'number' : '', column?.class ?? ''].join(' ').trim();
  if (rows.length === 0) return <p class="quiet">{nothing}</p>;
  return (
    <>
      {/* biome-ignore-start lint/a11y/noRedundantRoles: see above */}
      <table role="table">
        <caption class="unseen">{caption}</caption>
        <thead role="rowgroup">
          <tr role="row">
            {columns.map((column) => (
              <th key={column.label} role="columnheader" scope="col" class={classes(column)}>
                {column.label}
              </th>
            ))}
          </tr>
        </thead>
        <tbody role="rowgroup">
          {shown.map((row) => (
            <tr key={keyOf(row)} role="row" class={classOf?.(row) ?? ''}>
              {cells(row).map((cell, index) => (
                <td
                  key={columns[index]?.label}
                  role="cell"
                  class={classes(columns[index])}
                  data-label={columns[index]?.label}
                >
                  {cell}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {/* biome-ignore-end lint/a11y/noRedundantRoles: see above */}
      {total > shown.length && <p class="quiet">{count(total - shown.length)} more are not shown.</p>}
    </>
  );
}
