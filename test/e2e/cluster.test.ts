import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { ServerOptions } from '../../src/index.js';
import type { AceBaseProcess } from '../support/acebase-process.js';
import { Cluster } from '../support/cluster.js';
import { itInFull } from '../support/in-full.js';
import { connectPath } from '../support/raw-socket.js';
import { knock } from '../support/requests.js';

async function startCluster(options?: ServerOptions): Promise<Cluster> {
  const cluster = await Cluster.start(options);
  onTestFinished(() => cluster.end());
  return cluster;
}

const tokens = { mydb: 'a+token/with=signs%', wiki: 'another-token-entirely' };
const token = tokens.mydb;

describe('a cluster of unmodified AceBase processes, whose workers started first', () => {
  let cluster: Cluster;
  let peers: [AceBaseProcess, AceBaseProcess, AceBaseProcess];

  beforeAll(async () => {
    cluster = await Cluster.start({ token: tokens });
    const early = [cluster.worker({ token }), cluster.worker({ token })] as const;
    // They wait for the master to make the file, and are connected meanwhile.
    await Promise.all(early.map((worker) => worker.untilReceived('welcome')));
    await early[0].untilPeers(1);
    const master = cluster.master({ token });
    await master.ready();
    const [first, second] = early.map((worker) => cluster.supervised(worker, { token }));
    peers = [master, (await first) as AceBaseProcess, (await second) as AceBaseProcess];
    await Promise.all(peers.map((peer) => peer.untilPeers(2)));
  });

  afterAll(() => cluster?.end());

  it('writes through one worker and reads, queries and hears of it in another', async () => {
    const [master, first, second] = peers;
    const changes = await second.subscribe('people', 'child_changed');
    const additions = await second.subscribe('people', 'child_added');
    await first.untilSubscribed('people', 'child_changed');
    await first.untilSubscribed('people', 'child_added');

    await first.createIndex('people', 'age');
    await second.untilReceived('index.created');
    await first.set('people', { ann: { name: 'Ann', age: 31 }, bob: { name: 'Bob', age: 52 } });
    await first.set('people/cleo', { name: 'Cleo', age: 44 });
    await first.update('people/ann', { age: 32 });
    await first.remove('people/bob');

    expect(await second.get('people')).toEqual({
      ann: { name: 'Ann', age: 32 },
      cleo: { name: 'Cleo', age: 44 },
    });
    expect(await second.exists('people/bob')).toBe(false);
    expect(await second.query('people', [['age', '>', 40]])).toEqual([
      { key: 'cleo', value: { name: 'Cleo', age: 44 } },
    ]);
    expect(await master.get('people/ann/age')).toBe(32);

    expect((await additions.event((it) => it.path === 'people/cleo')).value).toEqual({
      name: 'Cleo',
      age: 44,
    });
    expect((await changes.event((it) => it.path === 'people/ann')).value).toEqual({ name: 'Ann', age: 32 });
    expect(additions.events.map((it) => it.path).sort()).toEqual(['people/ann', 'people/bob', 'people/cleo']);
  });

  it('runs transactions of all processes on one counter, one after the other', async () => {
    const increments = Array.from({ length: 15 }, () => ({
      command: 'transaction' as const,
      path: 'counters/visits',
      change: { increment: 1 },
    }));
    await Promise.all(peers.map((peer) => peer.apply(increments)));
    expect(await Promise.all(peers.map((peer) => peer.get('counters/visits')))).toEqual([45, 45, 45]);
  });

  it('tells a subscriber that was there first what a peer that joined later writes', async () => {
    const [, early] = peers;
    const news = await early.subscribe('news', 'child_added');
    const late = cluster.worker({ token });
    await late.ready();
    // Stock clients do not introduce themselves: it is the server that makes them exchange subscriptions.
    await late.untilSubscribed('news', 'child_added');
    await late.set('news/one', 'I joined later');
    expect(await news.event((it) => it.path === 'news/one')).toEqual({
      path: 'news/one',
      value: 'I joined later',
    });
  });

  it('delivers large values in events, one of 1 MB included', async () => {
    const [, writer, reader] = peers;
    const values = await reader.subscribe('blobs', 'child_added');
    await writer.untilSubscribed('blobs', 'child_added');
    // Around the 16 KiB where the original stopped delivering, and in units of one, two and three bytes.
    const blobs = {
      ascii: 'x'.repeat(16 * 1024),
      latin: 'é'.repeat(20_000),
      emoji: '🦊'.repeat(50_000),
      megabyte: 'abcdefgh'.repeat(131_072),
    };
    for (const [key, value] of Object.entries(blobs)) await writer.set(`blobs/${key}`, value);
    for (const [key, value] of Object.entries(blobs)) {
      const event = await values.event((it) => it.path === `blobs/${key}`);
      expect(event.value === value, `${key} arrived as it was written`).toBe(true);
    }
  });

  it('answers the pings of idle clients, so that none of them gives up', async () => {
    const [master, worker] = peers;
    // A client pings after 5 s of silence, and would end itself after 10 s without an answer.
    await Promise.all([master.untilReceived('pong', 2), worker.untilReceived('pong', 2)]);
    await worker.set('still', 'alive');
    expect(await master.get('still')).toBe('alive');
    expect((await worker.counts()).received['welcome']).toBe(1);
  });

  it('is kept apart from another database of its server, which has a token and a transaction log of its own', async () => {
    const [, writer, reader] = peers;
    const [author] = await cluster.form(0, {
      database: 'wiki',
      token: tokens.wiki,
      transactions: { log: true },
    });
    const orders = await reader.subscribe('orders', 'child_added');
    await writer.untilSubscribed('orders', 'child_added');
    await author.set('orders/first', 'a page that is called orders');
    await writer.set('orders/first', { product: 'kettle' });
    await orders.event((it) => it.path === 'orders/first');

    expect(await reader.get('orders/first')).toEqual({ product: 'kettle' });
    expect(await author.get('orders/first')).toBe('a page that is called orders');
    expect(orders.events).toHaveLength(1);
    expect((await author.mutations()).map((it) => it['path'])).toContain('orders/first');
    expect((await knock(cluster.server.port, connectPath({ token: tokens.wiki }))).status).toBe(403);
  });

  itInFull('works when the workers start first, with no file yet, and the master last', async () => {
    const cluster = await startCluster();
    const early = [cluster.worker(), cluster.worker()] as const;
    // They wait for the master to make the file, and are connected meanwhile.
    await Promise.all(early.map((worker) => worker.untilReceived('welcome')));
    await early[0].untilPeers(1);
    const master = cluster.master();
    await master.ready();
    const [first, second] = await Promise.all([cluster.supervised(early[0]), cluster.supervised(early[1])]);

    await first.set('greetings/first', 'hello');
    await second.set('greetings/second', 'hello back');
    const expected = { first: 'hello', second: 'hello back' };
    for (const peer of [master, first, second]) expect(await peer.get('greetings')).toEqual(expected);
    await cluster.close();
    expect(await cluster.reopened((file) => file.get('greetings'))).toEqual(expected);
  });

  itInFull('keeps the requests of workers on an existing file until a master comes', async () => {
    const cluster = await startCluster();
    const [first] = await cluster.form(0);
    await first.set('shelf', { book: 'Dune' });
    await cluster.close();

    const workers = [cluster.worker(), cluster.worker()] as const;
    await Promise.all(workers.map((worker) => worker.ready()));
    await Promise.all(workers.map((worker) => worker.untilPeers(1)));
    const writes = Promise.all([
      workers[0].set('shelf/film', 'Stalker'),
      workers[1].set('shelf/song', 'Naima'),
    ]);
    // Nobody grants locks yet: these requests wait at the server.
    await Promise.all(workers.map((worker) => worker.untilSent('lock-request')));
    cluster.master();
    await writes;
    const expected = { book: 'Dune', film: 'Stalker', song: 'Naima' };
    expect(await Promise.all(workers.map((worker) => worker.get('shelf')))).toEqual([expected, expected]);
    await cluster.close();
    expect(await cluster.reopened((file) => file.get('shelf'))).toEqual(expected);
  });

  itInFull('keeps two databases apart, one with a transaction log of several processes', async () => {
    const cluster = await startCluster({ token: tokens });
    const shop = { database: 'mydb', token, transactions: { log: true } };
    const wiki = { database: 'wiki', token: tokens.wiki };
    const [seller, buyer] = await cluster.form(1, shop);
    const [author] = await cluster.form(0, wiki);

    const orders = await seller.subscribe('orders', 'child_added');
    await buyer.untilSubscribed('orders', 'child_added');
    await buyer.set('orders/first', { product: 'kettle' });
    await author.set('orders/first', 'a page that is called orders');
    await orders.event((it) => it.path === 'orders/first');

    expect(await seller.get('orders/first')).toEqual({ product: 'kettle' });
    expect(await author.get('orders/first')).toBe('a page that is called orders');
    expect(orders.events).toHaveLength(1);
    expect((await seller.mutations()).map((it) => it['path'])).toContain('orders/first');

    const intruder = cluster.worker({ ...shop, token: tokens.wiki });
    await intruder.untilComplains(/unauthorized/);
    expect((await intruder.counts()).received['welcome']).toBeUndefined();
  });
});
