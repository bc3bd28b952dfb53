import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import packageJson from '../../../package.json' with { type: 'json' };
import { DURATION_BOUNDS_MS } from '../../../src/server/monitoring/counters.js';
import { MAX_MEASURED_DATABASES } from '../../../src/server/monitoring/history.js';
import { METRICS } from '../../../src/server/monitoring/metric-table.js';
import { Metrics } from '../../../src/server/monitoring/metrics.js';
import { read, root, tableRows, withoutMarks } from './markdown.js';

const document = read('docs/METRICS.md');

/** The names in the text that a server without databases shows. */
async function shownNames(): Promise<Set<string>> {
  const metrics = new Metrics(() => ({
    version: '0.0.0',
    isReady: true,
    connections: 0,
    summaries: [],
    totals: new Map(),
    incidents: new Map(),
    refusals: new Map(),
    masters: [],
  }));
  const { text } = await metrics.text();
  return new Set([...text.matchAll(/^# TYPE (\w+) /gm)].map(([, name = '']) => name));
}

describe('docs/METRICS.md', () => {
  test('has every metric of ours once, with its type, its labels and what it means', () => {
    const rows = tableRows(document).filter((row) => 'metric' in row);
    expect(
      rows.map((row) => ({
        name: withoutMarks(row['metric']),
        type: row['type'],
        labels: row['labels'] === '–' ? [] : withoutMarks(row['labels']).split(', '),
        help: row['meaning'],
      })),
    ).toEqual(METRICS.map(({ name, type, labels, help }) => ({ name, type, labels, help })));
  });

  test('names metrics of the process that there are', async () => {
    const named = [...document.matchAll(/`((?:process|nodejs)_\w+)`/g)].map(([, name = '']) => name);
    const shown = await shownNames();
    expect(named.length).toBeGreaterThan(3);
    expect(named.filter((name) => !shown.has(name))).toEqual([]);
  });

  test('tells the classes of the histograms, and how many databases are measured apart', () => {
    const below = DURATION_BOUNDS_MS.filter((bound) => bound < 1_000);
    const above = DURATION_BOUNDS_MS.filter((bound) => bound >= 1_000).map((bound) => bound / 1_000);
    const list = (numbers: readonly number[]) => numbers.join(', ').replace(/, (\d+)$/, ' and $1');
    expect(document).toContain(`end at ${list(below)} ms, ${list(above)} s.`);
    expect(document).toContain(`The first ${MAX_MEASURED_DATABASES} databases`);
  });
});

test('docs/OPERATIONS.md has every rule for what is wrong', () => {
  const files = ['problems', 'master-status'].map((name) => read(`src/server/monitoring/${name}.ts`));
  const codes = [...files.join().matchAll(/^ {4,8}code: '([a-z-]+)',$/gm)].map(([, code = '']) => code);
  const rows = tableRows(read('docs/OPERATIONS.md')).filter((row) => 'critical' in row);
  expect(codes.length).toBeGreaterThan(4);
  expect(rows.map((row) => withoutMarks(row['code']))).toEqual([...codes, 'an incident']);
});

test('names of metrics follow the conventions of Prometheus', () => {
  for (const { name, type } of METRICS) {
    expect(name).toMatch(/^acebase_ipc_[a-z_]+$/);
    expect(name.endsWith('_total'), name).toBe(type === 'counter');
    expect(name).not.toMatch(/_(?:ms|milliseconds|kb|mb)(?:_|$)/);
  }
});

describe('deploy/prometheus-alerts.yml', () => {
  interface Rule {
    readonly alert: string;
    readonly expr: string;
    readonly labels: { readonly severity: string };
    readonly annotations: { readonly summary: string; readonly description: string };
  }
  const { groups } = parse(readFileSync(`${root}deploy/prometheus-alerts.yml`, 'utf8')) as {
    groups: { name: string; rules: Rule[] }[];
  };
  const rules = groups.flatMap((group) => group.rules);

  test('has rules that are complete, each with a name of its own', () => {
    expect(rules.length).toBeGreaterThan(5);
    for (const { alert, labels, annotations } of rules) {
      expect(['warning', 'critical'], alert).toContain(labels.severity);
      expect(annotations.summary, alert).not.toBe('');
      expect(annotations.description, alert).not.toBe('');
    }
    expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length);
  });

  test.each(rules.map(({ alert, expr }) => [alert, expr] as const))(
    '%s asks for metrics, labels and values that there are',
    async (_alert, expr) => {
      const shown = await shownNames();
      const names = [...expr.matchAll(/\b(?:acebase_ipc|nodejs|process)_\w+/g)].map(([name]) => name);
      expect(names.length > 0 || expr.startsWith('up{')).toBe(true);
      for (const name of names) expect(shown, name).toContain(name.replace(/_(?:bucket|sum|count)$/, ''));
      for (const [, name = '', label = '', values = ''] of expr.matchAll(
        /(acebase_ipc_\w+)\{(\w+)=~?"([^"]+)"\}/g,
      )) {
        const metric = METRICS.find((each) => each.name === name);
        expect(metric?.labels, name).toContain(label);
        const counted = { incidents: new Map(), refusals: new Map(), totals: new Map() };
        const figures = { ...counted, summaries: [], masters: [] };
        const samples = [...(metric?.read({ version: '', isReady: true, connections: 0, ...figures }) ?? [])];
        for (const value of values.split('|')) {
          expect(
            samples.map(([labels]) => labels[label]),
            expr,
          ).toContain(value);
        }
      }
    },
  );

  test('is shipped', () => expect(packageJson.files).toContain('deploy'));
});
