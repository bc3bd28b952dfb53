import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { expect, it } from 'vitest';
import { isInFull, itInFull } from '../../support/in-full.js';
import { peakMemory } from '../../support/process-memory.js';
import { RawSocket, rawPeer } from '../../support/raw-socket.js';
import { serve, unnoticed, unnoticedByProcess } from '../../support/served.js';
import type { ServerProcess } from '../../support/server-process.js';

const BODY_BYTES = 3_000_000_000;

/** The server keeps no more than `maxHttpMessage`, 96 MiB; Node itself takes some 60 MB. */
const MEMORY_BYTES = 400_000_000;

const PIECES = isInFull ? 1_000_000 : 300_000;

const chunk = Buffer.alloc(1_048_576, 0x61);

/** Unlike `once`, takes no notice of errors: that the line broke is told otherwise. */
function drained(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once('drain', () => resolve()));
}

/** A client as most are: it sends until an answer comes. Gives the answer, and how much it sent. */
async function upload(server: ServerProcess, headers: Record<string, string>) {
  const request = httpRequest({
    port: server.port,
    host: '127.0.0.1',
    method: 'POST',
    path: '/mydb_data/send?id=mallory1&t=sesame',
    headers,
  });
  const answer = once(request, 'response').then(async ([response]: IncomingMessage[]) => {
    let body = '';
    for await (const text of response?.setEncoding('utf8') ?? []) body += text;
    return { status: response?.statusCode, headers: response?.headers ?? {}, body };
  });
  let isAnswered = false;
  const told = answer.then(() => {
    isAnswered = true;
  });
  let sent = 0;
  while (!isAnswered && sent < BODY_BYTES) {
    if (!request.write(chunk)) await Promise.race([once(request, 'drain'), told]);
    sent += chunk.length;
  }
  const closed = once(request, 'close');
  request.destroy();
  await closed;
  return { ...(await answer), sent };
}

const bodies: { kind: string; headers: Record<string, string> }[] = [
  { kind: 'that does not say so', headers: { 'Transfer-Encoding': 'chunked' } },
];
if (isInFull) {
  bodies.push(
    { kind: 'that says so', headers: { 'Content-Length': String(BODY_BYTES) } },
    { kind: 'that asks first', headers: { 'Content-Length': String(BODY_BYTES), Expect: '100-continue' } },
  );
}

it.each(bodies)('refuses a body of 3 GB $kind', async ({ headers }) => {
  await unnoticedByProcess({}, async (server, conversation) => {
    const peer = await rawPeer({ port: server.port }, { token: 'sesame' });
    const { status, headers: answered, body, sent } = await upload(server, headers);
    expect(status).toBe(413);
    expect(answered.connection).toBe('close');
    expect(JSON.parse(body)).toMatchObject({ code: 'IPC_HTTP_TOO_LARGE', remedy: expect.any(String) });
    expect(sent).toBeLessThan(BODY_BYTES);
    expect(await server.line(({ code }) => code === 'IPC_HTTP_TOO_LARGE')).toMatchObject({
      level: 'warn',
      path: '/mydb_data/send',
      address: '127.0.0.1',
    });
    expect(await peakMemory(server.pid)).toBeLessThan(MEMORY_BYTES);
    expect(new Set(conversation.overheard)).toEqual(new Set(['connect:mallory1']));
    peer.socket.destroy();
  });
});

/** In `npm test`, the one above shows what is answered, and that no more is kept. */
const senders = [
  { who: 'a peer', query: 'id=mallory1&t=sesame', status: 413 },
  { who: 'a stranger', query: 'id=mallory1&t=barley', status: 401 },
];

