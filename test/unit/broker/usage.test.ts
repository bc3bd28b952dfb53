import { expect, it } from 'vitest';
import { ReceivedBytes } from '../../../src/broker/usage.js';
import { BrokerLab } from '../../support/broker-lab.js';

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

// Of a peer that has had nothing to read for long, it counts since it was told something again.
it.each([0, 20])(
  'a broadcast that is not confirmed counts once, after %i messages between two others',
  (count) => {
    const lab = new BrokerLab({ maxBuffered: 1_000_000, maxTotalBuffered: 64_000 });
    const event = (bytes: number) => ({ type: 'event', data: 'x'.repeat(bytes) });
    const sender = lab.connect('peerA');
    lab.connect('peerB');
    const crowd = Array.from({ length: 20 }, (_, n) => lab.connect(`peer${n}x`));
    for (let n = 0; n < count; n++) {
      sender.tells(event(15_000), 'peerB');
      lab.clock.advance(1_000);
    }
    for (const peer of crowd) peer.answersPings = false;
    for (let n = 0; n < 4; n++) sender.tells(event(5_000));
    lab.clock.advance(1_000);
    expect(lab.count('over-total')).toBe(0);
  },
);
