import { expect, test } from 'vitest';
import { History, WINDOW_MS } from '../../../dashboard/src/history.js';
import type { PeerStatus, Totals } from '../../../dashboard/src/status.js';
import { databaseStatus, NOON, peerStatus, statusOf } from '../../support/scripted-status.js';

/** What the server says this many seconds after noon. */
function at(
  second: number,
  totals: Partial<Totals>,
  { peers = [], startedAt = 0 }: { peers?: readonly PeerStatus[]; startedAt?: number } = {},
) {
  const none = databaseStatus().totals;
  const database = databaseStatus({ totals: { ...none, ...totals }, peers });
  return statusOf([database], { now: NOON + second * 1_000, startedAt });
}

const last = (history: History) => history.samples('mydb_data').at(-1);

test('makes rates of what two statuses counted', () => {
  const history = new History();
  history.add(at(0, { messagesIn: 100, messagesOut: 50 }));
  expect(last(history)).toEqual({ at: NOON, in: null, out: null, lockWait: null });
  history.add(at(2, { messagesIn: 110, messagesOut: 150 }));
  expect(last(history)).toEqual({ at: NOON + 2_000, in: 5, out: 50, lockWait: null });
});

test('tells how long they waited that got a lock meanwhile, and nothing where nobody did', () => {
  const history = new History();
  history.add(at(0, { lockWaitCount: 10, lockWaitSum: 1_000 }));
  history.add(at(1, { lockWaitCount: 14, lockWaitSum: 1_020 }));
  history.add(at(2, { lockWaitCount: 14, lockWaitSum: 1_020 }));
  expect(history.samples('mydb_data').map(({ lockWait }) => lockWait)).toEqual([null, 5, null]);
});

test('makes no rate over a restart of the server, a long silence, or a clock that was set back', () => {
  const history = new History();
  history.add(at(0, { messagesIn: 100 }));
  history.add(at(1, { messagesIn: 300 }, { startedAt: 1 }));
  expect(last(history)?.in).toBeNull();
  history.add(at(30, { messagesIn: 400 }, { startedAt: 1 }));
  expect(last(history)?.in).toBeNull();
  history.add(at(20, { messagesIn: 500 }, { startedAt: 1 }));
  expect(history.samples('mydb_data').map(({ at: time }) => (time - NOON) / 1_000)).toEqual([0, 1, 20]);
  expect(last(history)?.in).toBeNull();
});

test('makes no rate where a database counts from zero again', () => {
  const history = new History();
  history.add(at(0, { messagesIn: 100, messagesOut: 5 }));
  history.add(at(1, { messagesIn: 3, messagesOut: 7 }));
  expect(last(history)).toMatchObject({ in: null, out: 2 });
});

test('tells the rates of a peer, but not of one that came again', () => {
  const history = new History();
  const peer = peerStatus({ id: 'worker01', connectedAt: 1, messagesIn: 10, messagesOut: 20 });
  history.add(at(0, {}, { peers: [peer] }));
  expect(history.rateOf('mydb_data', 'worker01')).toBeUndefined();
  history.add(at(2, {}, { peers: [{ ...peer, messagesIn: 14, messagesOut: 30 }] }));
  expect(history.rateOf('mydb_data', 'worker01')).toEqual({ in: 2, out: 5 });
  history.add(at(3, {}, { peers: [{ ...peer, connectedAt: 2, messagesIn: 100, messagesOut: 100 }] }));
  expect(history.rateOf('mydb_data', 'worker01')).toBeUndefined();
  expect(history.rateOf('other', 'worker01')).toBeUndefined();
});

test('keeps the last minutes, at most 600 samples, and only of databases that are there', () => {
  const history = new History();
  for (let second = 0; second <= WINDOW_MS / 1_000 + 10; second++) history.add(at(second, {}));
  const samples = history.samples('mydb_data');
  expect(samples[0]?.at).toBe(NOON + 10_000);
  for (let i = 0; i < 1_000; i++) history.add(at(400 + i / 1_000, {}));
  expect(history.samples('mydb_data')).toHaveLength(600);
  history.add(statusOf([]));
  expect(history.samples('mydb_data')).toEqual([]);
});
