import { expect, test } from 'vitest';
import { MAX_LISTED_DATABASES, StatusBoard } from '../../../src/server/monitoring/status.js';
import { BrokerLab } from '../../support/broker-lab.js';
import { MANAGED } from '../../support/managed-report.js';

const limits = {
  maxBuffered: 1_000,
  maxMailPerPeer: 1_000,
  lockTimeout: 120_000,
  reconnectGrace: 11_000,
  managed: new Set<string>(),
};
const facts = {
  version: '9',
  startedAt: 0,
  draining: false,
  bufferedBytes: 0,
  eventLoopDelayP99: 0,
  connections: 3,
  maxConnections: 20_000,
  descriptors: null,
  problems: [],
};

test('a status lists no more than so many databases, by name, and counts them all', () => {
  const lab = new BrokerLab({ maxDatabases: 1_000 });
  const count = MAX_LISTED_DATABASES + 20;
  for (let index = count; index > 0; index--) {
    lab.connect('worker01', `db${String(index).padStart(3, '0')}`);
  }
  const board = new StatusBoard({
    overview: lab.overview,
    clock: lab.clock,
    limits,
    server: () => facts,
    masters: [],
  });
  const { server, databases } = board.status(() => true);
  expect(server).toMatchObject({ ...facts, databaseCount: count, now: lab.clock.wallTime() });
  expect(databases).toHaveLength(MAX_LISTED_DATABASES);
  expect(databases.map(({ name }) => name).slice(0, 2)).toEqual(['db001', 'db002']);
  const [last] = board.status((name) => name === `db${count}`).databases;
  expect(last).toMatchObject({ name: `db${count}`, peerCount: 1 });
});

test('masters that the server runs are told to whoever may see their database, also where nobody ever connected', () => {
  const lab = new BrokerLab();
  const report = { ...MANAGED, since: lab.clock.now() };
  const board = new StatusBoard({
    overview: lab.overview,
    clock: lab.clock,
    limits,
    server: () => facts,
    masters: [report, { ...report, database: 'other' }],
  });
  expect(board.status(() => true).masters.map(({ database }) => database)).toEqual(['mydb', 'other']);
  expect(board.status((name) => name === 'mydb_data').masters).toMatchObject([{ database: 'mydb' }]);
  expect(board.text((name) => name === 'mydb_data')).not.toContain('other');
  // Nor do its problems stand where everybody reads them.
  expect(board.status(() => false)).toMatchObject({ databases: [], masters: [], server: { problems: [] } });
});
