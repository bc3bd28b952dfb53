import { describe, expect, it, onTestFinished } from 'vitest';
import type { WebSocket } from 'ws';
import { chromiumPath } from '../../support/chromium-path.js';
import { Cluster } from '../../support/cluster.js';
import { join } from '../../support/conversation.js';
import { DashboardPage } from '../../support/dashboard-page.js';
import { joinAsGrantingMaster } from '../../support/granting-master.js';
import { itInFull } from '../../support/in-full.js';
import { knownOptions } from '../../support/known-options.js';
import { serve } from '../../support/served.js';
import { ServerProcess } from '../../support/server-process.js';

const urlOf = ({ port }: { readonly port: number }) => `http://localhost:${port}/`;

/** A server with real AceBase processes, and its dashboard. */
async function watched<N extends 0 | 2>(workers: N, options: Readonly<Record<string, unknown>> = {}) {
  // Embedded in a test that is busy, the server would rightly say that its event loop is.
  const cluster = await Cluster.startProcess({ options: await knownOptions(options) });
  onTestFinished(() => cluster.end());
  const members = await cluster.form(workers);
  const dashboard = await DashboardPage.open(urlOf(cluster.server));
  return { cluster, members, dashboard };
}

describe.runIf(chromiumPath !== undefined)('the dashboard, of a real cluster', () => {
  // In `npm test` others speak for AceBase: what the server says of real processes, monitoring/status.test.ts shows.
  itInFull(
    'shows real processes: who is connected, who holds a lock, who waits for it, who was killed',
    async () => {
      const { members, dashboard } = await watched(2, { reconnectGrace: '1s' });
      const [master, holder, waiter] = members;
      const [holderId, waiterId] = await Promise.all([holder.ready(), waiter.ready()]);
      await dashboard.sees('All is well');
      for (const id of ['[master]', holderId, waiterId]) await dashboard.row(/peers/, id).waitFor();

      await waiter.set('counter', 0);
      await dashboard.sees('No worker holds a lock');
      await holder.hold('counter');
      // For a moment, it may be shown with more than one.
      await dashboard.row(/Locks/, holderId).getByText('held').first().waitFor();
      const waiting = waiter.transaction('counter', { increment: 1 });
      await dashboard.row(/Locks/, waiterId).getByText('waits', { exact: true }).waitFor();
      // The rule of the banner: a request that waits for 5 s.
      await dashboard.page.getByRole('heading', { name: /wait/ }).filter({ hasText: holderId }).waitFor();
      expect(await dashboard.page.title()).toBe('(!) mydb_data · AceBase IPC server');

      await holder.kill();
      expect(await waiting).toBe(1);
      await dashboard.sees('No worker holds a lock');
      await dashboard.sees('Recovered:');
      await dashboard.row(/peers/, holderId).waitFor({ state: 'detached' });
      const went = dashboard.page.getByRole('listitem').filter({ hasText: holderId });
      await went.getByText('went', { exact: true }).waitFor();
      expect(await dashboard.row(/peers/, waiterId).count()).toBe(1);

      await master.kill();
      // It asks for a lock that nobody grants; the answer may be an error of its own.
      waiter.set('counter', 1).catch(() => undefined);
      await dashboard.page.getByRole('heading', { name: /no master/ }).waitFor();
      await dashboard.sees('Check that the process with role "master" is running');
      expect(await dashboard.violations()).toEqual([]);
    },
  );

  it('shows who is connected, who holds a lock, who waits for it, who is lost, and that there is no master', async () => {
    const options = await knownOptions({ reconnectGrace: '1s', masterSettle: 0, watchProcesses: false });
    const server = await ServerProcess.start({ options });
    onTestFinished(() => void server.kill());
    const dashboard = await DashboardPage.open(urlOf(server));
    const master = await joinAsGrantingMaster(server);
    const [holder, waiter] = await Promise.all(['worker01', 'worker02'].map((id) => join(server, id)));
    await dashboard.sees('All is well');
    for (const id of ['[master]', 'worker01', 'worker02']) await dashboard.row(/peers/, id).waitFor();
    await dashboard.sees('No worker holds a lock');

    const ask = (peer: WebSocket | undefined, from: string) => {
      const lock = { path: 'counter', tid: `t-${from}`, write: true, comment: 'node.update' };
      const request = { type: 'lock-request', from, to: '[master]', id: '1', data: lock };
      peer?.send(`to:[master];${JSON.stringify(request)}`);
    };
    ask(holder, 'worker01');
    await dashboard.row(/Locks/, 'worker01').getByText('held').first().waitFor();
    ask(waiter, 'worker02');
    await dashboard.row(/Locks/, 'worker02').getByText('waits', { exact: true }).waitFor();
    // The rule of the banner: a request that waits for 5 s.
    await dashboard.page.getByRole('heading', { name: /wait/ }).filter({ hasText: 'worker01' }).waitFor();
    expect(await dashboard.page.title()).toBe('(!) mydb_data · AceBase IPC server');

    holder?.terminate();
    await dashboard.sees('Recovered:');
    await dashboard.row(/peers/, 'worker01').waitFor({ state: 'detached' });
    const went = dashboard.page.getByRole('listitem').filter({ hasText: 'worker01' });
    await went.getByText('went', { exact: true }).waitFor();
    expect(await dashboard.row(/peers/, 'worker02').count()).toBe(1);

    master.terminate();
    await dashboard.page.getByRole('heading', { name: /no master/ }).waitFor();
    await dashboard.sees('Check that the process with role "master" is running');
    expect(await dashboard.violations()).toEqual([]);
  });

  // What else it may show, appearance.browser.test.ts looks at; the words for it, test/unit/dashboard.
  itInFull('says that nobody is connected when all have left', async () => {
    const { members, dashboard } = await watched(0);
    await members[0].closeAndEnd();
    await dashboard.sees('Nobody is connected');
  });

  it('says that the server is gone, and goes on by itself when it is back', async () => {
    const token = 'sesame-open-the-door';
    const first = await serve({ token });
    const dashboard = await DashboardPage.open(urlOf(first));
    await dashboard.page.getByLabel('Token').fill(token);
    await dashboard.page.keyboard.press('Enter');
    await dashboard.sees('No process is connected yet');
    await first.server.stop();
    await dashboard.page.getByRole('heading', { name: /No connection for/ }).waitFor();
    await dashboard.page.getByRole('button', { name: 'Try now' }).waitFor();
    await dashboard.sees(/What you see is from \d\d:\d\d:\d\d/);

    await serve({ token, port: first.port });
    await dashboard.sees('Live');
    await dashboard.seesNoMore(/No connection for/);
    expect(await dashboard.violations()).toEqual([]);
  });
});
