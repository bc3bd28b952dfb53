import { describe, expect, test } from 'vitest';
import { INCIDENTS, IncidentLog } from '../../../src/server/monitoring/incidents.js';
import { filesBelow, read, tableRows, withoutMarks } from './markdown.js';

const operations = read('docs/OPERATIONS.md');
const rows = tableRows(operations).filter((row) => 'incident' in row);

/** How an incident is logged. */
function lineOf(incident: (typeof INCIDENTS)[number]): { level: string; line: string } {
  let used = { level: 'none', line: '' };
  const use = (level: string) => (_fields: object, line: string) => {
    used = { level, line };
  };
  const logger = {
    trace: use('trace'),
    debug: use('debug'),
    info: use('info'),
    warn: use('warn'),
    error: use('error'),
  };
  const clock = { now: () => 0, wallTime: () => 0, schedule: () => () => undefined };
  new IncidentLog(clock, logger).record(incident, {});
  return used;
}

/** The texts of warnings and errors, where they are fixed. */
const texts = filesBelow('src', '.ts').flatMap((path) =>
  [...read(path).matchAll(/\.(?:warn|error|fatal)\((?:[^()]|\([^()]*\))*?'([^'\n]{12,})',?\s*\)/g)].map(
    ([, text = '']) => text,
  ),
);

/** The lines of level warn and above that the tables explain. */
const explained = tableRows(operations).filter((row) => 'line' in row && 'cause' in row && 'cure' in row);

/** The code without comments, and with a mark where a text is put together. */
const code = ['src/broker', 'src/server', 'src/managed-masters', 'src/cli', 'src/options']
  .flatMap((room) => filesBelow(room, '.ts'))
  .map((path) =>
    read(path)
      .replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '')
      .replace(/\$\{[^}]*\}/g, '…'),
  )
  .join('\n');

/** Texts in which names and numbers are put: those that are logged, and those that are found in settings. */
const composed = [
  ...code.matchAll(/\.(?:warn|error|fatal)\((?:[^()`]|\([^()]*\))*?`([^`]*)`/g),
  ...code.matchAll(/warnings\.push\(\s*(?:`([^`]*)`|'([^']*)')/g),
].map(([, template, text]) => template ?? text ?? '');

/** Whether that row of a table explains that text: what both have in full is the same, in the same order. */
function explains(line: string, text: string): boolean {
  let at = 0;
  for (const part of line.split('…').map((it) => it.trim())) {
    const found = text.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return true;
}

describe('docs/OPERATIONS.md', () => {
  test('has every incident once, and no other', () => {
    expect(rows.map((row) => withoutMarks(row['incident'])).toSorted()).toEqual(INCIDENTS.toSorted());
  });

  test.each(INCIDENTS)('explains the incident %s', (incident) => {
    const row = rows.find((candidate) => withoutMarks(candidate['incident']) === incident);
    expect({ level: row?.['level'], line: withoutMarks(row?.['line']) }).toEqual(lineOf(incident));
    expect(row?.['what happened']).not.toBe('');
    expect(row?.['when to act']).not.toBe('');
  });

  test('has a cause and a cure for each line, and each once', () => {
    const lines = explained.map((row) => withoutMarks(row['line']));
    expect(lines.length).toBeGreaterThan(25);
    expect(new Set(lines).size).toBe(lines.length);
    expect(explained.filter(({ cause, cure }) => cause === '' || cure === '')).toEqual([]);
  });

  test('explains no line that is not logged', () => {
    const lines = explained.map((row) => withoutMarks(row['line']));
    const known = (line: string) => code.includes(line) || composed.some((text) => explains(line, text));
    expect(lines.filter((line) => !known(line))).toEqual([]);
  });

  test('explains every line that is put together', () => {
    const lines = explained.map((row) => withoutMarks(row['line']));
    expect(composed.length).toBeGreaterThan(4);
    expect(composed.filter((text) => !lines.some((line) => explains(line, text)))).toEqual([]);
  });

  test('explains every warning and error that has a fixed text', () => {
    expect(texts.length).toBeGreaterThan(12);
    expect(texts.filter((text) => !operations.includes(`\`${text}\``))).toEqual([]);
  });
});
