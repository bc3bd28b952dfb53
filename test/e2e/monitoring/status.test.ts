import { once } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { Cluster } from '../../support/cluster.js';
import { connectPath } from '../../support/raw-socket.js';
import { get, knock } from '../../support/requests.js';
import { serve } from '../../support/served.js';
import { eventsOf, statusOf, untilStatus } from '../../support/status.js';

let cluster: Cluster | undefined;

afterEach(async () => {
  await cluster?.end();
  cluster = undefined;
});

async function join(port: number, options: Parameters<typeof connectPath>[0]): Promise<WebSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}${connectPath(options)}`);
  await once(socket, 'open');
  return socket;
}

describe('GET /status', () => {
  it('shows a cluster of real processes, and a worker that is killed while it holds a lock', async () => {
    cluster = await Cluster.start({ reconnectGrace: '1s' });
    const [, victim, other] = await cluster.form(2);
    const { port } = cluster.server;
    await victim.set('orders/1', { total: 7 });
    const healthy = await untilStatus(port, 'mydb_data', ({ peers }) =>
      peers.every(({ role, roundTrip }) => role === 'master' || roundTrip !== null),
    );
    expect(healthy).toMatchObject({
      master: '[master]',
      masterAbsentFor: null,
      peerCount: 3,
      mail: { messages: 0, bytes: 0 },
      problems: [],
    });
    // The workers may have come in any order.
    const workers = [await victim.ready(), await other.ready()].toSorted();
    const common = { state: 'connected', client: null };
    expect(healthy.peers.toSorted((one, two) => (one.id < two.id ? -1 : 1))).toMatchObject([
      { id: '[master]', role: 'master', ...common },
      ...workers.map((id) => ({ id, role: 'worker', ...common })),
    ]);
    const sum = (key: 'messagesIn' | 'bytesIn' | 'messagesOut' | 'bytesOut') =>
      healthy.peers.reduce((total, peer) => total + peer[key], 0);
    expect(sum('messagesIn')).toBe(healthy.totals.messagesIn);
    expect(sum('bytesIn')).toBe(healthy.totals.bytesIn);
    expect(sum('messagesOut')).toBe(healthy.totals.messagesOut);
    expect(sum('bytesOut')).toBe(healthy.totals.bytesOut);
    expect(healthy.totals.lockWaitCount).toBeGreaterThan(0);

    await victim.hold('orders/1/total');
    const id = await victim.ready();
    const held = await untilStatus(port, 'mydb_data', ({ locks }) => locks.heldCount > 0);
    expect(held.locks.held).toMatchObject([{ holder: id, write: true, state: 'held' }]);
    const write = other.set('orders/2', { total: 8 });
    await untilStatus(port, 'mydb_data', ({ locks }) => locks.waitingCount > 0);
    await victim.kill();
    await write;
    const after = await untilStatus(port, 'mydb_data', ({ peerCount, locks }) => {
      return peerCount === 2 && locks.heldCount + locks.waitingCount === 0;
    });
    expect(after.problems.map(({ code }) => code)).toEqual(['locks-recovered']);
    expect(after.problems[0]?.message).toMatch(/^mydb lost a worker that held locks; they were given back/);
    const its = after.timeline.filter(({ peer }) => peer === id).map(({ kind }) => kind);
    expect(its).toEqual(['came', 'away', 'went', 'recovered']);
    expect(after.timeline.filter(({ kind }) => kind === 'master')).toMatchObject([{ peer: '[master]' }]);
  });

  it('says that there is no master, and who waits for one', async () => {
    const { port } = await serve({ reconnectGrace: 0 });
    const master = await join(port, { id: '[master]' });
    const worker = await join(port, { id: 'worker01' });
    master.terminate();
    const data = { path: 'orders', tid: 't', write: true, comment: '' };
    const request = { type: 'lock-request', from: 'worker01', to: '[master]', id: '1', data };
    worker.send(`to:[master];${JSON.stringify(request)}`);
    const { problems, masterAbsentFor } = await untilStatus(
      port,
      'mydb_data',
      (database) => database.problems.length > 0,
    );
    expect(masterAbsentFor).toBeGreaterThanOrEqual(2_000);
    expect(problems).toMatchObject([{ code: 'no-master' }]);
    expect(problems[0]?.message).toMatch(/^mydb has had no master for \d+ s: 1 worker waits$/);
  });

  it('shows each token what it opens', async () => {
    const { port } = await serve({ token: { first: 'sesame1', second: 'sesame2' }, adminToken: 'boss' });
    await join(port, { database: 'first_data', id: 'worker01', token: 'sesame1' });
    await join(port, { database: 'second_data', id: 'worker02', token: 'sesame2' });
    const names = async (token: string) => {
      const { databases, server } = await statusOf(port, token);
      expect(server.databaseCount).toBe(databases.length);
      return databases.map(({ name }) => name);
    };
    expect(await names('boss')).toEqual(['first_data', 'second_data']);
    expect(await names('sesame1')).toEqual(['first_data']);
    expect(await names('sesame2')).toEqual(['second_data']);
    for (const headers of [{}, { Authorization: 'Bearer barley' }] as Record<string, string>[]) {
      for (const path of ['/status', '/status/stream']) {
        expect(await get(port, path, headers), path).toMatchObject({ status: 401 });
      }
    }
    const foreign = { 'Sec-Fetch-Site': 'cross-site', Authorization: 'Bearer boss' };
    expect(await get(port, '/status', foreign)).toMatchObject({ status: 403 });
    const wanted = await fetch(`http://127.0.0.1:${port}/status?database=second&t=boss`);
    expect(await wanted.json()).toMatchObject({ databases: [{ name: 'second_data' }] });
  });

  it('is server.status() in code, of all databases or of one', async () => {
    const { server, port } = await serve();
    for (const database of ['mydb_data', 'mydb_transaction', 'other_data']) {
      await join(port, { database, id: 'worker01' });
    }
    const names = (database?: string) => server.status(database).databases.map(({ name }) => name);
    expect(names()).toEqual(['mydb_data', 'mydb_transaction', 'other_data']);
    expect(names('mydb')).toEqual(['mydb_data', 'mydb_transaction']);
    expect(names('other_data')).toEqual(['other_data']);
    expect(names('nobody')).toEqual([]);
    const told = JSON.parse((await get(port, '/status')).body);
    expect(Object.keys(server.status().server)).toEqual(Object.keys(told.server));
    expect(server.status().databases[0]?.peers).toMatchObject([{ id: 'worker01', role: 'worker' }]);
  });

  it('remembers what happened in a database that everybody has left', async () => {
    const { port } = await serve({ reconnectGrace: 0 });
    const worker = await join(port, { id: 'worker01' });
    expect(await knock(port, connectPath({ id: 'x' }))).toMatchObject({ status: 500 });
    worker.close();
    const left = await untilStatus(port, 'mydb_data', ({ peerCount }) => peerCount === 0);
    expect(left).toMatchObject({ master: null, masterAbsentFor: null, peers: [], problems: [] });
    expect(left.timeline.map(({ kind, peer }) => ({ kind, peer }))).toEqual([
      { kind: 'came', peer: 'worker01' },
      { kind: 'refused', peer: null },
      { kind: 'went', peer: 'worker01' },
    ]);
    await join(port, { id: 'worker02' });
    const again = await untilStatus(port, 'mydb_data', ({ peerCount }) => peerCount === 1);
    expect(again.timeline).toHaveLength(4);
  });
});

