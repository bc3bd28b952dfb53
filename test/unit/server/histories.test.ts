import { expect, test } from 'vitest';
import {
  MAX_MEASURED_DATABASES,
  MAX_REMEMBERED_DATABASES,
  OTHER_DATABASES,
} from '../../../src/server/monitoring/history.js';
import { BrokerLab } from '../../support/broker-lab.js';

/** A peer comes to that database, says something, and goes. */
function visit(lab: BrokerLab, database: string): void {
  const peer = lab.connect('worker01', database);
  peer.says('ping');
  peer.leaves();
}

const pings = (lab: BrokerLab) =>
  [...lab.overview.totals()].map(([label, { frames, sent }]) => [label, frames.ping.received, sent]);

test('the first databases are measured under their own names for ever, all others together', () => {
  const lab = new BrokerLab();
  const names = Array.from({ length: MAX_MEASURED_DATABASES + 50 }, (_, index) => `db${index}`);
  for (const name of names) visit(lab, name);
  const totals = new Map(pings(lab).map(([label, received]) => [label, received]));
  expect(totals.size).toBe(MAX_MEASURED_DATABASES + 1);
  expect(totals.get(OTHER_DATABASES)).toBe(50);
  expect(totals.get('db0')).toBe(1);
  // Long forgotten, it goes on where it was.
  expect(lab.overview.report('db0')).toBeUndefined();
  visit(lab, 'db0');
  visit(lab, `db${MAX_MEASURED_DATABASES}`);
  const later = new Map(pings(lab).map(([label, received]) => [label, received]));
  expect(later.get('db0')).toBe(2);
  expect(later.get(OTHER_DATABASES)).toBe(51);
});

test('a database that is called like the rest is measured with the rest', () => {
  const lab = new BrokerLab();
  visit(lab, OTHER_DATABASES);
  visit(lab, 'mydb');
  expect(pings(lab)).toEqual([
    [OTHER_DATABASES, 1, 2],
    ['mydb', 1, 2],
  ]);
});

test('of databases that were left, the ones that were left first are forgotten', () => {
  const lab = new BrokerLab();
  for (let index = 0; index < MAX_REMEMBERED_DATABASES; index++) visit(lab, `db${index}`);
  visit(lab, 'db0');
  visit(lab, 'one-more');
  expect(lab.overview.databases).toHaveLength(MAX_REMEMBERED_DATABASES);
  expect(lab.overview.report('db0')?.timeline).toHaveLength(4);
  expect(lab.overview.report('db1')).toBeUndefined();
  expect(lab.overview.report('db2')?.peerCount).toBe(0);
});
