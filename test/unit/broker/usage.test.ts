import { expect, it } from 'vitest';
import { ReceivedBytes } from '../../../src/broker/usage.js';

it('knows what came since any of the last frames, within a 1,024th of the total', () => {
  const received = new ReceivedBytes(1_024 * 100);
  const count = 30_000;
  for (let frame = 1; frame <= count; frame++) received.add(30, frame);
  for (let back = 0; back < 6_000; back += 7) {
    const since = received.since(count - back);
    expect(since).toBeGreaterThanOrEqual(back * 30);
    expect(since).toBeLessThan(back * 30 + 130);
  }
});

it('says so of what came too long ago, and of the beginning as long as that is remembered', () => {
  const received = new ReceivedBytes(1_024 * 100);
  for (let frame = 1; frame <= 100; frame++) received.add(100, frame);
  expect(received.since(-1)).toBe(10_000);
  for (let frame = 101; frame <= 10_000; frame++) received.add(100, frame);
  expect([received.since(-1), received.since(5_000)]).toEqual([
    Number.POSITIVE_INFINITY,
    Number.POSITIVE_INFINITY,
  ]);
  expect(received.since(8_000)).toBe(200_000);
});
