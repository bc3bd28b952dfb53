import { expect, test } from 'vitest';
import { refusalProblems } from '../../../src/server/monitoring/refusal-problems.js';
import { RECENT_MS, RecentRefusals } from '../../../src/server/recent-refusals.js';
import { VirtualClock } from '../../support/virtual-clock.js';

const WALL = 1_700_000_000_000;

test('refusals of the last minute are told by reason, the most frequent first, and then forgotten', () => {
  const clock = new VirtualClock();
  const recent = new RecentRefusals(clock);
  recent.add('IPC_REFUSED_DATABASE');
  for (let second = 0; second < 12; second++) {
    recent.add('IPC_REFUSED_TOKEN');
    clock.advance(1_000);
  }
  expect(refusalProblems(recent, WALL)).toEqual([
    {
      code: 'IPC_REFUSED_TOKEN',
      since: WALL - 12_000,
      message: '12 attempts to connect were refused in the last minute: the token is missing or wrong',
      remedy: expect.stringContaining('`ipc.token`'),
      severity: 'warning',
    },
    expect.objectContaining({
      message:
        '1 attempt to connect was refused in the last minute: this server does not serve that database',
    }),
  ]);
  clock.advance(RECENT_MS - 12_000);
  expect(refusalProblems(recent, WALL).map(({ code }) => code)).toEqual(['IPC_REFUSED_TOKEN']);
  clock.advance(12_000);
  expect(refusalProblems(recent, WALL)).toEqual([]);
});

test('those that mend themselves are no problem, nor is a dashboard without its token', () => {
  const recent = new RecentRefusals(new VirtualClock());
  recent.add('IPC_HTTP_UNAUTHORIZED');
  recent.add('IPC_REFUSED_DRAINING');
  recent.add('IPC_REFUSED_PEER_GONE');
  expect(refusalProblems(recent, WALL)).toEqual([]);
});

test.each([
  'IPC_REFUSED_MALFORMED_HTTP',
  'IPC_REFUSED_TLS_UNTRUSTED',
  'IPC_REFUSED_TLS_EXPECTED',
  'IPC_REFUSED_TLS_UNEXPECTED',
  'IPC_REFUSED_TLS_FAILED',
] as const)(
  '%s of a browser, a scanner or a probe is no problem; of a process that tries again, it is',
  (code) => {
    const clock = new VirtualClock();
    const recent = new RecentRefusals(clock);
    // A browser, and a port scanner: many at once, and again when somebody reloads the page.
    for (let visit = 0; visit < 2; visit++) {
      for (let attempt = 0; attempt < 3; attempt++) recent.add(code);
      clock.advance(20_000);
    }
    expect(refusalProblems(recent, WALL)).toEqual([]);
    const scanned = new RecentRefusals(clock);
    for (let attempt = 0; attempt < 100; attempt++) scanned.add(code);
    clock.advance(20_000);
    expect(refusalProblems(scanned, WALL)).toEqual([]);
    // Our client, once it waits for longest between two attempts.
    const tried = new RecentRefusals(clock);
    for (let attempt = 0; attempt < 10; attempt++, clock.advance(5_000)) tried.add(code);
    expect(refusalProblems(tried, WALL)).toMatchObject([
      { code, message: expect.stringMatching(/^10 attempts/) },
    ]);
  },
);
