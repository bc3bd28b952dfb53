import { PerformanceObserver } from 'node:perf_hooks';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { MAX_MEASURED_DATABASES } from '../../../src/server/monitoring/history.js';
import type { Figures } from '../../../src/server/monitoring/metric-table.js';
import { Metrics } from '../../../src/server/monitoring/metrics.js';
import { BrokerLab } from '../../support/broker-lab.js';
import { MANAGED } from '../../support/managed-report.js';

async function linesOf(
  lab: BrokerLab,
  refusals: ReadonlyMap<string, number> = new Map(),
  masters: Figures['masters'] = [],
) {
  const { overview, histories } = lab;
  const metrics = new Metrics(() => ({
    version: '9.8.7',
    isReady: false,
    connections: 7,
    summaries: overview.summaries(),
    totals: overview.totals(),
    incidents: histories.incidents.totals,
    refusals,
    masters,
  }));
  const { text, contentType } = await metrics.text();
  expect(contentType).toBe('text/plain; version=0.0.4; charset=utf-8');
  return text.split('\n');
}

test('nothing is read that makes Node 20 abort', async () => {
  const { _getActiveHandles: original } = process as unknown as { _getActiveHandles(): unknown[] };
  let calls = 0;
  Object.assign(process, {
    _getActiveHandles: () => {
      calls++;
      return original.call(process);
    },
  });
  onTestFinished(() => void Object.assign(process, { _getActiveHandles: original }));
  const lines = await linesOf(new BrokerLab(), new Map());
  expect(calls).toBe(0);
  expect(lines.filter((line) => /nodejs_active_(handles|requests)/.test(line))).toEqual([]);
  expect(lines.some((line) => line.startsWith('nodejs_active_resources_total '))).toBe(true);
});

test('a server in figures', async () => {
  const lab = new BrokerLab({ masterSettle: 0 });
  const worker = lab.connect('worker01');
  lab.askForLock(worker, { write: true });
  lab.clock.advance(40);
  const master = lab.connect('[master]');
  lab.letGrant(master);
  lab.clock.advance(1_000);
  lab.connect('worker02').says('{"type":"event","from":"worker02"}');
  lab.askForLock(worker, { write: true });
  lab.clock.advance(2_500);
  const lines = await linesOf(lab, new Map([['IPC_REFUSED_TOKEN', 3]]));
  expect(
    [
      'acebase_ipc_build_info{version="9.8.7"} 1',
      'acebase_ipc_ready 0',
      'acebase_ipc_connections 7',
      'acebase_ipc_databases 1',
      'acebase_ipc_peers{database="mydb_data",role="worker",state="connected"} 2',
      'acebase_ipc_peers{database="mydb_data",role="master",state="connected"} 1',
      'acebase_ipc_peers{database="mydb_data",role="worker",state="away"} 0',
      'acebase_ipc_master_absent_seconds{database="mydb_data"} 0',
      'acebase_ipc_received_messages_total{database="mydb_data",kind="event"} 1',
      'acebase_ipc_relayed_messages_total{database="mydb_data",kind="event"} 2',
      'acebase_ipc_lock_wait_seconds_bucket{database="mydb_data",le="0.025"} 0',
      'acebase_ipc_lock_wait_seconds_bucket{database="mydb_data",le="0.05"} 1',
      'acebase_ipc_lock_wait_seconds_bucket{database="mydb_data",le="120"} 1',
      'acebase_ipc_lock_wait_seconds_bucket{database="mydb_data",le="+Inf"} 1',
      'acebase_ipc_lock_wait_seconds_sum{database="mydb_data"} 0.04',
      'acebase_ipc_lock_wait_seconds_count{database="mydb_data"} 1',
      'acebase_ipc_locks{database="mydb_data",state="held"} 1',
      'acebase_ipc_waiting_lock_requests{database="mydb_data"} 1',
      'acebase_ipc_oldest_lock_wait_seconds{database="mydb_data"} 2.5',
      'acebase_ipc_refusals_total{code="IPC_REFUSED_TOKEN"} 3',
      'acebase_ipc_refusals_total{code="IPC_REFUSED_HOST"} 0',
      'acebase_ipc_incidents_total{incident="locks-recovered"} 0',
      'acebase_ipc_dropped_messages_total{reason="undeliverable"} 0',
    ].filter((line) => !lines.includes(line)),
  ).toEqual([]);
  expect(lines.some((line) => /^nodejs_eventloop_lag_p99_seconds /.test(line))).toBe(true);
  expect(lines.some((line) => /^process_resident_memory_bytes /.test(line))).toBe(true);
});

