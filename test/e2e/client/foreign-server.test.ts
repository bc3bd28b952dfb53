import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { type WebSocket, WebSocketServer } from 'ws';
import { AceBaseProcess } from '../../support/acebase-process.js';
import { removeDirectory, temporaryDirectory } from '../../support/temporary-directory.js';
import { eventually } from '../../support/waiting.js';

const ends: (() => Promise<unknown> | unknown)[] = [];

afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** The plainest server of the protocol, which knows no sessions, and takes the token from the URL alone. */
async function plainServer(token: string): Promise<{ port: number; arrivals(): number; cut(): void }> {
  const peers = new Map<string, WebSocket>();
  let arrivals = 0;
  const http = createServer();
  const sockets = new WebSocketServer({ noServer: true });
  http.on('upgrade', (request, socket, head) => {
    const query = new URL(request.url ?? '', 'http://localhost').searchParams;
    if (query.get('t') !== token) {
      socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
      return;
    }
    const id = query.get('id') ?? '';
    sockets.handleUpgrade(request, socket, head, (peer) => {
      peers.set(id, peer);
      arrivals += 1;
      peer.send('welcome:{"maxPayload":16384}');
      for (const [other, line] of peers) {
        if (other === id) continue;
        line.send(JSON.stringify({ type: 'hello', from: id }));
        peer.send(JSON.stringify({ type: 'hello', from: other }));
      }
      peer.on('message', (data) => {
        const text = String(data);
        const [, to, message = ''] = /^to:([^;]*);(.*)$/s.exec(text) ?? [];
        if (text === 'ping') peer.send('pong');
        else if (to !== undefined) peers.get(to)?.send(message);
        else for (const [other, line] of peers) if (other !== id) line.send(text);
      });
      peer.on('close', () => {
        if (peers.get(id) === peer) peers.delete(id);
      });
    });
  });
  await new Promise<void>((resolve) => {
    http.listen(0, 'localhost', resolve);
  });
  ends.push(() => {
    for (const peer of peers.values()) peer.terminate();
    http.close();
  });
  return {
    port: (http.address() as AddressInfo).port,
    arrivals: () => arrivals,
    cut: () => {
      for (const peer of peers.values()) peer.terminate();
    },
  };
}

it('works with a server that knows no sessions, and comes back when its line breaks', async () => {
  const { port, arrivals, cut } = await plainServer('sesame');
  const path = await temporaryDirectory('foreign');
  ends.push(() => removeDirectory(path));
  const start = async (role: 'master' | 'worker') => {
    const ipc = { port, role, token: 'sesame' };
    const database = new AceBaseProcess({ name: role, database: 'mydb', path, ipc, client: true });
    ends.push(() => database.kill());
    await database.ready();
    return database;
  };
  const master = await start('master');
  const worker = await start('worker');
  await Promise.all([master, worker].map((peer) => peer.untilPeers(1)));
  const events = await master.subscribe('a', 'child_added');
  await worker.untilSubscribed('a', 'child_added');
  await worker.set('a/x', { at: new Date(5) });
  expect(await events.atLeast(1)).toEqual([{ path: 'a/x', value: { at: new Date(5) } }]);
  cut();
  // Such a server drops what is for somebody who is not back yet.
  await eventually(async () => arrivals() === 4);
  await worker.set('a/y', 1);
  expect(await master.get('a/y')).toBe(1);
  expect(await worker.closeAndEnd()).toEqual({ code: 0, signal: null });
  expect(await master.closeAndEnd()).toEqual({ code: 0, signal: null });
});
