import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';
import type { LockList } from '../../src/index.js';
import { Cluster } from '../support/cluster.js';
import { get } from '../support/requests.js';
import { serve } from '../support/served.js';
import { eventually } from '../support/waiting.js';

const slowDisk = fileURLToPath(new URL('../support/slow-fs.cjs', import.meta.url));

async function locksOf(port: number, database = 'mydb_data'): Promise<LockList> {
  const { status, body } = await get(port, `/${database}/locks`);
  expect(status).toBe(200);
  return JSON.parse(body) as LockList;
}

it('tells who holds the lock that others wait for, until it is released [PROTOCOL-4.6]', async () => {
  const cluster = await Cluster.start();
  onTestFinished(() => cluster.end());
  const { port } = cluster.server;
  const [, waiter] = await cluster.form(1);
  await waiter.set('counter', 0);
  // On a slow disk a transaction is long enough to be met in the middle of it.
  const holder = cluster.worker({ name: 'slow worker', execArgv: ['--require', slowDisk] });
  const [holderId, waiterId] = await Promise.all([holder.ready(), waiter.ready()]);
  await holder.untilPeers(2);
  expect(await eventually(async () => (await locksOf(port)).held.length === 0)).toBe(true);

  const holding = holder.transaction('counter', { increment: 1 });
  await eventually(async () => (await locksOf(port)).held.some(({ write }) => write), { interval: 5 });
  // From here on it stands still. For less than 10 s: a stock client that wakes up later crashes.
  process.kill(holder.pid, 'SIGSTOP');
  const waiting = waiter.transaction('counter', { increment: 1 });
  // What the holder itself asked for just before it stopped may still be on its way to the master and back.
  const table = await eventually(async () => {
    const found = await locksOf(port);
    const requesters = new Set(found.waiting.map(({ requester }) => requester));
    return requesters.size === 1 && requesters.has(waiterId) && found;
  });
  const later = await locksOf(port);
  process.kill(holder.pid, 'SIGCONT');

  const lock = { tid: expect.any(String), path: expect.any(String), comment: expect.any(String) };
  expect(table.held).toContainEqual({
    ...lock,
    id: expect.any(Number),
    holder: holderId,
    write: true,
    heldFor: expect.any(Number),
    state: 'held',
  });
  expect(table.held.filter((it) => it.holder !== holderId)).toEqual([]);
  expect(table.waiting).toEqual([
    {
      ...lock,
      requester: waiterId,
      write: true,
      waitingFor: expect.any(Number),
      reason: 'locks of others',
    },
  ]);
  expect(later.held[0]?.heldFor).toBeGreaterThanOrEqual(table.held[0]?.heldFor ?? Number.NaN);
  expect(later.waiting[0]?.waitingFor).toBeGreaterThanOrEqual(table.waiting[0]?.waitingFor ?? Number.NaN);

  expect([await holding, await waiting]).toEqual([1, 2]);
  await eventually(async () => {
    const { held, waiting: left } = await locksOf(port);
    return held.length === 0 && left.length === 0;
  });
  await cluster.close();
});

it('gives the locks of a database to those with its token alone', async () => {
  const { port, server } = await serve({ token: { mydb: 'first', other: 'second' } });
  expect(await get(port, '/mydb_data/locks')).toMatchObject({ status: 401 });
  expect(await get(port, '/mydb_data/locks?t=second')).toMatchObject({ status: 401 });
  const { status, headers, body } = await get(port, '/mydb_data/locks?t=first');
  expect(status).toBe(200);
  expect(headers).toMatchObject({ 'cache-control': 'no-store' });
  expect(JSON.parse(body)).toEqual({ root: null, held: [], waiting: [] });
  expect(server.locks('mydb_data')).toEqual({ root: undefined, held: [], waiting: [] });
  expect(await get(port, '/mydb_data/locks?t=first', {}, 'POST')).toMatchObject({
    status: 405,
    headers: { allow: 'GET, HEAD' },
  });
});
