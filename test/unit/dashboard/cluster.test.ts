import { expect, test } from 'vitest';
import {
  allWell,
  exampleCode,
  firstChoice,
  healthOf,
  sortedPeers,
  sortedProblems,
  titleOf,
} from '../../../dashboard/src/cluster.js';
import type { Problem } from '../../../dashboard/src/status.js';
import { tokenFault } from '../../../dashboard/src/token.js';
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
  expect(titleOf(statusOf([fine, warned]))).toBe('(!) warned · AceBase IPC server');
  expect(titleOf(statusOf([broken, warned]))).toBe('(!) 2 databases · AceBase IPC server');
});

test('says in a sentence that all is well', () => {
  expect(allWell(fine)).toBe('The master is connected, with 1 worker, and nobody waits for a lock.');
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
