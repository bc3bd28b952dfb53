import { afterEach, expect, it } from 'vitest';
import type { ServerOptions } from '../../../src/index.js';
import { AceBaseProcess } from '../../support/acebase-process.js';
import { EmbeddedServer } from '../../support/embedded-server.js';
import { someOf } from '../../support/in-full.js';
import { LineProxy } from '../../support/line-proxy.js';
import { removeDirectory, temporaryDirectory } from '../../support/temporary-directory.js';

/** What the test has started, to be ended after it. */
const started: { kill(): Promise<unknown> }[] = [];

afterEach(async () => {
  for (const each of started.splice(0).reverse()) await each.kill();
});

async function cluster(options: ServerOptions = {}) {
  const path = await temporaryDirectory('long-messages');
  started.push({ kill: () => removeDirectory(path) });
  const server = await EmbeddedServer.start({ maxPayload: 4_096, maxHttpMessage: 16_384, ...options });
  started.push(server);
  const proxy = await LineProxy.start(server.port);
  started.push({ kill: () => proxy.close() });
  const join = async (name: string, role: 'master' | 'worker', port: number) => {
    const process = new AceBaseProcess({ name, database: 'mydb', path, ipc: { port, role }, client: true });
    started.push(process);
    await process.ready();
    return process;
  };
  const master = await join('master', 'master', server.port);
  const worker = await join('worker', 'worker', proxy.port);
  await worker.untilPeers(1);
  return { master, worker, proxy };
}

it('messages that are too long for the WebSocket arrive in order; those that nobody takes are left out, and said', async () => {
  const { master, worker, proxy } = await cluster();
  const seen = await master.subscribe('notes', 'child_added');
  await worker.untilSubscribed('notes', 'child_added');
  await worker.set('notes/a', 'short');
  await worker.set('notes/b', 'x'.repeat(8_000));
  await worker.set('notes/c', 'short again');
  await worker.set('notes/d', 'y'.repeat(20_000));
  await worker.untilComplains(/IPC_CLIENT_MESSAGE_TOO_LONG/);
  // The server and the client have counted the same: after the break, nothing is lost and nothing comes twice.
  proxy.cut();
  await worker.set('notes/e', 'after the break');
  await seen.event(({ path }) => path === 'notes/e');
  expect(seen.events.map(({ path }) => path)).toEqual(['notes/a', 'notes/b', 'notes/c', 'notes/e']);
  expect(await master.get('notes/d')).toBe('y'.repeat(20_000));
});

it.each(
  someOf([
    ['takes another way than the lock', 500, { largeMessages: 'http' }],
    ['is too long for the server', 2_000, {}],
  ] as const),
)(
  'what a worker changed of very many children is seen by the others, though the news of it %s',
  async (_what, count, options) => {
    const { master, worker } = await cluster(options);
    const values = (value: string): object =>
      Object.fromEntries(Array.from({ length: count }, (_, n) => [`a-child-of-many-${n}`, value]));
    const path = 'items/a-child-of-many-0';
    await master.set('items', values('old'));
    for (const each of [master, worker]) expect(await each.get(path)).toBe('old');
    const { sent } = await worker.counts();
    const writing = worker.update('items', values('new'));
    await worker.untilSent('cache.invalidate', (sent['cache.invalidate'] ?? 0) + 1);
    // Begun after the write, so it waits for the lock.
    expect(await master.get(path)).toBe('new');
    await writing;
    expect(await master.get(path)).toBe('new');
  },
);
