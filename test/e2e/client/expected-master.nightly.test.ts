import { afterEach, expect, it } from 'vitest';
import { Cluster } from '../../support/cluster.js';
import { eventually } from '../../support/waiting.js';

let cluster: Cluster | undefined;

afterEach(async () => {
  await cluster?.end();
  cluster = undefined;
});

/** The number of the process that is the master at the server; `undefined` if there is none. */
async function masterAt(server: { readonly port: number }): Promise<number | undefined> {
  const response = await fetch(`http://localhost:${server.port}/mydb_data/clients`);
  const all = (await response.json()) as { readonly id: string; readonly pid: number }[];
  return all.find(({ id }) => id === '[master]')?.pid;
}

it('a second master that is started while there is no server is not let in by the next one before the first has come', async () => {
  cluster = await Cluster.startProcess();
  const first = cluster.master({ client: true });
  await first.set('a', 1);
  process.kill(first.pid, 'SIGSTOP');
  const restarted = cluster.restartServer();
  const second = cluster.master({ client: true });
  await restarted;
  await cluster.server.line(({ code }) => code === 'IPC_REFUSED_MASTER_EXPECTED');
  process.kill(first.pid, 'SIGCONT');
  // It may do that before it is back: its lease is good still, perhaps.
  await first.set('b', 2);
  const { server } = cluster;
  await eventually(async () => (await masterAt(server)) === first.pid);
  await first.close();
  expect(await second.get('')).toEqual({ a: 1, b: 2 });
  expect(await masterAt(cluster.server)).toBe(second.pid);
});
