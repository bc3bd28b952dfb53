import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, it } from 'vitest';
import { WatchedProcess } from '../../support/child-process.js';
import { Cluster } from '../../support/cluster.js';
import { get } from '../../support/requests.js';

let cluster: Cluster | undefined;

afterEach(async () => {
  await cluster?.end();
});

const file = (path: string) => fileURLToPath(new URL(path, import.meta.url));

it.each([
  { master: true, workers: [false, false] },
  { master: false, workers: [true, true] },
  { master: true, workers: [true, false] },
  { master: false, workers: [true, false] },
] as const)(
  'stock clients and ours share a database: $master, $workers',
  async ({ master: ours, workers: kinds }) => {
    cluster = await Cluster.start();
    const master = cluster.master({ client: ours });
    await master.ready();
    const workers = kinds.map((client) => cluster?.worker({ client }));
    const [first, second] = workers as [NonNullable<(typeof workers)[0]>, NonNullable<(typeof workers)[0]>];
    const peers = [master, first, second];
    await Promise.all(peers.map((peer) => peer.ready()));
    await Promise.all(peers.map((peer) => peer.untilPeers(2)));
    await master.createIndex('people', 'age');
    const events = await second.subscribe('people', 'child_added');
    await Promise.all([master, first].map((peer) => peer.untilSubscribed('people', 'child_added')));
    await Promise.all(
      peers.map(async (peer, place) => {
        for (let n = 0; n < 10; n++) {
          await peer.set(`people/p${place}_${n}`, { age: n });
          await peer.transaction('counter', { increment: 1 });
        }
      }),
    );
    await events.atLeast(30);
    expect(events.events).toHaveLength(30);
    expect(await second.get('counter')).toBe(30);
    expect(await first.query('people', [['age', '==', 3]])).toHaveLength(3);
    await cluster.close();
    expect(await cluster.reopened((fresh) => fresh.get('counter'))).toBe(30);
  },
);

it.each([
  ['--import', '../../../dist/register.js'],
  ['--require', '../../../dist/register.cjs'],
])('a program that imports AceBase as an ES module has our client by %s', async (flag, register) => {
  cluster = await Cluster.start();
  const master = cluster.master({ client: 'import' });
  await master.ready();
  const program = file('../../support/esm-program.mjs');
  const child = fork(program, [String(cluster.server.port), cluster.path], {
    execArgv: [flag, file(register)],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  const watched = new WatchedProcess('ES module', child);
  await Promise.race([
    once(child, 'message'),
    watched.exited.then(() => Promise.reject(new Error(watched.describe()))),
  ]);
  const { body } = await get(cluster.server.port, '/mydb_data/clients');
  const clients = JSON.parse(body) as { client?: string }[];
  expect(clients.map(({ client }) => client?.split('/')[0])).toEqual([
    'acebase-ipc-server',
    'acebase-ipc-server',
  ]);
  child.send('close');
  expect(await watched.endedWithin(20_000)).toEqual({ code: 0, signal: null });
  expect(await master.get('from/esm')).toEqual({ at: new Date(5) });
});
