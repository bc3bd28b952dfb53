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
