import { expect, test } from 'vitest';
import { ERRORS, type ErrorDefinition } from '../../../src/errors.js';
import { read, tableRows, withoutMarks } from './markdown.js';

const rows = tableRows(read('docs/ERRORS.md')).filter((row) => /^`IPC_[A-Z0-9_]+`$/.test(row['code'] ?? ''));

test('docs/ERRORS.md has every code once, and no other', () => {
  expect(rows.map((row) => withoutMarks(row['code'])).toSorted()).toEqual(Object.keys(ERRORS).toSorted());
});

/** A number of a row, under whichever of these headings; an absent one is a dash. */
function number(text: string | undefined): number | undefined {
  return text === undefined || text === '–' ? undefined : Number(text);
}

test.each(Object.entries<ErrorDefinition>(ERRORS))(
  'docs/ERRORS.md says of %s what the table says',
  (code, error) => {
    const row = rows.find((candidate) => withoutMarks(candidate['code']) === code);
    expect({
      summary: row?.['meaning'],
      remedy: row?.['what to do'],
      status: number(row?.['status']),
      closeCode: number(row?.['close code']),
      exitCode: number(row?.['exit code']),
    }).toEqual({
      summary: error.summary,
      remedy: error.remedy,
      status: error.status,
      closeCode: error.closeCode,
      exitCode: error.exitCode,
    });
  },
);

test('docs/PROTOCOL.md lists every close code', () => {
  const listed = tableRows(read('docs/PROTOCOL.md')).filter((row) => 'error code' in row);
  const codes = Object.entries<ErrorDefinition>(ERRORS).filter(([, error]) => error.closeCode !== undefined);
  for (const [code, error] of codes) {
    const row = listed.find((candidate) => withoutMarks(candidate['error code']) === code);
    expect(row?.['code'], code).toBe(String(error.closeCode));
  }
});
