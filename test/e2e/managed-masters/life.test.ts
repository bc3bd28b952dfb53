import { afterEach, describe, expect, it } from 'vitest';
import { Cluster } from '../../support/cluster.js';
import { itInFull } from '../../support/in-full.js';
import { processEnded, servingMaster } from '../../support/managed-master.js';
import { statusOf } from '../../support/status.js';
import { eventually } from '../../support/waiting.js';

let cluster: Cluster | undefined;

afterEach(async () => {
  await cluster?.end();
  cluster = undefined;
});

/** A server with a managed master that serves, and two workers with our client. */
async function formed(options: Readonly<Record<string, unknown>> = {}) {
  const formedCluster = await Cluster.managed({ options }, { journal: 'process' });
  cluster = formedCluster;
  const pid = await servingMaster(formedCluster.server);
  const workers = [formedCluster.worker({ client: true }), formedCluster.worker({ client: true })] as const;
  await Promise.all(workers.map((worker) => worker.ready()));
  return { cluster: formedCluster, pid, workers };
}

describe('a managed master', () => {
  it('serves two workers, and is replaced when its process is killed', async () => {
    const { cluster, pid, workers } = await formed();
    const [first, second] = workers;
    await first.set('people/ann', { age: 31 });
    expect(await second.get('people/ann')).toEqual({ age: 31 });
    process.kill(pid, 'SIGKILL');
    // What the master had not answered may fail.
    await eventually(() => second.set('people/bob', { age: 52 }).then(() => true));
    expect(await first.get('people')).toEqual({ ann: { age: 31 }, bob: { age: 52 } });
    expect(await servingMaster(cluster.server, pid)).not.toBe(pid);
    // It is told how the next one is.
    const [master] = await eventually(async () => {
      const { masters } = await statusOf(cluster.server.port);
      return masters[0]?.rss === null ? undefined : masters;
    });
    expect(master).toMatchObject({
      state: 'serving',
      restarts: 1,
      lastReason: 'it was ended by SIGKILL',
      problems: [],
    });
    expect(master?.pid).not.toBe(pid);
    expect(cluster.server.lines).toContainEqual(
      expect.objectContaining({
        level: 'warn',
        database: 'mydb',
        masterPid: pid,
        signal: 'SIGKILL',
        reason: 'it was ended by SIGKILL',
        nextStartInMs: 0,
        msg: 'the master of a database ended, and is started again',
      }),
    );
  });

  itInFull('is there again and again', async () => {
    const { cluster, pid, workers } = await formed();
    const pids = [pid];
    for (let turn = 0; turn < 3; turn++) {
      process.kill(pids.at(-1) ?? 0, 'SIGKILL');
      await eventually(() => workers[turn % 2]?.set(`turns/turn${turn}`, turn).then(() => true));
      pids.push(await servingMaster(cluster.server, ...pids));
    }
    expect(await workers[0].get('turns')).toEqual({ turn0: 0, turn1: 1, turn2: 2 });
  });

  it('ends with its server when that is killed, and workers go on with the next one', async () => {
    const { cluster, pid, workers } = await formed();
    const [first, second] = workers;
    await first.set('people/ann', { age: 31 });
    // By itself: the next server would end it.
    await cluster.serverProcess.kill();
    await processEnded(pid);
    await cluster.restartServer();
    await second.set('people/bob', { age: 52 });
    expect(await first.get('people')).toEqual({ ann: { age: 31 }, bob: { age: 52 } });
    expect(await servingMaster(cluster.server)).not.toBe(pid);
  });

  itInFull('closes its file last when the server stops, which then ends well', async () => {
    const { cluster, pid, workers } = await formed();
    // As Ctrl-C, pm2 and systemd do: the server alone says when it ends.
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.kill(pid, signal);
    await workers[0].set('people/ann', { age: 31 });
    expect(
      cluster.server.lines.filter(({ masterPid }) => masterPid !== pid && masterPid !== undefined),
    ).toEqual([]);
    process.kill(pid, 'SIGTERM');
    expect(await cluster.serverProcess.stop('SIGTERM'), cluster.server.describe()).toEqual({
      code: 0,
      signal: null,
    });
    await processEnded(pid);
    const { lines } = cluster.server;
    const places = ['workers were told to come back', 'masters were told to come back', 'drained', 'stopped'];
    const order = lines.map(({ msg }) => String(msg)).filter((msg) => places.includes(msg));
    expect(order).toEqual(places);
    const left = lines.filter(({ msg }) => msg === 'peer disconnected');
    expect(left.at(-1)).toMatchObject({ peer: '[master]', cause: 'said goodbye' });
    expect(lines.filter(({ level }) => level === 'warn' || level === 'error')).toEqual([]);
    const people = await cluster.reopened((file) => file.get('people'));
    expect(people).toEqual({ ann: { age: 31 } });
  });
});
