import { expect, test } from 'vitest';
import {
  calmWords,
  exampleCode,
  firstChoice,
  healthOf,
  managedMasterOf,
  masterWords,
  safetyWords,
  shownHealth,
  sortedPeers,
  sortedProblems,
  titleOf,
} from '../../../dashboard/src/cluster.js';
import type { Problem } from '../../../dashboard/src/status.js';
import { tokenFault } from '../../../dashboard/src/token.js';
import { exampleMaster } from '../../support/example-status.js';
import { databaseStatus, peerStatus, statusOf } from '../../support/scripted-status.js';

function problem(severity: Problem['severity'], since = 0): Problem {
  return { code: `${severity}-${since}`, since, message: '', remedy: '', severity };
}

const fine = databaseStatus({ name: 'fine' });
const warned = databaseStatus({ name: 'warned', problems: [problem('warning')] });
const broken = databaseStatus({ name: 'broken', problems: [problem('warning'), problem('critical')] });

test('a database is as bad as its worst problem', () => {
  expect([fine, warned, broken].map(healthOf)).toEqual(['well', 'warning', 'critical']);
});

test.each([
  [{ inForce: true, without: [], withoutCount: 0 }, /is crash-safe/],
  [{ inForce: false, without: ['a1'], withoutCount: 1 }, /not crash-safe: a1 keeps no journal/],
  [{ inForce: false, without: ['a1', 'a2'], withoutCount: 4 }, /a1, a2 and 2 more keep no journal/],
  [{ inForce: false, without: [], withoutCount: 0 }, /not crash-safe at the moment/],
])('whether a file is crash-safe: %j', (journal, words) => {
  expect(safetyWords(databaseStatus({ journal }))).toMatch(words);
});

test('a master that the server runs: how it is, and that something is wrong with it', () => {
  const master = exampleMaster({ database: 'fine', restarts: 2, lastReason: 'it was ended by SIGKILL' });
  const status = { ...statusOf([fine]), masters: [master] };
  expect(
    ['fine_data', 'fine_transaction', 'other_data'].map((name) => managedMasterOf(status, name)),
  ).toEqual([master, master, undefined]);
  expect(masterWords(master, master.since + 14_000)).toBe(
    'The server runs the master itself: serving for 14 s, process 4711, 80 MiB, event loop delay 1.2 ms, started again 2 times. The last one ended: it was ended by SIGKILL.',
  );
  expect(
    masterWords(
      { ...master, state: 'failed', pid: null, rss: null, nextStartAt: master.since + 20_000 },
      master.since,
    ),
  ).toContain('next start in 20 s');
  expect(titleOf({ ...status, masters: [{ ...master, problems: [problem('critical')] }] })).toBe(
    '(!) AceBase IPC server',
  );
});

test('without a line, nobody knows that all is well', () => {
  expect([fine, warned, broken].map((database) => shownHealth(database, false))).toEqual([
    'well',
    'warning',
    'critical',
  ]);
  expect([fine, warned, broken].map((database) => shownHealth(database, true))).toEqual([
    'left',
    'warning',
    'critical',
  ]);
});

test('the worst database is shown first, else the first one', () => {
  expect(firstChoice(statusOf([fine, warned, broken]))).toBe('broken');
  expect(firstChoice(statusOf([fine, warned]))).toBe('warned');
  expect(firstChoice(statusOf([fine]))).toBe('fine');
  expect(firstChoice(statusOf([]))).toBeUndefined();
});

test('serious problems come first, then old ones', () => {
  const problems = [problem('warning', 1), problem('critical', 3), problem('critical', 2)];
  expect(sortedProblems(problems).map(({ since }) => since)).toEqual([2, 3, 1]);
});

test('the master comes first, then who is away, then the others as they came', () => {
  const peers = [
    peerStatus({ id: 'late0', connectedAt: 9 }),
    peerStatus({ id: 'early', connectedAt: 1 }),
    peerStatus({ id: 'away0', state: 'away', connectedAt: 5 }),
    peerStatus({ id: '[master]', role: 'master', connectedAt: 7 }),
  ];
  expect(sortedPeers(peers).map(({ id }) => id)).toEqual(['[master]', 'away0', 'early', 'late0']);
});

test('the title of the tab tells that something is wrong', () => {
  expect(titleOf(null)).toBe('AceBase IPC server');
  expect(titleOf(statusOf([fine]))).toBe('AceBase IPC server');
  expect(titleOf(statusOf([fine], { problems: [problem('warning')] }))).toBe('(!) AceBase IPC server');
  expect(titleOf(statusOf([fine, warned]))).toBe('(!) warned · AceBase IPC server');
  expect(titleOf(statusOf([broken, warned]))).toBe('(!) 2 databases · AceBase IPC server');
});

test('says how a database is that has no problem', () => {
  const orphaned = databaseStatus({ master: null, peers: [peerStatus()], peerCount: 1 });
  const left = databaseStatus({ master: null, peers: [], peerCount: 0 });
  const busy = databaseStatus({ locks: { ...fine.locks, waitingCount: 2 } });
  expect(calmWords(fine)).toEqual({
    title: 'All is well',
    text: 'The master is connected, with 1 worker. Nobody waits for a lock.',
  });
  expect(calmWords(busy).text).toContain('2 requests for a lock are under way.');
  expect(calmWords(orphaned).title).toBe('No master yet');
  expect(calmWords(left).title).toBe('Nobody is connected');
  expect([orphaned, left].map(healthOf)).toEqual(['warning', 'left']);
});

test('the example reaches the server that the page came from', () => {
  const local = { protocol: 'http:', hostname: 'localhost', port: '9163' };
  expect(exampleCode(local, 'master', false)).toContain(
    "ipc: {\n      port: 9163,\n      role: 'master',\n    }",
  );
  const remote = { protocol: 'https:', hostname: '[fd00::1]', port: '' };
  const code = exampleCode(remote, 'worker', true);
  for (const line of [
    "host: 'fd00::1',",
    'port: 443,',
    'ssl: true,',
    'token: process.env.ACEBASE_IPC_TOKEN,',
  ]) {
    expect(code).toContain(line);
  }
});

test('what cannot be a token is not sent', () => {
  expect(tokenFault('sesame+/=&%')).toBeUndefined();
  for (const text of ['', 'two words', 'naïve', 'x'.repeat(1_025)]) expect(tokenFault(text)).toBeDefined();
});
