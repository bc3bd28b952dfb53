import { describe, expect, test } from 'vitest';
import { isReloadable, optionTable } from '../../../src/options.js';
import { type Row, read, tableRows, withoutMarks } from './markdown.js';

const table = optionTable();
const documented = tableRows(read('docs/OPERATIONS.md')).filter((row) => 'option' in row && 'flag' in row);

/** The row of an option, and an error that names it if there is none. */
function rowOf(rows: readonly Row[], name: string): Row {
  const row = rows.find((candidate) => withoutMarks(candidate['option']) === name);
  if (row === undefined) throw new Error(`there is no row for ${name}`);
  return row;
}

describe('docs/OPERATIONS.md', () => {
  test('lists every option once, and no other', () => {
    const names = documented.map((row) => withoutMarks(row['option']));
    expect(names.toSorted()).toEqual(table.map((option) => option.name).toSorted());
  });

  test.each(table.map((option) => [option.name, option] as const))('tells how to set %s', (name, option) => {
    const row = rowOf(documented, name);
    expect(withoutMarks(row['flag'])).toBe(option.flag);
    expect(withoutMarks(row['variable'])).toBe(option.environment);
    expect(withoutMarks(row['default'])).toBe(option.defaultText);
    expect(row['meaning']).not.toBe('');
  });
});

test('docs/OPERATIONS.md tells which options change at a reload, and no others', () => {
  const rows = tableRows(read('docs/OPERATIONS.md')).filter((row) => 'taken over at a reload' in row);
  const names = rows.flatMap((row) => withoutMarks(row['taken over at a reload']).split(', '));
  const reloadable = table.map(({ name }) => name).filter(isReloadable);
  expect(names.toSorted()).toEqual(reloadable.toSorted());
});

describe('docs/LIMITS.md', () => {
  const limits = tableRows(read('docs/LIMITS.md')).filter((row) => 'option' in row && 'range' in row);
  const bounds = table.filter((option) => option.group === 'Limits' || option.group === 'Times');

  test('lists every limit and time once, and no other option', () => {
    const names = limits.map((row) => withoutMarks(row['option']));
    expect(names.toSorted()).toEqual(bounds.map((option) => option.name).toSorted());
  });

  test.each(bounds.map((option) => [option.name, option] as const))(
    'gives default, unit and range of %s',
    (name, option) => {
      const row = rowOf(limits, name);
      const [, from, to] = /from (.+) to (.+)$/.exec(option.allowed) ?? [];
      expect({ default: row['default'], unit: row['unit'], range: row['range'] }).toEqual({
        default: option.defaultText,
        unit: option.unit,
        range: from === undefined ? option.allowed : `${from} to ${to}`,
      });
      expect(row['beyond it']).not.toBe('');
    },
  );
});

test('the options in README.md are as they are', () => {
  const rows = tableRows(read('README.md')).filter((row) => 'in code and file' in row);
  expect(rows.length).toBeGreaterThan(0);
  for (const row of rows) {
    const option = table.find((candidate) => candidate.name === withoutMarks(row['in code and file']));
    expect(option, row['in code and file']).toBeDefined();
    expect(withoutMarks(row['flag'])).toBe(option?.flag);
    expect(withoutMarks(row['variable'])).toBe(option?.environment);
    expect(withoutMarks(row['default'])).toBe(option?.defaultText);
  }
});
