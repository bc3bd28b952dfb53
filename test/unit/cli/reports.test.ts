import { describe, expect, test } from 'vitest';
import { describe as describeReport, rowsOf, SUBJECTS } from '../../../src/cli/reports.js';
import type { DatabaseStatus, Status } from '../../../src/server/monitoring/status.js';
import {
  exampleDatabase,
  exampleMaster,
  examplePeer,
  exampleStatus,
  NOW,
} from '../../support/example-status.js';

const held = {
  id: 7,
  holder: 'worker01',
  tid: 'transaction1',
  path: 'orders/1',
  write: true,
  comment: 'transactNode',
  heldFor: 1_200,
  state: 'held',
} as const;
const waiting = {
  requester: 'worker02',
  tid: 'transaction2',
  path: 'orders\u001b[2J\n',
  write: false,
  comment: '',
  waitingFor: 34,
  reason: 'locks of others',
} as const;
const root = { state: 'write', heldFor: 1_300 } as const;
const locks = { root, held: [held], waiting: [waiting], heldCount: 1, waitingCount: 1 };
const lines = (text: string) => text.split('\n');

describe('tables', () => {
  test('of peers', () => {
    const away = examplePeer({
      id: 'worker02',
      state: 'away',
      client: 'acebase-ipc-server/2.1.0',
      keepsJournal: true,
      pid: 4_711,
      mail: { messages: 2, bytes: 2_048_000 },
    });
    const { peers } = exampleDatabase();
    const status = exampleStatus(exampleDatabase({ peers: [...peers, away], peerCount: 5 }));
    expect(lines(describeReport(status, { subject: 'peers' }))).toEqual([
      'DATABASE   PEER      STATE          CAME  CLIENT                    JOURNAL   PID  ADDRESS           IN    OUT    PING      WAITS',
      'mydb_data  [master]  connected  14 s ago  stock                     no          –  10.0.0.1:1000  1,234  5,678       –          –',
      'mydb_data  worker01  connected  14 s ago  stock                     no          –  10.0.0.1:1000  1,234  5,678  0.4 ms          –',
      'mydb_data  worker02  away       14 s ago  acebase-ipc-server/2.1.0  yes      4711  10.0.0.1:1000  1,234  5,678  0.4 ms  2,000 KiB',
      '2 more peers are not shown',
      'mydb_data: the file is not crash-safe: [master], worker01 are connected, and keep no journal',
    ]);
  });

  test.each([
    [{ inForce: true, without: [], withoutCount: 0 }, ['mydb_data: the file is crash-safe']],
    [
      { inForce: false, without: ['stock1'], withoutCount: 1 },
      ['mydb_data: the file is not crash-safe: stock1 is connected, and keeps no journal'],
    ],
    [
      { inForce: false, without: ['stock1', 'stock2'], withoutCount: 5 },
      ['mydb_data: the file is not crash-safe: stock1, stock2 and 3 more are connected, and keep no journal'],
    ],
    [
      { inForce: false, without: [], withoutCount: 0 },
      [
        'mydb_data: the file is not crash-safe at the moment: the server waits for processes from before its restart, or for one that checks the journal',
      ],
    ],
    // A server of an older version.
    [undefined, []],
  ])('of peers say whether the file is crash-safe: %j', (journal, said) => {
    const database = { ...exampleDatabase(), journal } as DatabaseStatus;
    const text = describeReport(exampleStatus(database), { subject: 'peers' });
    expect(lines(text).filter((line) => line.includes('crash-safe'))).toEqual(said);
  });

  test('of locks, in which a path is no command to the terminal', () => {
    const peers = [examplePeer({ pid: 4_711 }), examplePeer({ id: 'worker02' })];
    const status = exampleStatus(exampleDatabase({ peers, locks: { ...locks, waitingCount: 11 } }));
    expect(lines(describeReport(status, { subject: 'locks' }))).toEqual([
      'DATABASE   PEER      STATE      FOR   PID  TO     PATH         REASON           COMMENT       TRANSACTION',
      'mydb_data  worker01  held       1 s  4711  write  orders/1     –                transactNode  transaction1',
      'mydb_data  worker02  waiting  34 ms     –  read   orders·[2J·  locks of others                transaction2',
      '10 more locks are not shown',
      'mydb_data: root lock at the master: write, for 1 s',
    ]);
    const asked = exampleStatus(exampleDatabase({ locks: { ...locks, root: { state: 'asked' } } }));
    expect(describeReport(asked, { subject: 'locks' })).toContain(
      'mydb_data: root lock at the master: requested',
    );
    expect(describeReport(exampleStatus(exampleDatabase()), { subject: 'locks' })).toBe(
      'no worker holds a lock, and none waits for one',
    );
  });

  test('of databases, with what is wrong and what to do', () => {
    const problem = { code: 'no-master', since: 0, message: 'mydb has no master', remedy: 'Start it.' };
    const status = exampleStatus(
      exampleDatabase({ locks }),
      exampleDatabase({
        name: 'other_data',
        master: null,
        masterAbsentFor: 14_000,
        peers: [examplePeer()],
        problems: [
          { ...problem, severity: 'critical' },
          { ...problem, severity: 'warning' },
        ],
      }),
      exampleDatabase({ name: 'left_data', master: null, peers: [], peerCount: 0 }),
    );
    expect(lines(describeReport(status, { subject: 'databases' }))).toEqual([
      'version 9.8.7, running for 2 h: 1,002 connections, event loop delay 1.5 ms',
      '',
      'DATABASE    MASTER         PEERS  LOCKS  WAITING  MAIL  IN  OUT  MEAN LOCK WAIT',
      'mydb_data   connected          2      1        1     –   1    2          2.5 ms',
      'other_data  none for 14 s      2      0        0     –   1    2          2.5 ms',
      'left_data   nobody there       0      0        0     –   1    2          2.5 ms',
      '',
      'CRITICAL: mydb has no master',
      '  Start it.',
      'WARNING: mydb has no master',
      '  Start it.',
    ]);
  });

  test('of one connection', () => {
    const status = exampleStatus(exampleDatabase());
    const text = describeReport(
      { ...status, server: { ...status.server, connections: 1 } },
      { subject: 'databases' },
    );
    expect(text).toContain(': 1 connection, event loop delay');
  });

  test.each(SUBJECTS)('of %s lose columns, not lines, where the terminal is narrow', (subject) => {
    const status = exampleStatus(exampleDatabase({ locks }));
    const wide = lines(describeReport(status, { subject })).filter((line) => line.startsWith('mydb_data '));
    const narrow = lines(describeReport(status, { subject, width: 62 }));
    const rows = narrow.filter((line) => /^(?:DATABASE|mydb_data) /.test(line));
    expect(rows).toHaveLength(wide.length + 1);
    expect(rows.filter((line) => line.length > 62)).toEqual([]);
    expect(rows[0]).toContain(subject === 'databases' ? 'WAITING' : 'STATE');
  });

  test('say that nobody is there', () => {
    expect(describeReport(exampleStatus(), { subject: 'peers', database: 'mydb' })).toBe(
      'nobody is connected to mydb',
    );
    expect(describeReport(exampleStatus(), { subject: 'databases' })).toBe('nobody is connected');
  });
});

