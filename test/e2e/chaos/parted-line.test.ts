import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LineProxy, type Noticed } from '../../support/line-proxy.js';

let server: Server;
let proxy: LineProxy;
const clients: Socket[] = [];

beforeEach(async () => {
  server = createServer((socket) => socket.on('error', () => undefined));
  server.listen(0, 'localhost');
  await once(server, 'listening');
  proxy = await LineProxy.start((server.address() as AddressInfo).port);
});

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await proxy.close();
  server.close();
  await once(server, 'close');
});

/** Both ends of a new connection through the proxy. */
async function open(): Promise<{ near: Socket; far: Socket }> {
  const arrival = once(server, 'connection');
  const near = connect({ port: proxy.port, host: 'localhost' });
  clients.push(near);
  near.on('error', () => undefined);
  const [far] = (await arrival) as [Socket];
  return { near, far };
}

const textOf = async (socket: Socket): Promise<string> => String((await once(socket, 'data'))[0]);

const noticedBy = (...ends: ('client' | 'server')[]): Noticed => ({
  byClient: ends.includes('client'),
  byServer: ends.includes('server'),
});

describe('a line that is parted', () => {
  it('that nobody notices goes on when it is healed, and nothing is lost', async () => {
    const { near, far } = await open();
    proxy.part(noticedBy());
    far.write('from the server');
    near.write('from the client');
    const both = Promise.all([textOf(near), textOf(far)]);
    expect([near.bytesRead, far.bytesRead]).toEqual([0, 0]);
    proxy.heal();
    expect(await both).toEqual(['from the server', 'from the client']);
  });

  it.each([
    ['client', 'server'],
    ['server', 'client'],
  ] as const)(
    'that the %s notices ends there at once, and at the %s when it is healed',
    async (first, _second) => {
      const { near, far } = await open();
      const [noticing, other] = first === 'client' ? [near, far] : [far, near];
      const ended = once(noticing, 'close');
      let isOtherOver = false;
      const otherEnded = once(other, 'close').then(() => {
        isOtherOver = true;
      });
      for (const socket of [near, far]) socket.resume();
      proxy.part(noticedBy(first));
      await ended;
      expect(isOtherOver).toBe(false);
      proxy.heal();
      await otherEnded;
    },
  );

  it('does not tell one end that the other one has given up, before it is healed', async () => {
    const { near, far } = await open();
    proxy.part(noticedBy());
    far.destroy();
    let isOver = false;
    const ended = once(near.resume(), 'close').then(() => {
      isOver = true;
    });
    await once(far, 'close');
    expect(isOver).toBe(false);
    proxy.heal();
    await ended;
  });

  it('lets nobody through who comes meanwhile', async () => {
    proxy.part(noticedBy());
    const { near, far } = await open();
    near.write('hello');
    const heard = textOf(far);
    expect(far.bytesRead).toBe(0);
    proxy.heal();
    expect(await heard).toBe('hello');
  });
});
