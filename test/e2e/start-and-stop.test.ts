import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { describe, expect, it, onTestFinished } from 'vitest';
import { AceBaseIPCServer } from '../../src/index.js';
import { CollectedLog } from '../support/collected-log.js';
import { join } from '../support/conversation.js';
import { RawSocket, rawPeer } from '../support/raw-socket.js';
import { get } from '../support/requests.js';
import { serve } from '../support/served.js';

const hasIPv6 = Object.values(networkInterfaces()).some((list) =>
  list?.some(({ address }) => address === '::1'),
);

async function occupy(host: string): Promise<number> {
  const other = createServer().listen(0, host);
  onTestFinished(() => void other.close());
  await once(other, 'listening');
  return (other.address() as AddressInfo).port;
}

async function codeOfConnecting(port: number, host: string): Promise<string> {
  const socket = connect({ port, host });
  onTestFinished(() => void socket.destroy());
  return new Promise((resolve) => {
    socket.once('connect', () => resolve('connected'));
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''));
  });
}

describe('start()', () => {
  it('serves localhost as 127.0.0.1 and, where the system has it, as ::1', async () => {
    const { server, port } = await serve();
    expect(await codeOfConnecting(port, '127.0.0.1')).toBe('connected');
    if (hasIPv6) expect(await codeOfConnecting(port, '::1')).toBe('connected');
    const urls = [`http://127.0.0.1:${port}`, ...(hasIPv6 ? [`http://[::1]:${port}`] : [])];
    expect(server.address).toEqual({ host: 'localhost', port, urls });
  });

  it.each(hasIPv6 ? ['127.0.0.1', '::1'] : ['127.0.0.1'])(
    'says so when the port is in use on %s',
    async (host) => {
      const port = await occupy(host);
      const server = new AceBaseIPCServer({ port }, { logger: new CollectedLog() });
      await expect(server.start()).rejects.toMatchObject({
        code: 'IPC_LISTEN_PORT_IN_USE',
        message: expect.stringContaining(String(port)),
        remedy: expect.any(String),
      });
      expect(server.address).toBeNull();
      // It holds on to no half of it.
      const free = host === '::1' ? '127.0.0.1' : '::1';
      if (hasIPv6) expect(await codeOfConnecting(port, free)).toBe('ECONNREFUSED');
      await server.stop();
    },
  );

  it('may be called again when it has failed', async () => {
    const other = createServer().listen(0, 'localhost');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    const server = new AceBaseIPCServer({ port }, { logger: new CollectedLog() });
    onTestFinished(() => server.stop());
    await expect(server.start()).rejects.toMatchObject({ code: 'IPC_LISTEN_PORT_IN_USE' });
    other.close();
    await once(other, 'close');
    await server.start();
    expect(server.address?.port).toBe(port);
  });

  it.each([
    { what: 'an address of another machine', host: '192.0.2.1' },
    { what: 'a name that nobody has', host: 'nobody.invalid' },
  ])('says so when the host is $what', async ({ host }) => {
    const server = new AceBaseIPCServer({ port: 0, host, token: 'sesame' }, { logger: new CollectedLog() });
    await expect(server.start()).rejects.toMatchObject({
      code: 'IPC_LISTEN_BAD_ADDRESS',
      message: expect.stringContaining(host),
    });
    await server.stop();
  });

  it('starts once, however often it is called', async () => {
    const { server, port } = await serve();
    await Promise.all([server.start(), server.start()]);
    expect(server.address?.port).toBe(port);
  });
});

describe('stop()', () => {
  it('tells all peers of all databases that the server goes away', async () => {
    const { server, port } = await serve({ stopTimeout: 600_000 });
    const peers = [
      await join({ port }, 'first001'),
      await join({ port }, 'second01'),
      await join({ port, database: 'other' }, '[master]'),
    ];
    const codes = Promise.all(peers.map(async (peer) => (await once(peer, 'close'))[0]));
    await server.stop();
    expect(await codes).toEqual([1001, 1001, 1001]);
    expect(server.databases).toEqual([]);
    expect(await codeOfConnecting(port, '127.0.0.1')).toBe('ECONNREFUSED');
  });

  it('is what `await using` does at the end of a block', async () => {
    const { server, port } = await serve();
    await server[Symbol.asyncDispose]();
    expect(server.address).toBeNull();
    expect(await codeOfConnecting(port, '127.0.0.1')).toBe('ECONNREFUSED');
  });

  it('may be called again and again, but the server is not started again', async () => {
    const { server } = await serve();
    let stopped = 0;
    server.on('stopped', () => stopped++);
    await Promise.all([server.stop(), server.stop()]);
    await server.stop();
    expect(stopped).toBe(1);
    expect(server.address).toBeNull();
    const never = new AceBaseIPCServer({ port: 0 }, { logger: new CollectedLog() });
    await never.stop();
    await expect(never.start()).rejects.toMatchObject({ code: 'IPC_SERVER_STOPPED' });
  });

  it('waits for a server that is just starting', async () => {
    const server = new AceBaseIPCServer({ port: 0 }, { logger: new CollectedLog() });
    const starting = server.start();
    await Promise.all([starting, server.stop()]);
    expect(server.address).toBeNull();
  });

  it('does not wait beyond its deadline for peers that never answer, or never read', async () => {
    const { server, port } = await serve({ stopTimeout: 100 });
    const deaf = await rawPeer({ port, isStubborn: true });
    const paused = await rawPeer({ port }, { id: 'paused01' });
    paused.socket.pause();
    // Without the deadline, this request might go on for two minutes.
    const endless = await RawSocket.connect({ port, isStubborn: true });
    endless.send('POST /mydb_data/send?id=mallory1 HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n');
    endless.send('Content-Length: 100\r\n\r\n');
    expect(await endless.response()).toMatchObject({ status: 100 });
    await server.stop();
    expect(await deaf.closeCode()).toBe(1001);
    await Promise.all([deaf.ended, endless.ended]);
  });

  it('lets a request that is under way be answered', async () => {
    const { server, port } = await serve({ stopTimeout: 600_000, maxHttpMessage: 1_024 });
    await join({ port }, 'mallory1');
    const socket = await RawSocket.connect({ port });
    socket.send('POST /mydb_data/send?id=mallory1 HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n');
    socket.send('Content-Length: 1000\r\n\r\n');
    expect(await socket.response()).toMatchObject({ status: 100 });
    const stopped = server.stop();
    socket.send('x'.repeat(1_000));
    // Its peer is gone by then, so the answer is no good one; but it is an answer.
    expect(await socket.response()).toMatchObject({ status: 401 });
    await stopped;
    await socket.ended;
  });

  it('leaves nothing behind that keeps the port', async () => {
    const { server, port } = await serve();
    await server.stop();
    const next = await serve({ port });
    expect((await get(next.port, '/health')).status).toBe(200);
  });
});
