import { expect, it } from 'vitest';
import { CACHE_NEWS_MS, MAX_CACHE_NEWS_UNITS } from '../../../src/client/core/cache-news.js';
import type { Message } from '../../../src/client/core/host.js';
import { clientLab } from '../../support/client-lab.js';

const hello = (from: string, can: readonly string[]) =>
  JSON.stringify({ type: 'hello', from, can, data: { protocolVersion: 1 } });

/** A worker whose master understands it. */
function worker(can: readonly string[] = ['cache-news'], maxPayload = 100_000) {
  const lab = clientLab({ maxPayload });
  lab.welcome(false, 1);
  lab.last().events.text(hello('[master]', can));
  const said = (data: object): Message => ({ type: 'notification', from: lab.ipc.id, data });
  const update = (path: string) => said({ type: 'cache.update', info: { path } });
  const invalidate = (path: string) => said({ type: 'cache.invalidate', path, recursive: true });
  const unlock = { type: 'unlock-request', id: '1', from: lab.ipc.id, to: '[master]', data: { id: 7 } };
  const sent = () => lab.last().sent.map((text) => text.slice(text.indexOf('{')));
  return { ...lab, update, invalidate, unlock, sent };
}

const together = (...messages: readonly Message[]): string =>
  JSON.stringify({ type: 'cache-news', from: messages[0]?.from, data: { news: messages } });

it('is said together, in order, before the next message [PROTOCOL-15.7]', () => {
  const { client, update, invalidate, unlock, sent, clock } = worker();
  const news = [update('a'), invalidate('a/b'), update('c')];
  for (const message of news) client.send(message);
  expect(sent()).toEqual([]);
  client.send(unlock);
  expect(sent()).toEqual([together(...news), JSON.stringify(unlock)]);
  clock.advance(CACHE_NEWS_MS);
  expect(sent()).toHaveLength(2);
});

it('waits for the next message for a moment only', () => {
  const { client, update, sent, clock } = worker();
  client.send(update('a'));
  clock.advance(CACHE_NEWS_MS - 1);
  client.send(update('b'));
  expect(sent()).toEqual([]);
  clock.advance(1);
  expect(sent()).toEqual([together(update('a'), update('b'))]);
});

it('is not gathered without bound, nor into a message that is too long for the server: others would overtake it', () => {
  for (const maxPayload of [100_000, 2_000]) {
    const { client, update, sent, clock } = worker(['cache-news'], maxPayload);
    for (let number = 0; number < 450; number++) client.send(update(`n${number}`));
    clock.advance(CACHE_NEWS_MS);
    const most = Math.min(maxPayload, MAX_CACHE_NEWS_UNITS);
    expect(sent().every(({ length }) => length <= most)).toBe(true);
    const counts = sent().map((text) => (JSON.parse(text) as { data: { news: object[] } }).data.news.length);
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(450);
    expect(counts.length).toBeLessThan(70);
  }
});

it('that is long by itself goes by itself', () => {
  const { client, update, sent } = worker(['cache-news'], 100_000);
  client.send(update('a'));
  const long = update('x'.repeat(MAX_CACHE_NEWS_UNITS));
  client.send(long);
  expect(sent()).toEqual([together(update('a')), JSON.stringify(long)]);
});

it('is said in few words if it would be too long for the server: by another way the lock would overtake it', () => {
  const { client, ipc, sent, update } = worker(['cache-news'], 1_000);
  const children = Object.fromEntries(Array.from({ length: 100 }, (_, n) => [`child${n}`, 'invalidate']));
  const data = { type: 'cache.invalidate', path: 'a/b', recursive: children, reason: 'why' };
  client.send({ type: 'notification', from: ipc.id, data });
  client.send(update('a/b/c'));
  client.send({
    ...update(''),
    data: { type: 'cache.update', info: { path: 'd', more: 'x'.repeat(1_000) } },
  });
  const few = (path: string, reason?: string): Message => ({
    type: 'notification',
    from: ipc.id,
    data: { type: 'cache.invalidate', path, recursive: true, reason },
  });
  client.send({ type: 'unlock-request', id: '1', from: ipc.id, to: '[master]', data: { id: 7 } });
  expect(sent()[0]).toBe(together(few('a/b', 'why'), update('a/b/c'), few('d')));
});

it('is said message by message as soon as somebody is there who does not understand it', () => {
  const { client, update, sent, last, clock } = worker();
  client.send(update('a'));
  last().events.text(JSON.stringify({ type: 'hello', from: 'stock' }));
  client.send(update('b'));
  expect(sent()).toEqual([together(update('a')), JSON.stringify(update('b'))]);
  last().events.text(hello('stock', ['values', 'cache-news']));
  client.send(update('c'));
  expect(sent()).toHaveLength(2);
  clock.advance(CACHE_NEWS_MS);
  // Another one is the master, under the same id.
  last().events.text(JSON.stringify({ type: 'hello', from: '[master]' }));
  client.send(update('d'));
  expect(sent().at(-1)).toBe(JSON.stringify(update('d')));
  last().events.text('disconnect:[master]');
  client.send(update('e'));
  expect(sent().at(-1)).toBe(JSON.stringify(update('d')));
  const stock = worker(['counted']);
  stock.client.send(stock.update('a'));
  expect(stock.sent()).toEqual([JSON.stringify(stock.update('a'))]);
});

it('leaves when the process exits', () => {
  const { client, update, sent, last } = worker();
  client.send(update('a'));
  last().events.exiting();
  expect(sent()).toEqual([together(update('a'))]);
});

it('that was said to no server yet is said to the next one: others may have read again before', async () => {
  const { client, update, sent, breaks, welcome, clock } = worker();
  client.send(update('a'));
  breaks();
  await clock.playUntil(100, () => false);
  client.send(update('b'));
  welcome(false, 2);
  expect(sent().filter((text) => text.includes('cache'))).toEqual([
    together(update('a')),
    together(update('b')),
  ]);
});

it('is not said by a process that was given up: others have gone on', async () => {
  const { client, update, sent, breaks, refuses, welcome, clock } = worker();
  breaks();
  await clock.playUntil(100, () => false);
  client.send(update('a'));
  refuses();
  await clock.playUntil(100, () => false);
  welcome(false, 2);
  await clock.playUntil(1_000, () => false);
  expect(sent().filter((text) => text.includes('cache'))).toEqual([]);
});

it('is heard as if each had been said by itself', () => {
  const { last, ipc, update, invalidate } = worker();
  const heard: Message[] = [];
  ipc.handleMessage = (message: Message) => {
    heard.push(message);
    return undefined;
  };
  const news = [
    { ...update('a'), from: 'other' },
    { ...invalidate('b'), from: 'other' },
  ];
  last().events.text(together(...news));
  expect(heard).toEqual(news);
});

it('is gathered by no master: it may write before it is told who is there', () => {
  const lab = clientLab({ isMaster: true, maxPayload: 100_000 });
  lab.welcome(false, 1);
  const update = {
    type: 'notification',
    from: '[master]',
    data: { type: 'cache.update', info: { path: 'a' } },
  };
  lab.client.send(update);
  expect(lab.last().sent).toEqual([JSON.stringify(update)]);
});

it('is heard as far as it can be: what cannot be handled keeps nothing else from being', () => {
  const { last, ipc, update } = worker();
  const heard: Message[] = [];
  ipc.handleMessage = (message: Message) => {
    heard.push(message);
    return undefined;
  };
  const broken = { ...update('a'), encoded: { '.type': 'of tomorrow', '.val': 1 } };
  last().events.text(together(broken, update('b')));
  expect(heard).toEqual([update('b')]);
});
