import { expect, onTestFinished, test, vi } from 'vitest';
import { StatusBoard } from '../../../src/server/monitoring/status.js';
import {
  ADMIN_STATUS_STREAMS,
  MAX_STATUS_STREAMS,
  MAX_STATUS_STREAMS_OF_ONE,
  StatusStreams,
  type Viewer,
} from '../../../src/server/monitoring/status-streams.js';
import { BrokerLab } from '../../support/broker-lab.js';

const viewer = (sees: Viewer['sees'] = () => true): Viewer => ({ address: '10.0.0.1', isAdmin: true, sees });

function boardOf(lab: BrokerLab): StatusBoard {
  const limits = {
    maxBuffered: 1_000,
    maxMailPerPeer: 1_000,
    lockTimeout: 120_000,
    reconnectGrace: 11_000,
    managed: new Set<string>(),
  };
  const server = () => ({
    version: '9',
    startedAt: 0,
    draining: false,
    bufferedBytes: 0,
    eventLoopDelayP99: 0,
    connections: 0,
    maxConnections: 20_000,
    descriptors: null,
    problems: [],
  });
  return new StatusBoard({ overview: lab.overview, clock: lab.clock, limits, server, masters: [] });
}

function streamsOf(lab: BrokerLab) {
  let looks = 0;
  const streams = new StatusStreams({
    clock: lab.clock,
    look: () => {
      looks += 1;
      return boardOf(lab);
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
  const one = streams.open(viewer((name) => name === 'first'))?.getReader();
  const all = streams.open(viewer())?.getReader();
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
  const reader = streams.open(viewer())?.getReader();
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

test(`no more than ${MAX_STATUS_STREAMS} may watch, and no more than ${MAX_STATUS_STREAMS_OF_ONE} from one address`, () => {
  const { streams } = streamsOf(new BrokerLab());
  const isIn = (address: string, isAdmin: boolean) =>
    streams.open({ address, isAdmin, sees: () => true }) !== undefined;
  const count = (addresses: number, name: string, isAdmin: boolean) => {
    let opened = 0;
    for (let address = 0; address < addresses; address++) {
      for (let tries = 0; tries < 10; tries++) if (isIn(`${name}${address}`, isAdmin)) opened++;
    }
    return opened;
  };
  expect(count(1, 'worker', false)).toBe(MAX_STATUS_STREAMS_OF_ONE);
  // Some are left for whoever has the admin token, however many others there are.
  expect(count(10, 'other', false)).toBe(
    MAX_STATUS_STREAMS - ADMIN_STATUS_STREAMS - MAX_STATUS_STREAMS_OF_ONE,
  );
  expect(count(1, 'worker', true)).toBe(0);
  expect(count(10, 'admin', true)).toBe(ADMIN_STATUS_STREAMS);
  streams.close();
  expect(isIn('worker0', false)).toBe(true);
  streams.close();
});

test('a database is written as JSON once, for all who see it', () => {
  const lab = new BrokerLab();
  for (const name of ['first', 'second']) lab.connect('worker01', name);
  const board = boardOf(lab);
  const sights = [() => true, (name: string) => name === 'first', () => false];
  const stringify = vi.spyOn(JSON, 'stringify');
  onTestFinished(() => stringify.mockRestore());
  const texts = sights.map((sees) => board.text(sees));
  const written = stringify.mock.calls.flatMap(([value]) => (value as { name?: string }).name ?? []);
  expect(written).toEqual(['first', 'second']);
  expect(texts.map((text) => JSON.parse(text))).toEqual(sights.map((sees) => board.status(sees)));
});
