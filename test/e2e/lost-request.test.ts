import { afterEach, expect, it, onTestFinished } from 'vitest';
import { AceBaseProcess } from '../support/acebase-process.js';
import { Cluster } from '../support/cluster.js';
import { LineProxy } from '../support/line-proxy.js';
import { eventually, within } from '../support/waiting.js';

let cluster: Cluster | undefined;

afterEach(async () => {
  await cluster?.end();
});

// Its process ends, so that a supervisor starts another one, or the write is carried out: both are fine. What must not
// be is a worker that lives on and waits for an answer to a request that never arrived.
it('a worker whose request is lost with its line does not wait for ever', async () => {
  cluster = await Cluster.start();
  const [master] = await cluster.form(1);
  await master.set('shop', { open: false });
  const line = await LineProxy.start(cluster.server.port);
  onTestFinished(() => line.close());
  const ipc = { host: 'localhost', port: line.port, role: 'worker' } as const;
  const worker = new AceBaseProcess({ name: 'cut off', database: 'mydb', path: cluster.path, ipc });
  onTestFinished(async () => void (await worker.kill()));
  await worker.ready();
  await worker.untilPeers(2);
  expect(await worker.get('shop/open')).toBe(false);
  // After five seconds of silence: no answer to it is under way any more, and it holds nothing.
  await worker.untilReceived('pong');

  const { sent } = await worker.counts();
  line.drop();
  // Fails when the process ends; or, if it still runs, when the patience of this test does.
  const write = worker.set('shop/open', true).catch(() => undefined);
  await worker.untilSent('lock-request', (sent['lock-request'] ?? 0) + 1);
  line.cut();
  await eventually(() => line.accepted >= 2);
  const settled = Promise.race([write, worker.exited]);
  await within(20_000, () => `Neither written nor ended: ${worker.describe()}`, settled);
});