describe('masters that the server runs', () => {
  const failed = exampleMaster({
    state: 'failed',
    since: NOW - 14_000,
    pid: null,
    restarts: 7,
    lastReason: 'no such file',
    nextStartAt: NOW + 8_000,
    rss: null,
    eventLoopDelayP99: null,
    problems: [
      {
        code: 'managed-master-failed',
        since: NOW,
        message: 'mydb fails',
        remedy: 'Mend it.',
        severity: 'critical',
      },
    ],
  });

  test('are told of with peers and databases, also where nobody is connected', () => {
    const well = { ...exampleStatus(exampleDatabase()), masters: [exampleMaster()] };
    for (const subject of ['peers', 'databases'] as const)
      expect(lines(describeReport(well, { subject }))).toContain(
        'mydb: the server runs the master itself: serving for 60 s (pid 4711, 80 MiB, event loop delay 1.2 ms)',
      );
    expect(describeReport(well, { subject: 'locks' })).not.toContain('4711');
    const nobody = { ...exampleStatus(), masters: [failed] };
    expect(lines(describeReport(nobody, { subject: 'databases' }))).toEqual([
      'nobody is connected',
      'mydb: the server runs the master itself: failed for 14 s (started again 7 times, next start in 8 s); the last one ended: no such file',
      '',
      'CRITICAL: mydb fails',
      '  Mend it.',
    ]);
  });

  test('are unknown to a server of an older version', () => {
    const { server, databases } = exampleStatus();
    const older = { server, databases } as unknown as Status;
    expect(describeReport(older, { subject: 'databases' })).toBe('nobody is connected');
  });
});

describe('rows for programs', () => {
  test('of peers', () =>
    expect(rowsOf('peers', exampleStatus(exampleDatabase()))).toMatchObject([
      { database: 'mydb_data', id: '[master]', client: 'stock', since: '2023-11-14T22:13:06.000Z' },
      { database: 'mydb_data', id: 'worker01', roundTrip: 0.4 },
    ]));
  test('of locks', () =>
    expect(rowsOf('locks', exampleStatus(exampleDatabase({ locks })))).toEqual([
      { database: 'mydb_data', pid: null, ...held },
      { database: 'mydb_data', pid: null, ...waiting, state: 'waiting' },
    ]));
  test('of databases', () =>
    expect(rowsOf('databases', exampleStatus(exampleDatabase()))).toEqual([exampleDatabase()]));
});
