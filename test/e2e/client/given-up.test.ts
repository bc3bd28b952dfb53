import { fileURLToPath } from 'node:url';
import { afterEach, expect, it } from 'vitest';
import { Cluster } from '../../support/cluster.js';
import { someOf } from '../../support/in-full.js';
import { LineProxy } from '../../support/line-proxy.js';

const slowDisk = fileURLToPath(new URL('../../support/slow-fs.cjs', import.meta.url));

/** Children of a node, each with a record of its own. */
const children = (count: number, text: string): Record<string, string> =>
  Object.fromEntries(Array.from({ length: count }, (_, n) => [`child${n}`, text]));

let cluster: Cluster | undefined;
let line: LineProxy | undefined;

afterEach(async () => {
  await cluster?.end();
  await line?.close();
  [cluster, line] = [undefined, undefined];
});

it.each(someOf(['off', 'process'] as const))(
  'a worker that comes back gives no space back that others use: they have gone on from the root that it left, or from its own with a journal; %s',
  async (journal) => {
    cluster = await Cluster.start({ reconnectGrace: 3_000 });
    line = await LineProxy.start(cluster.server.port);
    const master = cluster.master({ client: true });
    await master.ready();
    const notes = Object.fromEntries(Array.from({ length: 20 }, (_, n) => [`note${n}`, 'x'.repeat(50)]));
    for (const [key, value] of Object.entries(notes)) await master.set(key, value);
    await master.set('accounts', { ann: 1 });
    const worker = cluster.worker({ client: true });
    const slowWrites = {
      NODE_OPTIONS: `--require ${slowDisk}`,
      SLOW_FS_CALLS: 'write',
      SLOW_FS_MILLISECONDS: '700',
    };
    const other = cluster.worker({ client: true, journal, port: line.port, env: slowWrites });
    await Promise.all([worker.ready(), other.ready()]);
    await other.set('accounts/bob', 2);
    await worker.set('accounts/cid', 3);

    // Its line breaks while it writes the new root: it has asked for a key, and for space.
    await other.hold('last-note');
    const { received } = await other.counts();
    const written = other.letGo('z'.repeat(50));
    await other.untilReceived('result', (received['result'] ?? 0) + 2);
    const givenUp = cluster.server.line(
      ({ msg, peer }) => msg === 'peer disconnected' && peer !== '[master]',
    );
    line.part({ byClient: true, byServer: true });
    await written;
    expect((await other.counts()).sent).toMatchObject({ 'root.update': 1, 'fst.release': 1 });
    await givenUp;
    await worker.set('accounts/dan', 4);
    line.heal();
    await other.untilComplains(/is back as a new peer/);
    expect(await other.get('accounts')).toEqual({ ann: 1, bob: 2, cid: 3, dan: 4 });

    const more = Object.fromEntries(
      Array.from({ length: 10 }, (_, n) => [`more${n}`, children(50, 'w'.repeat(100))]),
    );
    for (const [key, value] of Object.entries(more)) await worker.set(`accounts/${key}`, value);
    // It was acknowledged; but without a journal, nobody reads in the file where the root is.
    const last = journal === 'off' ? {} : { 'last-note': 'z'.repeat(50) };
    const all = { ...notes, ...last, accounts: { ann: 1, bob: 2, cid: 3, dan: 4, ...more } };
    for (const each of [master, worker, other]) expect(await each.get('')).toEqual(all);
  },
);

it('a worker that others have gone on without does not go on with its lock at the next server either', async () => {
  cluster = await Cluster.startProcess({ options: { reconnectGrace: 3_000 } });
  line = await LineProxy.start(cluster.server.port);
  const master = cluster.master({ client: true });
  await master.ready();
  await master.set('total', 0);
  const worker = cluster.worker({ client: true });
  const cutOff = cluster.worker({ client: true, port: line.port });
  await Promise.all([worker.ready(), cutOff.ready()]);
  await cutOff.hold('total');
  const givenUp = cluster.server.line(({ msg, peer }) => msg === 'peer disconnected' && peer !== '[master]');
  line.part({ byClient: true, byServer: true });
  await givenUp;
  await worker.transaction('total', { increment: 10 });
  // What was known of it is lost with the server.
  await cluster.restartServer();
  line.heal();
  await cutOff.untilComplains(/did not hear this process for too long/);
  await expect(cutOff.letGo(1)).rejects.toThrow(/IPC_CLIENT_LEASE_LOST/);
  await cutOff.untilComplains(/is back as a new peer/);
  for (const each of [master, worker, cutOff]) expect(await each.get('total')).toBe(10);
});