describe('GET /status/stream', () => {
  it('tells at once, and then each second, until the server stops', async () => {
    const { port, server } = await serve();
    const response = await fetch(`http://127.0.0.1:${port}/status/stream`);
    expect(response.headers.get('Content-Type')).toBe('text/event-stream');
    expect(response.headers.get('Cache-Control')).toBe('no-store');
    const events = eventsOf(response);
    const first = await events.next();
    expect(first.value).toMatchObject({ event: 'status', data: { databases: [] } });
    await join(port, { id: 'worker01' });
    for (;;) {
      const { value } = await events.next();
      if (value?.data.databases.length === 1) break;
    }
    await server.stop();
    while (!(await events.next()).done);
  });

  it('is for a number of watchers at one time', async () => {
    const { port } = await serve();
    const url = `http://127.0.0.1:${port}/status/stream`;
    const watchers = Array.from({ length: 8 }, () => new AbortController());
    await Promise.all(watchers.map(({ signal }) => fetch(url, { signal })));
    const refused = await fetch(url);
    expect(refused.status).toBe(503);
    expect(await refused.json()).toMatchObject({ code: 'IPC_HTTP_TOO_MANY_STREAMS' });
    watchers[0]?.abort();
    let next = await fetch(url);
    while (next.status === 503) {
      await next.text();
      next = await fetch(url);
    }
    expect(next.status).toBe(200);
    for (const watcher of watchers) watcher.abort();
    await next.body?.cancel();
    expect(await get(port, '/status/stream', {}, 'HEAD')).toMatchObject({ status: 405 });
  });
});

describe('GET /ready', () => {
  it('is open to all, and tells a token how its databases are', async () => {
    const { port } = await serve({ token: { first: 'sesame1', second: 'sesame2' }, adminToken: 'boss' });
    await join(port, { database: 'first_data', id: '[master]', token: 'sesame1' });
    await join(port, { database: 'second_data', id: 'worker02', token: 'sesame2' });
    const ask = async (token?: string) => {
      const query = token === undefined ? '' : `?t=${token}`;
      const { status, body } = await get(port, `/ready${query}`);
      expect(status).toBe(200);
      return JSON.parse(body);
    };
    const nothing = { oldestWaitingLock: null, mail: { messages: 0, bytes: 0 } };
    const first = { name: 'first_data', master: true, ...nothing };
    const second = { name: 'second_data', master: false, ...nothing };
    expect(await ask()).toEqual({ status: 'ready' });
    expect(await ask('barley')).toEqual({ status: 'ready' });
    expect((await ask('sesame1')).databases).toMatchObject([{ ...first, mail: expect.anything() }]);
    expect((await ask('sesame2')).databases).toEqual([second]);
    expect((await ask('boss')).databases).toHaveLength(2);
  });
});
