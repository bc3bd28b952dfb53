import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import { ByteBudget } from '../../../src/broker/memory.js';
import { Outbox } from '../../../src/broker/peers/outbox.js';
import type { Link } from '../../../src/broker/ports.js';
import { LIMITS } from '../../support/broker-lab.js';
import { VirtualClock } from '../../support/virtual-clock.js';

/** Frees what nobody uses, at once. */
function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  // What is young is moved at first.
  collect();
  collect();
}

const MIB = 1024 * 1024;

function lab(framesSoFar: () => number) {
  const pings: number[] = [];
  const link = {
    bufferedBytes: 0,
    bytesReceived: 0,
    roundTrip: undefined,
    send: () => undefined,
    ping: (token: number) => pings.push(token),
    close: () => undefined,
  } as unknown as Link;
  const outbox = new Outbox(link, {
    limits: { ...LIMITS, largeMessages: 'websocket', maxBuffered: MIB },
    clock: new VirtualClock(),
    incidents: { record: () => undefined },
    peerId: 'peerA',
    kept: new ByteBudget(Number.POSITIVE_INFINITY),
    isTracked: true,
    isCounted: false,
    framesSoFar,
    nextMessageNumber: () => 1,
  });
  return { outbox, pings };
}

// Else their senders would be told that they have arrived, and would not say them again if the server ended now.
it('counts what was held back as read only when it was sent, and that was read', () => {
  let frames = 10;
  const { outbox, pings } = lab(() => frames);
  const send = (): boolean => outbox.send(new Uint8Array(1));
  const pong = (): void => outbox.acknowledge(pings.shift() ?? 0);
  send();
  frames = 20;
  send();
  pong();
  expect([outbox.caughtUpTo, pings.length]).toEqual([9, 1]);
  // What came of the sixth one was held back, and the ping that is under way does not ask for it.
  outbox.hasAllUpTo(5);
  send();
  expect(outbox.caughtUpTo).toBe(5);
  pong();
  expect(outbox.caughtUpTo).toBe(5);
  pong();
  expect(outbox.caughtUpTo).toBe(Number.POSITIVE_INFINITY);
});

it('keeps little more memory alive than the frames that were not confirmed, though each is a part of a long chunk', () => {
  const { outbox, pings } = lab(() => 1);
  collectGarbage();
  const before = process.memoryUsage().arrayBuffers;
  const send = (count: number): void => {
    for (let frame = 0; frame < count; frame++) outbox.send(new Uint8Array(64 * 1024).subarray(0, 100));
  };
  const grown = (): number => {
    collectGarbage();
    return (process.memoryUsage().arrayBuffers - before) / MIB;
  };
  send(4_000);
  expect(grown()).toBeLessThan(70);
  expect(grown()).toBeGreaterThan(50);
  // A confirmed one lets the next ones be kept as they are: a ping for what was written behind the first one is under way.
  for (const token of pings.splice(0)) outbox.acknowledge(token);
  for (const token of pings.splice(0)) outbox.acknowledge(token);
  expect(grown()).toBeLessThan(2);
  send(500);
  expect(grown()).toBeGreaterThan(25);
});
