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

it('keeps little more memory alive than the frames that were not confirmed, though each is a part of a long chunk', () => {
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
    framesSoFar: () => 1,
    nextMessageNumber: () => 1,
  });
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
