import { afterEach, expect, it } from 'vitest';
import { Cluster } from '../support/cluster.js';

const WRITES = 20;

let cluster: Cluster | undefined;

afterEach(async () => {
  await cluster?.end();
});

// The master of AceBase grants a read as long as no write is under way, whoever waits: by itself it never gets to the
// writes, and the commands of this test run out of time. With our client, readers keep a lock for each other.
it.each([
  { name: 'stock clients', client: false },
  { name: 'our client', client: true },
])('readers that never pause let a writer through: $name', async ({ client }) => {
  cluster = await Cluster.start();
  const [master, ...workers] = await cluster.form(4, { client });
  const keys = Array.from({ length: WRITES }, (_, n) => `item${n}`);
  await master.set('shop', Object.fromEntries(keys.map((key, n) => [key, { n, text: key.repeat(30) }])));
  const [writer, ...readers] = workers;

  let isReading = true;
  const read = async (reader: (typeof readers)[number]) => {
    let reads = 0;
    for (; isReading; reads++) await reader.get('shop');
    return reads;
  };
  // Three of them, with two loops each: fewer leave gaps in which any server lets a writer through. Two, since
  // while one of them has its answer on the way to this process, the other one reads.
  const reading = Promise.all([...readers, ...readers].map(read));
  reading.catch(() => undefined);
  await Promise.all(readers.map((reader) => reader.untilReceived('lock-result', 20)));

  for (const [n, key] of keys.entries()) await writer.set(`shop/${key}/n`, 1000 + n);
  isReading = false;
  for (const reads of await reading) expect(reads).toBeGreaterThan(0);
  const seen = await (readers[0] as (typeof readers)[number]).get<Record<string, { n: number }>>('shop');
  expect(keys.map((key) => seen[key]?.n)).toEqual(keys.map((_, n) => 1000 + n));
});
