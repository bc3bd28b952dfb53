import { afterEach, expect, it } from 'vitest';
import type { AceBaseProcess } from '../support/acebase-process.js';
import { Cluster } from '../support/cluster.js';
import { isInFull, itInFull } from '../support/in-full.js';
import { knownOptions } from '../support/known-options.js';
import { LineProxy } from '../support/line-proxy.js';
import { eventually } from '../support/waiting.js';

let cluster: Cluster | undefined;
let line: LineProxy | undefined;

afterEach(async () => {
  await cluster?.end();
  await line?.close();
  [cluster, line] = [undefined, undefined];
});

/** With `watchProcesses`, as it is by default, the server knows at once that a process has ended. */
async function formed<N extends 2 | 3>(workers: N, options: Readonly<Record<string, unknown>>) {
  cluster = await Cluster.start(await knownOptions(options));
  const members = await cluster.form(workers);
  await members[0].set('accounts', { ann: { balance: 100 }, bob: { balance: 50 } });
  return members;
}

// AceBase itself lets such a lock go after two minutes, and the server would wait for longer yet if it did not know that the
// process has ended: longer than any command here is waited for.
/** Until the server knows of which process that worker is. */
async function isFound(worker: AceBaseProcess): Promise<void> {
  const url = `http://localhost:${cluster?.server.port}/mydb_data/clients`;
  await eventually(async () => {
    const clients = (await (await fetch(url)).json()) as { pid?: number }[];
    return clients.some(({ pid }) => pid === worker.pid);
  });
}

const known = { how: 'is known to have ended', options: { reconnectGrace: 600_000, watchProcesses: true } };
const unknown = { how: 'may live', options: { reconnectGrace: '1s', watchProcesses: false } };

it.each(isInFull ? [known, unknown] : [])(
  'a worker that is killed while it holds a write lock freezes nobody, if it $how',
  async ({ options }) => {
    const [master, victim, other] = await formed(2, options);
    await victim.hold('accounts/ann/balance');
    if (options.watchProcesses !== false) await isFound(victim);
    const write = other.set('accounts/bob/balance', 75);
    await other.untilSent('lock-request');
    await victim.kill();
    await write;
    expect(await other.transaction('accounts/ann/balance', { increment: 1 })).toBe(101);
    await other.closeAndEnd();
    await master.closeAndEnd();
    expect(await cluster?.reopened((file) => file.get('accounts'))).toEqual({
      ann: { balance: 101 },
      bob: { balance: 75 },
    });
  },
);

// What becomes of those that may live, test/unit/broker/absences.test.ts and the simulation show as well.
it('workers that are killed while one holds a lock, and another one waits for it, freeze nobody', async () => {
  const [master, holder, victim, other] = await formed(3, known.options);
  await holder.hold('accounts/ann/balance');
  for (const worker of [holder, victim]) await isFound(worker);
  const { sent } = await victim.counts();
  // It dies with its request waiting at the master.
  victim.set('accounts/ann/balance', 1).catch(() => undefined);
  await victim.untilSent('lock-request', (sent['lock-request'] ?? 0) + 1);
  await victim.kill();
  await holder.kill();
  await other.set('accounts/bob/balance', 80);
  expect(await other.get('accounts')).toEqual({ ann: { balance: 100 }, bob: { balance: 80 } });
  await other.closeAndEnd();
  await master.closeAndEnd();
});

itInFull(
  'a worker with our client that is killed right after its start, behind a proxy, freezes nobody',
  async () => {
    cluster = await Cluster.start(await knownOptions(known.options));
    line = await LineProxy.start(cluster.server.port);
    const master = cluster.master({ client: true });
    await master.ready();
    const other = cluster.worker({ client: true });
    await other.ready();
    const victim = cluster.worker({ client: true, port: line.port });
    await victim.ready();
    await victim.hold('accounts/ann');
    await victim.kill();
    await other.set('accounts/bob', 2);
    expect(await master.get('accounts')).toEqual({ bob: 2 });
  },
);
