/** A real `ws` client at a real socket. */

import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { type ClosedEvent, eventLoop, WebSocketConnection } from '../../src/websocket/connection.js';
import { acceptResponse, checkHandshake } from '../../src/websocket/handshake.js';
import { Lane } from '../../src/websocket/lanes.js';

const servers: Server[] = [];

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => new Promise((resolve) => server.close(resolve))));
});

/** A server that echoes, except that it obeys "close <code> <reason>", and a client that is connected to it. */
async function echo() {
  const closed: ClosedEvent[] = [];
  const pongs: string[] = [];
  const connections: WebSocketConnection[] = [];
  const server = createServer();
  servers.push(server);
  server.on('upgrade', (request, socket, head) => {
    const handshake = checkHandshake(request);
    if (!handshake.ok) throw new Error(handshake.message);
    const connection: WebSocketConnection = new WebSocketConnection(
      socket,
      {
        maxMessageBytes: 8 * 1024 * 1024,
        closeTimeoutMs: 2_000,
        lane: new Lane(eventLoop(() => performance.now())),
        schedule(milliseconds, callback) {
          const timer = setTimeout(callback, milliseconds);
          return () => clearTimeout(timer);
        },
      },
      {
        message(payload) {
          const [command, code, reason = ''] = Buffer.from(payload.subarray(0, 100)).toString().split(' ');
          if (command === 'close') connection.close(Number(code), reason);
          else connection.send(payload);
        },
        pong: (payload) => pongs.push(Buffer.from(payload).toString()),
        answerTo: (ping) => ping,
        closed: (event) => closed.push(event),
      },
    );
    connections.push(connection);
    connection.begin(acceptResponse(handshake.accept), head);
    connection.send(Buffer.from('welcome'));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const client = new WebSocket(`ws://127.0.0.1:${port}/`, { perMessageDeflate: true });
  const welcome = await next(client);
  const [connection] = connections;
  if (connection === undefined) throw new Error('no connection');
  return { client, connection, closed, pongs, welcome };
}

function next(client: WebSocket): Promise<string> {
  return new Promise((resolve, reject) => {
    client.once('message', (data) => resolve(data.toString()));
    client.once('error', reject);
  });
}

function ended(client: WebSocket): Promise<{ code: number; reason: string }> {
  return new Promise((resolve) => {
    client.once('close', (code, reason) => resolve({ code, reason: reason.toString() }));
    client.on('error', () => {});
  });
}

describe('a ws client', () => {
  it('gets back what it sends, of every length, without compression', async () => {
    const { client, closed, welcome } = await echo();
    expect(welcome).toBe('welcome');
    expect(client.extensions).toBe('');
    expect(client.protocol).toBe('');
    const texts = [0, 1, 125, 126, 65_535, 65_536, 5 * 1024 * 1024].map((length) => 'x'.repeat(length));
    for (const text of [...texts, 'é€😀'.repeat(10_000)]) {
      const answer = next(client);
      client.send(text);
      expect((await answer) === text, `${text.length} characters`).toBe(true);
    }
    const end = ended(client);
    client.close(1000, 'done');
    expect(await end).toEqual({ code: 1000, reason: '' });
    expect(closed).toEqual([{ code: 1000, reason: 'done', initiator: 'peer' }]);
  });

  it('gets many messages back in order', async () => {
    const { client } = await echo();
    const received: string[] = [];
    const all = new Promise<void>((resolve) => {
      client.on('message', (data) => {
        if (received.push(data.toString()) === 5_000) resolve();
      });
    });
    const sent = Array.from({ length: 5_000 }, (_, index) => `${index} `.repeat(index % 90));
    for (const text of sent) client.send(text);
    await all;
    expect(received).toEqual(sent);
    client.close();
    await ended(client);
  });

  it('pings and is pinged', async () => {
    const { client, connection, pongs } = await echo();
    const pong = new Promise<string>((resolve) => client.once('pong', (data) => resolve(data.toString())));
    const ping = new Promise<string>((resolve) => client.once('ping', (data) => resolve(data.toString())));
    client.ping('from client');
    connection.ping(Buffer.from('from server'));
    expect(await pong).toBe('from client');
    expect(await ping).toBe('from server');
    const answer = next(client);
    client.send('after the pong');
    await answer;
    expect(pongs).toEqual(['from server']);
    client.close();
    await ended(client);
  });

  it.each([
    [undefined, 1005],
    [1000, 1000],
    [4321, 4321],
  ])('closes with %s', async (code, expected) => {
    const { client, closed } = await echo();
    const end = ended(client);
    client.close(code);
    expect((await end).code).toBe(expected);
    expect(closed).toEqual([{ code: expected, reason: '', initiator: 'peer' }]);
  });

  it('is closed by the server', async () => {
    const { client, closed } = await echo();
    const end = ended(client);
    client.send('close 4500 replaced');
    expect(await end).toEqual({ code: 4500, reason: 'replaced' });
    expect(closed).toEqual([{ code: 4500, reason: 'replaced', initiator: 'server' }]);
  });

  it('is told when its message is too long', async () => {
    const { client, closed } = await echo();
    const end = ended(client);
    client.send('x'.repeat(9 * 1024 * 1024));
    expect((await end).code).toBe(1009);
    expect(closed).toEqual([{ code: 1009, reason: 'the message is too long', initiator: 'server' }]);
  });

  it('vanishes', async () => {
    const { client, connection, closed } = await echo();
    const end = ended(client);
    client.terminate();
    await end;
    connection.send(Buffer.from('into the void'));
    await expect.poll(() => closed.length).toBe(1);
    expect(closed[0]).toMatchObject({ code: 1006, initiator: 'line' });
  });
});
