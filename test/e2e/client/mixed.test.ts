import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, it } from 'vitest';
import { WatchedProcess } from '../../support/child-process.js';
import { Cluster } from '../../support/cluster.js';
import { isInFull } from '../../support/in-full.js';
import { get } from '../../support/requests.js';

let cluster: Cluster | undefined;

afterEach(async () => {
  await cluster?.end();
});

const file = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** A stock worker at a master with our client; in full, each kind of master with all kinds of workers. */
const MIXTURES: readonly { readonly master: boolean; readonly workers: readonly boolean[] }[] = isInFull
  ? [
      { master: true, workers: [false, false] },
      { master: false, workers: [true, true] },
      { master: true, workers: [true, false] },
      { master: false, workers: [true, false] },
    ]
  : [{ master: true, workers: [false] }];

it.each(MIXTURES)(
  'stock clients and ours share a database: $master, $workers',
  async ({ master: ours, workers: kinds }) => {
    const started = await Cluster.start();
    cluster = started;
    const master = started.master({ client: ours });
    await master.ready();
    const workers = kinds.map((client) => started.worker({ client }));
    const peers = [master, ...workers];
    const last = peers.at(-1) ?? master;
    await Promise.all(peers.map((peer) => peer.ready()));
    await Promise.all(peers.map((peer) => peer.untilPeers(workers.length)));
    await master.createIndex('people', 'age');
    const events = await last.subscribe('people', 'child_added');
    const others = peers.filter((peer) => peer !== last);
    await Promise.all(others.map((peer) => peer.untilSubscribed('people', 'child_added')));
    await Promise.all(
      peers.map(async (peer, place) => {
        for (let n = 0; n < 10; n++) {
          await peer.set(`people/p${place}_${n}`, { age: n });
          await peer.transaction('counter', { increment: 1 });
        }
      }),
    );
    const writes = 10 * peers.length;
    await events.atLeast(writes);
    expect(events.events).toHaveLength(writes);
    for (const worker of workers) {
      expect(await worker.get('counter')).toBe(writes);
      expect(await worker.query('people', [['age', '==', 3]])).toHaveLength(peers.length);
    }
    await started.close();
    expect(await started.reopened((fresh) => fresh.get('counter'))).toBe(writes);
  },
);

const FLAGS = [
  ['--import', '../../../dist/register.js'],
  ['--require', '../../../dist/register.cjs'],
] as const;

it.each(isInFull ? FLAGS : [])(
  'a program that imports AceBase as an ES module has our client by %s',
  async (flag, register) => {
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
  },
);
