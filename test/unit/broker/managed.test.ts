import { expect, it } from 'vitest';
import { BrokerLab, LIMITS } from '../../support/broker-lab.js';

/** What the welcome of a client says of the master that the server runs. */
function facts(managed: readonly string[]): unknown {
  const client = new BrokerLab({}, new Set(managed)).connectClient('worker01', 'session-of-worker-01');
  const welcome = client.received.find((text) => text.startsWith('welcome:')) ?? '';
  return JSON.parse(welcome.slice('welcome:'.length)).session.managed;
}

it('tells clients how the master is that this server runs [PROTOCOL-14.14]', () => {
  const { lockTimeout } = LIMITS;
  expect(facts(['mydb_data'])).toEqual({ log: false, lockTimeout });
  expect(facts(['mydb_data', 'mydb_transaction'])).toEqual({ log: true, lockTimeout });
  expect(facts([])).toBeUndefined();
  expect(facts(['shop_data'])).toBeUndefined();
});

it('tells it again when a session is resumed', () => {
  const lab = new BrokerLab({ reconnectGrace: 11_000 }, new Set(['mydb_data']));
  lab.connectClient('worker01', 'session-of-worker-01').leaves();
  const again = lab.connectClient('worker01', 'session-of-worker-01', 0);
  expect(again.received[0]).toContain('"managed":{"log":false');
});
