import { describe, expect, test } from 'vitest';
import { INCIDENTS, Incidents } from '../../../src/broker/incidents.js';
import { filesBelow, read, tableRows, withoutMarks } from './markdown.js';

const operations = read('docs/OPERATIONS.md');
const rows = tableRows(operations).filter((row) => 'incident' in row);

/** At which level an incident is logged. */
function levelOf(incident: (typeof INCIDENTS)[number]): string {
  let used = 'none';
  const use = (level: string) => () => {
    used = level;
  };
  const logger = {
    trace: use('trace'),
    debug: use('debug'),
    info: use('info'),
    warn: use('warn'),
    error: use('error'),
  };
  const clock = { now: () => 0, wallTime: () => 0, schedule: () => () => undefined };
  new Incidents(clock, logger).record(incident, {}, '');
  return used;
}

/** The texts of incidents, warnings and errors, where they are fixed. */
const texts = filesBelow('src', '.ts').flatMap((path) =>
  [
    ...read(path).matchAll(/\.(?:record|warn|error|fatal)\((?:[^()]|\([^()]*\))*?'([^'\n]{12,})',?\s*\)/g),
  ].map(([, text = '']) => text),
);

describe('docs/OPERATIONS.md', () => {
  test('has every incident once, and no other', () => {
    expect(rows.map((row) => withoutMarks(row['incident'])).toSorted()).toEqual(INCIDENTS.toSorted());
  });

  test.each(INCIDENTS)('explains the incident %s', (incident) => {
    const row = rows.find((candidate) => withoutMarks(candidate['incident']) === incident);
    expect(row?.['level']).toBe(levelOf(incident));
    expect(row?.['line']).not.toBe('');
    expect(row?.['what happened']).not.toBe('');
    expect(row?.['when to act']).not.toBe('');
  });

  test('explains every incident, warning and error that has a fixed text', () => {
    expect(texts.length).toBeGreaterThan(12);
    expect(texts.filter((text) => !operations.includes(`\`${text}\``))).toEqual([]);
  });
});
