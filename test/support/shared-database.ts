import { expect } from 'vitest';
import { AceBaseProcess } from './acebase-process.js';
import type { DatabaseClient, HttpLoad, Write } from './http-load.js';
import { eventually } from './waiting.js';

/**
 * What a cluster is for: what one process writes, another reads, finds by a query and hears of, and transactions of
 * several processes do not lose each other's changes.
 *
 * @param clients of several processes of the cluster
 * @param observer another process of it
 */
export async function expectSharedDatabase(
  clients: readonly [DatabaseClient, DatabaseClient],
  observer: AceBaseProcess,
): Promise<void> {
  const [first, second] = clients;
  const people = await observer.subscribe('people', 'child_added');

  // Nothing tells when a process that serves HTTP knows of the subscription, so both write until an event came.
  for (const client of clients) {
    const seen = people.events.length;
    let count = 0;
    await eventually(async () => {
      count += 1;
      await client.set(`people/probe${clients.indexOf(client)}-${count}`, { age: 0 });
      return people.events.length > seen;
    });
  }
  await first.set('people/anna', { age: 31 });
  await second.set('people/ben', { age: 52 });
  await people.event((event) => event.path === 'people/anna');
  await people.event((event) => event.path === 'people/ben');

  expect(await second.get('people/anna')).toEqual({ age: 31 });
  expect(await first.get('people/ben')).toEqual({ age: 52 });
  expect(await observer.get('people/ben')).toEqual({ age: 52 });
  await observer.set('people/cleo', { age: 40 });
  expect(await first.get('people/cleo')).toEqual({ age: 40 });
  expect([...(await first.query('people', [['age', '>=', 40]]))].sort()).toEqual(['ben', 'cleo']);
  const found = await observer.query('people', [['age', '>', 30]], 'age');
  expect(found.map((result) => result.key)).toEqual(['anna', 'cleo', 'ben']);

  const visits = (client: DatabaseClient) =>
    client.transaction<number>('visits', (value) => (value ?? 0) + 1);
  const alternately = async (client: DatabaseClient) => {
    for (let i = 0; i < 10; i++) await visits(client);
  };
  await Promise.all([...clients.map(alternately), observer.transaction('visits', { increment: 1 })]);
  expect(await observer.get('visits')).toBe(21);
}

/** Opens the file in a process of its own, when all others are gone, and looks for everything that was acknowledged. */
export async function expectStored(
  path: string,
  database: string,
  loads: readonly HttpLoad[],
): Promise<void> {
  const fresh = new AceBaseProcess({ name: 'fresh open', database, path });
  try {
    await fresh.ready();
    for (const load of loads) {
      const stored = await fresh.get<Record<string, Record<string, number>>>(load.name);
      const read = ({ path }: Write) => {
        const [, client = '', key = ''] = path.split('/');
        return stored[client]?.[key];
      };
      const acknowledged = load.acknowledged.all;
      expect(acknowledged.map((write) => ({ ...write, value: read(write) }))).toEqual(acknowledged);
      // Of a write that failed nobody knows whether it was done, but another value cannot be there.
      for (const failure of load.failures) expect([undefined, failure.value]).toContain(read(failure));
    }
  } finally {
    await fresh.kill();
  }
}
