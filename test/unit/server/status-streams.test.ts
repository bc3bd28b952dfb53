import { expect, test } from 'vitest';
import { StatusBoard } from '../../../src/server/monitoring/status.js';
import { MAX_STATUS_STREAMS, StatusStreams } from '../../../src/server/monitoring/status-streams.js';
import { BrokerLab } from '../../support/broker-lab.js';

function streamsOf(lab: BrokerLab) {
  let looks = 0;
  const limits = {
    maxBuffered: 1_000,
    maxMailPerPeer: 1_000,
    lockTimeout: 120_000,
    reconnectGrace: 11_000,
  };
  const server = () => ({
    version: '9',
    startedAt: 0,
    draining: false,
    eventLoopDelayP99: 0,
    connections: 0,
  });
  const streams = new StatusStreams({
    clock: lab.clock,
    look: () => {
      looks += 1;
      return new StatusBoard({ broker: lab.broker, clock: lab.clock, limits, server });
    },
  });
  return { streams, looks: () => looks };
}

async function namesIn(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<string[]> {
  const { value } = await reader.read();
  const [event, data = ''] = new TextDecoder().decode(value).trim().split('\ndata: ');
  expect(event).toBe('event: status');
  const { databases } = JSON.parse(data) as { databases: { name: string }[] };
  return databases.map(({ name }) => name);
}

test('each gets what it may see, at once and then each second; everything is looked at once for all', async () => {
  const lab = new BrokerLab();
  lab.connect('worker01', 'first');
  const { streams, looks } = streamsOf(lab);
  const one = streams.open((name) => name === 'first')?.getReader();
  const all = streams.open(() => true)?.getReader();
  if (one === undefined || all === undefined) throw new Error('they were refused');
  expect([await namesIn(one), await namesIn(all)]).toEqual([['first'], ['first']]);
  lab.connect('worker01', 'second');
  expect(looks()).toBe(2);
  lab.clock.advance(1_000);
  expect(looks()).toBe(3);
  expect([await namesIn(one), await namesIn(all)]).toEqual([['first'], ['first', 'second']]);
  await one.cancel();
  expect(streams.size).toBe(1);
  streams.close();
  expect((await all.read()).done).toBe(true);
});

test('nothing is kept for who does not read, and nothing goes on when nobody watches', async () => {
  const lab = new BrokerLab();
  const { streams } = streamsOf(lab);
  const { pending } = lab.clock;
  const reader = streams.open(() => true)?.getReader();
  if (reader === undefined) throw new Error('it was refused');
  lab.clock.advance(5_000);
  expect(await namesIn(reader)).toEqual([]);
  lab.connect('worker01', 'mydb');
  lab.clock.advance(1_000);
  expect(await namesIn(reader)).toEqual(['mydb']);
  const watching = lab.clock.pending;
  await reader.cancel();
  expect(lab.clock.pending).toBe(watching - 1);
  expect(streams.size).toBe(0);
  expect(pending).toBe(0);
});

test(`no more than ${MAX_STATUS_STREAMS} may watch`, () => {
  const { streams } = streamsOf(new BrokerLab());
  const opened = Array.from({ length: MAX_STATUS_STREAMS }, () => streams.open(() => true));
  expect(opened.every((stream) => stream !== undefined)).toBe(true);
  expect(streams.open(() => true)).toBeUndefined();
  streams.close();
  expect(streams.open(() => true)).toBeDefined();
  streams.close();
});
