import { afterEach, expect, it } from 'vitest';
import type { AceBaseProcess } from '../../support/acebase-process.js';
import { Cluster } from '../../support/cluster.js';
import { eventually } from '../../support/waiting.js';

let cluster: Cluster | undefined;

afterEach(async () => {
  await cluster?.end();
});

/** Writes numbers one after another, until it is told to stop. Ends with the first error. */
function writer(worker: AceBaseProcess, path: string) {
  const state = { acknowledged: 0, isStopping: false };
  const run = async (): Promise<void> => {
    for (let n = 1; !state.isStopping; n++) {
      await worker.set(path, n);
      state.acknowledged = n;
    }
  };
  return { state, finished: run() };
}

it('masters with our client that follow each other, also while the server is restarted, fail no write', async () => {
  cluster = await Cluster.startProcess();
  const [first, ...workers] = await cluster.form(2, { client: true });
  const writers = workers.map((worker, n) => writer(worker, `load/worker${n}`));
  const progress = async () => {
    const before = writers.map(({ state }) => state.acknowledged);
    for (const [n, { state, finished }] of writers.entries()) {
      await Promise.race([finished, eventually(() => state.acknowledged > (before[n] ?? 0) + 5)]);
    }
  };
  await progress();
  // It leaves the locks that it does not grant any more to the next one, which has been started already.
  const second = cluster.master({ name: 'second master', client: true });
  expect(await first.closeAndEnd()).toEqual({ code: 0, signal: null });
  await second.ready();
  await progress();
  // It waits for the next server, to say goodbye.
  await cluster.serverProcess.stop('SIGKILL');
  await second.untilComplains(/was lost/);
  const closed = second.closeAndEnd();
  await cluster.restartServer();
  expect(await closed).toEqual({ code: 0, signal: null });
  expect(cluster.server.lines.map(({ cause }) => cause)).toContain('said goodbye');
  const third = cluster.master({ name: 'third master', client: true });
  await third.ready();
  await progress();
  for (const { state } of writers) state.isStopping = true;
  await Promise.all(writers.map(({ finished }) => finished));
  for (const process of [...workers, third]) await process.closeAndEnd();
  const expected = Object.fromEntries(writers.map(({ state }, n) => [`worker${n}`, state.acknowledged]));
  expect(await cluster.reopened((file) => file.get('load'))).toEqual(expected);
});
