import { createServer } from 'node:http';
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, it } from 'vitest';
import { type WebSocket, WebSocketServer } from 'ws';
import { LongMessages } from '../../../src/client/long-messages.js';
import { AceBaseProcess } from '../../support/acebase-process.js';
import { EmbeddedServer } from '../../support/embedded-server.js';
import { removeDirectory, temporaryDirectory } from '../../support/temporary-directory.js';
import { eventually } from '../../support/waiting.js';

const ends: (() => Promise<unknown> | unknown)[] = [];

afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

const fastTime = fileURLToPath(new URL('../../support/fast-time.cjs', import.meta.url));

/** As the original server: knows no sessions, looks at the version first, and takes the token from the URL alone. */
async function plainServer(token: string): Promise<{ port: number; arrivals(): number; cut(): void }> {
  const peers = new Map<string, WebSocket>();
  let arrivals = 0;
  const http = createServer();
  const sockets = new WebSocketServer({ noServer: true });
  http.on('upgrade', (request, socket, head) => {
    const query = new URL(request.url ?? '', 'http://localhost').searchParams;
    const refuse = (answer: string): void => {
      socket.end(
        `HTTP/1.1 ${answer}\r\nContent-Length: ${answer.length}\r\nConnection: close\r\n\r\n${answer}`,
      );
    };
    const version = query.get('v') ?? '';
    if (!version.startsWith('1.'))
      return refuse(`409 Unsupported client IPC version "${version}". Update it`);
    if (query.get('t') !== token) return refuse('403 Unauthorized');
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

it('gives up at a server that it knows to be an original one, if that does not take its token', async () => {
  const { port } = await plainServer('sesame');
  const path = await temporaryDirectory('foreign');
  ends.push(() => removeDirectory(path));
  const ipc = { port, role: 'master', token: 'wrong' } as const;
  const database = new AceBaseProcess({ name: 'master', database: 'mydb', path, ipc, client: true });
  ends.push(() => database.kill());
  await database.untilComplains(/an original acebase-ipc-server, and does not take this token/);
});

const html = (status: string, more = '') =>
  `HTTP/1.1 ${status}\r\nServer: nginx\r\nContent-Type: text/html\r\n${more}Content-Length: 10\r\nConnection: close\r\n\r\n<h1>x</h1>`;

/** What a proxy, a captive portal or another program may say in the server's place; `undefined`: it closes. */
const FOREIGN_ANSWERS = [
  html('403 Forbidden'),
  html('500 Internal Server Error'),
  html('409 Conflict'),
  'HTTP/1.1 403 Forbidden\r\nContent-Length: 20\r\nConnection: close\r\n\r\n{"code":"FORBIDDEN"}',
  html('401 Unauthorized', 'WWW-Authenticate: Basic\r\n'),
  html('302 Found', 'Location: http://portal.invalid/\r\n'),
  html('200 OK'),
  html('426 Upgrade Required', 'Upgrade: h2c\r\n'),
  'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n',
  'SSH-2.0-OpenSSH_9.2\r\n',
  undefined,
];

/** Something in front of the server that answers the first requests of `/mydb_data/connect` itself, and records all. */
async function proxyThatAnswers(target: number, answers: readonly (string | undefined)[]) {
  const left = [...answers];
  const heads: string[] = [];
  const sockets = new Set<Socket>();
  const proxy = createTcpServer((socket) => {
    sockets.add(socket.on('error', () => undefined));
    socket.once('data', (head) => {
      heads.push(head.toString('latin1'));
      // Whether this is the question for an original server: that is passed on, or meets the same proxy.
      const isProbe = heads.at(-1)?.includes('?v=0 ') === true;
      if (!isProbe && left.length > 0) {
        socket.end(left.shift() ?? '');
        return;
      }
      const onward = connect(target, 'localhost').on('error', () => undefined);
      sockets.add(onward);
      onward.write(head);
      socket.pipe(onward).pipe(socket);
    });
  });
  await new Promise<void>((resolve) => {
    proxy.listen(0, 'localhost', resolve);
  });
  ends.push(() => {
    for (const socket of sockets) socket.destroy();
    proxy.close();
  });
  return { port: (proxy.address() as AddressInfo).port, heads, left };
}

it('tries again after every answer that is not the server’s, and never shows the token in the URL', async () => {
  const server = await EmbeddedServer.start({ token: 'sesame' });
  ends.push(() => server.kill());
  const { port, heads, left } = await proxyThatAnswers(server.port, FOREIGN_ANSWERS);
  const path = await temporaryDirectory('foreign');
  ends.push(() => removeDirectory(path));
  const ipc = { port, role: 'worker', token: 'sesame' } as const;
  const execArgv = ['--require', fastTime];
  const worker = new AceBaseProcess({ name: 'worker', database: 'mydb', path, ipc, client: true, execArgv });
  ends.push(() => worker.kill());
  await worker.untilComplains(/Connected to the IPC server at .* after/);
  expect(left).toEqual([]);
  expect(worker.complaints).toMatch(/is not an IPC server of this package \(403 Forbidden, from nginx\)/);
  const lines = heads.map((head) => head.split('\r\n', 1)[0] ?? '');
  expect(lines.length).toBeGreaterThan(FOREIGN_ANSWERS.length);
  expect(lines.filter((line) => line.includes('sesame'))).toEqual([]);
});

it.each([
  ['what a proxy says while its server is away', 502, '<h1>Bad Gateway</h1>', 'ok'],
  ['the server’s own word', 404, '{"code":"IPC_HTTP_NOT_FOUND","message":"m","remedy":"r"}', 'given up'],
  ['the word of an original server', 404, 'Not Found', 'given up'],
])('a long message to be fetched, and %s', async (_what, status, body, outcome) => {
  const answers = [{ status, body }];
  const server = createServer((_request, response) => {
    const refusal = answers.shift();
    if (refusal === undefined) response.end('the message');
    else response.writeHead(refusal.status).end(refusal.body);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, 'localhost', resolve);
  });
  ends.push(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const messages = new LongMessages({
    config: { port, dbname: 'mydb_data', role: 'worker' },
    now: () => performance.now(),
    ask: (endpoint, parameters) => ({ endpoint, parameters, tokenPlace: 'header' }),
  });
  const fetched = await messages.fetch('1');
  expect('text' in fetched ? 'ok' : 'given up').toBe(outcome);
});