it.each(isInFull ? senders : [])(
  'does not read on when $who takes no notice of the answer',
  async ({ query, status }) => {
    await unnoticedByProcess({}, async (server) => {
      const peer = await rawPeer({ port: server.port }, { token: 'sesame' });
      const socket = await RawSocket.connect({ port: server.port });
      const head = `POST /mydb_data/send?${query} HTTP/1.1\r\nHost: localhost\r\n`;
      socket.send(`${head}Content-Length: ${BODY_BYTES}\r\n\r\n`);
      let sent = 0;
      let isOver = false;
      const over = socket.closed.then(() => {
        isOver = true;
      });
      while (!isOver && sent < BODY_BYTES) {
        if (!socket.socket.write(chunk)) await Promise.race([drained(socket.socket), over]);
        sent += chunk.length;
      }
      await over;
      expect(await socket.response()).toMatchObject({ status, headers: { connection: 'close' } });
      expect(sent).toBeLessThan(BODY_BYTES);
      expect(await peakMemory(server.pid)).toBeLessThan(MEMORY_BYTES);
      peer.socket.destroy();
    });
  },
);

itInFull('needs no more memory for a body in very many pieces than for one in a few', async () => {
  await unnoticedByProcess({}, async (server) => {
    await rawPeer({ port: server.port }, { token: 'sesame' });
    const socket = await RawSocket.connect({ port: server.port });
    socket.send(
      'POST /mydb_data/send?id=mallory1&t=sesame HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n',
    );
    const pieces = Buffer.from('1\r\na\r\n'.repeat(10_000));
    for (let sent = 0; sent < PIECES; sent += 10_000) {
      if (!socket.socket.write(pieces)) await drained(socket.socket);
    }
    socket.send('0\r\n\r\n');
    expect(await socket.response()).toMatchObject({ status: 400 });
    expect(await peakMemory(server.pid)).toBeLessThan(MEMORY_BYTES / 2);
  });
});

it('takes no request behind a body that it refused', async () => {
  const { port, server } = await serve({ maxHttpMessage: 1_024 });
  await rawPeer({ port });
  const witness = await rawPeer({ port }, { id: 'witness1' });
  const socket = await RawSocket.connect({ port, isStubborn: true });
  const head = 'POST /mydb_data/send?id=mallory1 HTTP/1.1\r\nHost: localhost\r\n';
  const message = '{"type":"test","from":"mallory1"}';
  socket.send(`${head}Content-Length: 1025\r\n\r\n`);
  expect(await socket.response()).toMatchObject({ status: 413 });
  socket.send('a'.repeat(1_025));
  socket.send(`${head}Content-Length: ${message.length}\r\n\r\n${message}`);
  socket.socket.end();
  await socket.closed;
  expect(server.counters.refusals).toEqual({ IPC_HTTP_TOO_LARGE: 1 });
  // The witness, asked afterwards, has heard of nothing.
  await fetch(`http://127.0.0.1:${port}/mydb_data/send?id=mallory1`, {
    method: 'POST',
    body: '{"type":"last","from":"mallory1"}',
  });
  let text = '';
  while (!text.includes('"last"')) {
    text = await witness.text();
    expect(text).not.toContain('"test"');
  }
});

it('lives on when bodies break off', async () => {
  await unnoticed({}, async ({ port, log, server }) => {
    await rawPeer({ port });
    const head = 'POST /mydb_data/send?id=mallory1 HTTP/1.1\r\nHost: localhost\r\n';
    for (const isReset of [true, false]) {
      for (const length of ['Content-Length: 5000', 'Transfer-Encoding: chunked']) {
        const socket = await RawSocket.connect({ port });
        socket.send(`${head}${length}\r\n\r\n3e8\r\n{"type":"test"`);
        if (isReset) socket.socket.resetAndDestroy();
        else socket.socket.end();
        await socket.closed;
      }
    }
    const last = await RawSocket.connect({ port });
    last.send('GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n');
    expect(await last.response()).toMatchObject({ status: 200 });
    // Who breaks off has broken no rule.
    expect(log.complaints).toEqual([]);
    expect(server.counters).toEqual({ incidents: {}, refusals: {} });
  });
});