describe('databases beyond those that are measured apart', () => {
  test('are one: sums are added up, of times it is the longest', async () => {
    const lab = new BrokerLab({ maxDatabases: 1_000 });
    for (let index = 0; index < MAX_MEASURED_DATABASES; index++) lab.connect('worker01', `db${index}`);
    lab.connect('worker01', 'late1').says('ping');
    lab.clock.advance(2_000);
    lab.connect('worker01', 'late2').says('ping');
    lab.connect('worker02', 'late2');
    lab.clock.advance(1_000);
    const lines = await linesOf(lab);
    const databases = lines.flatMap((line) => /database="([^"]+)"/.exec(line)?.[1] ?? []);
    expect(new Set(databases).size).toBe(MAX_MEASURED_DATABASES + 1);
    expect(databases.filter((name) => name.startsWith('late'))).toEqual([]);
    expect(
      [
        `acebase_ipc_databases ${MAX_MEASURED_DATABASES + 2}`,
        'acebase_ipc_peers{database="other",role="worker",state="connected"} 3',
        'acebase_ipc_master_absent_seconds{database="other"} 3',
        'acebase_ipc_received_messages_total{database="other",kind="ping"} 2',
      ].filter((line) => !lines.includes(line)),
    ).toEqual([]);
  });
});

test('masters that the server runs, those that have not told how they are among them', async () => {
  const masters = [
    MANAGED,
    { ...MANAGED, database: 'shop', state: 'failed', restarts: 4, vitals: undefined } as const,
  ];
  const lines = await linesOf(new BrokerLab(), new Map(), masters);
  expect(lines.filter((line) => line.startsWith('acebase_ipc_managed_master_'))).toEqual([
    'acebase_ipc_managed_master_up{database="mydb_data"} 1',
    'acebase_ipc_managed_master_up{database="shop_data"} 0',
    'acebase_ipc_managed_master_restarts_total{database="mydb_data"} 0',
    'acebase_ipc_managed_master_restarts_total{database="shop_data"} 4',
    'acebase_ipc_managed_master_resident_memory_bytes{database="mydb_data"} 80000000',
    'acebase_ipc_managed_master_event_loop_delay_seconds{database="mydb_data"} 0.001234',
  ]);
});

test('what is asked twice is looked at twice', async () => {
  let looks = 0;
  const lab = new BrokerLab();
  const metrics = new Metrics(() => {
    looks += 1;
    return {
      version: '',
      isReady: true,
      connections: looks,
      summaries: [],
      masters: [],
      totals: new Map(),
      incidents: lab.histories.incidents.totals,
      refusals: new Map(),
    };
  });
  const both = [await metrics.text(), await metrics.text()];
  expect(both.map(({ text }) => /^acebase_ipc_connections (\d)$/m.exec(text)?.[1])).toEqual(['1', '2']);
});

test('servers that come and go leave no watchers of the process behind', async () => {
  const observe = vi.spyOn(PerformanceObserver.prototype, 'observe');
  onTestFinished(() => observe.mockRestore());
  const lab = new BrokerLab();
  for (let servers = 0; servers < 3; servers++) {
    const lines = await linesOf(lab);
    expect(lines.filter((line) => /^# TYPE nodejs_gc_duration_seconds /.test(line))).toHaveLength(1);
  }
  // The first in this process begins to watch.
  expect(observe.mock.calls.length).toBeLessThanOrEqual(1);
});
