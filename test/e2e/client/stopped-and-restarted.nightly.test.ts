import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import type { AceBaseProcess } from '../../support/acebase-process.js';
import { Cluster } from '../../support/cluster.js';

const fastTime = fileURLToPath(new URL('../../support/fast-time.cjs', import.meta.url));

let cluster: Cluster | undefined;

afterEach(async () => {
  await cluster?.end();
  cluster = undefined;
});

describe('a process that was stopped for longer than a server waits, and whose server was restarted meanwhile', () => {
  const startCluster = async () => {
    const started = await Cluster.startProcess({ options: { reconnectGrace: '1s' } });
    cluster = started;
    return started;
  };
  // Whoever grants locks must not be behind in time.
  const fast = { client: true, execArgv: ['--require', fastTime] };

  const whileStopped = async ({ pid }: AceBaseProcess, act: () => Promise<void>) => {
    process.kill(pid, 'SIGSTOP');
    // Twenty times as long for that process.
    await new Promise((resolve) => setTimeout(resolve, 800));
    await act();
    process.kill(pid, 'SIGCONT');
  };

  it('comes back as a new master if it is the master', async () => {
    const cluster = await startCluster();
    const master = cluster.master(fast);
    await master.ready();
    await master.set('a', 1);
    const worker = cluster.worker({ client: true });
    await worker.ready();
    await whileStopped(master, async () => {
      await cluster.restartServer();
      // Then the master is asked at the door which folder it has, before it is welcome.
      const id = await worker.ready();
      await cluster.server.line((it) => it['msg'] === 'peer connected' && it['peer'] === id);
    });
    await cluster.server.line((it) => it['cause'] === 'said goodbye');
    await master.untilComplains(/is back as a new peer/);
    expect(await master.get('a')).toBe(1);
    await worker.set('a', 2);
    expect(await master.get('a')).toBe(2);
  });

  it('comes again as another peer if it is a worker', async () => {
    const cluster = await startCluster();
    const master = cluster.master(fast);
    await master.ready();
    const worker = cluster.worker(fast);
    await worker.set('a', 1);
    await whileStopped(worker, () => cluster.restartServer());
    const came = (it: Readonly<Record<string, unknown>>) => it['msg'] === 'peer connected' && it['peer'];
    const ids = () => new Set(cluster.server.lines.map(came).filter((id) => id && id !== '[master]'));
    await cluster.server.line((it) => came(it) !== false && ids().size === 2);
    await worker.set('a', 2);
    expect(await master.get('a')).toBe(2);
  });
});
