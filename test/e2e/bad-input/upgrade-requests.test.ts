import { expect, it } from 'vitest';
import { temporaryCertificate } from '../../support/private-authority.js';
import {
  connectPath,
  RawSocket,
  rawPeer,
  type UpgradeRequest,
  upgradeRequest,
} from '../../support/raw-socket.js';
import { serve, unnoticed } from '../../support/served.js';

const rows: readonly (UpgradeRequest & { what: string; status: number; code: string; logged?: string })[] = [
  { what: 'a wrong path', path: '/', status: 404, code: 'IPC_REFUSED_PATH' },
  { what: 'a path without a database', path: '/connect?v=1.0.0', status: 404, code: 'IPC_REFUSED_PATH' },
  { what: 'another endpoint', path: '/mydb_data/join?v=1.0.0', status: 404, code: 'IPC_REFUSED_PATH' },
  { what: 'a path that goes on', path: '/mydb_data/connect/x', status: 404, code: 'IPC_REFUSED_PATH' },
  {
    what: 'an absolute URL',
    path: 'http://localhost/mydb_data/connect?v=1.0.0&id=mallory1',
    status: 404,
    code: 'IPC_REFUSED_PATH',
    logged: 'http://localhost/mydb_data/connect',
  },
  { what: 'no id', path: '/mydb_data/connect?v=1.0.0', status: 500, code: 'IPC_REFUSED_PEER_ID' },
  { what: 'a short id', path: connectPath({ id: 'abcd' }), status: 500, code: 'IPC_REFUSED_PEER_ID' },
  {
    what: 'an id that would begin a new line in the log',
    path: connectPath({ id: 'abcde%0d%0alevel' }),
    status: 500,
    code: 'IPC_REFUSED_PEER_ID',
  },
  {
    what: 'an id that ends an address',
    path: connectPath({ id: 'abcde;abcde' }),
    status: 500,
    code: 'IPC_REFUSED_PEER_ID',
  },
  { what: 'version 2', path: connectPath({ version: '2.0.0' }), status: 409, code: 'IPC_REFUSED_VERSION' },
  { what: 'version 10', path: connectPath({ version: '10.0.0' }), status: 409, code: 'IPC_REFUSED_VERSION' },
  { what: 'no version', path: '/mydb_data/connect?id=mallory1', status: 409, code: 'IPC_REFUSED_VERSION' },
  {
    what: 'a database name with a space',
    path: connectPath({ database: 'my%20db' }),
    status: 500,
    code: 'IPC_REFUSED_DATABASE_NAME',
    logged: '/my%20db/connect',
  },
  {
    what: 'a database name that would begin a new line in the log',
    path: connectPath({ database: 'mydb%0d%0a' }),
    status: 500,
    code: 'IPC_REFUSED_DATABASE_NAME',
    logged: '/mydb%0d%0a/connect',
  },
  {
    what: 'a database name that is too long',
    path: connectPath({ database: 'a'.repeat(129) }),
    status: 500,
    code: 'IPC_REFUSED_DATABASE_NAME',
    logged: `/${'a'.repeat(129)}/connect`,
  },
  {
    what: 'another version of WebSocket',
    headers: { 'Sec-WebSocket-Version': '8' },
    status: 400,
    code: 'IPC_REFUSED_HANDSHAKE',
  },
  {
    what: 'no WebSocket key',
    headers: { 'Sec-WebSocket-Key': undefined },
    status: 400,
    code: 'IPC_REFUSED_HANDSHAKE',
  },
  {
    what: 'a WebSocket key that is too short',
    headers: { 'Sec-WebSocket-Key': 'c2hvcnQ=' },
    status: 400,
    code: 'IPC_REFUSED_HANDSHAKE',
  },
];

it.each(rows)('refuses $what', async ({ path, headers, status, code, logged = path }) => {
  const request = { ...(path !== undefined && { path }), ...(headers && { headers }) };
  await unnoticed({}, async ({ port, log, conversation }) => {
    const socket = await RawSocket.connect({ port });
    socket.send(upgradeRequest(request));
    const response = await socket.response();
    expect(response).toMatchObject({ status, headers: { connection: 'close' } });
    expect(JSON.parse(response.body)).toMatchObject({ code, remedy: expect.any(String) });
    await socket.closed;
    expect(log.complaints).toEqual([
      expect.objectContaining({
        level: 'warn',
        code,
        address: '127.0.0.1',
        path: (logged ?? '/mydb_data/connect').split('?')[0],
      }),
    ]);
    expect(conversation.overheard).toEqual([]);
  });
});

it('refuses a wrong token', async () => {
  await unnoticed({ token: 'open-sesame' }, async ({ port, log, conversation }) => {
    const socket = await RawSocket.connect({ port });
    socket.send(upgradeRequest({ path: connectPath({ token: 'open-barley' }) }));
    expect(await socket.response()).toMatchObject({ status: 403 });
    await socket.closed;
    expect(log.complaints).toMatchObject([{ code: 'IPC_REFUSED_TOKEN', path: '/mydb_data/connect' }]);
    expect(JSON.stringify(log.lines)).not.toMatch(/sesame|barley/);
    expect(conversation.overheard).toEqual([]);
  });
});

it('answers a request for a connection without an upgrade', async () => {
  await unnoticed({}, async ({ port, log, conversation }) => {
    const socket = await RawSocket.connect({ port });
    socket.send(`GET ${connectPath()} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
    expect(await socket.response()).toMatchObject({ status: 426, headers: { upgrade: 'websocket' } });
    await socket.closed;
    expect(log.complaints).toMatchObject([{ code: 'IPC_REFUSED_NO_UPGRADE', path: '/mydb_data/connect' }]);
    expect(conversation.overheard).toEqual([]);
  });
});

/** What `curl --http2` and Java's HTTP client send with their first request. */
const OFFER =
  'Host: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n';

it.each(['/health', '/ready', '/metrics', '/status', '/', '/mydb_data/clients'])(
  'answers GET %s though it offers HTTP/2',
  async (path) => {
    const { port, log } = await serve();
    await rawPeer({ port });
    const socket = await RawSocket.connect({ port });
    socket.send(`GET ${path} HTTP/1.1\r\n${OFFER}\r\n`);
    expect(await socket.response()).toMatchObject({ status: 200 });
    expect(log.complaints).toEqual([]);
  },
);

it.each(['http', 'https'])('keeps a connection on which HTTP/2 was offered: %s', async (scheme) => {
  const tls = scheme === 'https';
  await unnoticed(tls ? { ssl: await temporaryCertificate() } : {}, async ({ port, log, conversation }) => {
    const socket = await RawSocket.connect({ port, tls });
    for (const _time of [1, 2]) {
      socket.send(`GET /health HTTP/1.1\r\n${OFFER}\r\n`);
      expect(await socket.response()).toMatchObject({ status: 200, body: '{"status":"ok"}' });
    }
    socket.send(`GET ${connectPath()} HTTP/1.1\r\n${OFFER}\r\n`);
    expect(await socket.response()).toMatchObject({ status: 426, headers: { upgrade: 'websocket' } });
    expect(log.complaints).toMatchObject([{ code: 'IPC_REFUSED_NO_UPGRADE' }]);
    expect(conversation.overheard).toEqual([]);
    // A proxy may use the connection again, for somebody else.
    const headers = { Upgrade: 'h2c, WebSocket' };
    socket.send(upgradeRequest({ path: connectPath({ id: 'worker01' }), headers }));
    expect(await socket.response()).toMatchObject({ status: 101 });
    expect(await socket.text()).toMatch(/^welcome:/);
  });
});

it('reads the body of a request that offers HTTP/2', async () => {
  const { port } = await serve();
  await rawPeer({ port }, { id: 'sender01' });
  const receiver = await rawPeer({ port }, { id: 'receiver' });
  const message = 'to:receiver;{"type":"unknown","from":"sender01"}';
  const half = message.slice(0, 20);
  const socket = await RawSocket.connect({ port });
  for (const body of [
    [`Content-Length: ${message.length}\r\n\r\n${half}`, message.slice(20)],
    [`Transfer-Encoding: chunked\r\n\r\n14\r\n${half}\r\n`, `1c\r\n${message.slice(20)}\r\n0\r\n\r\n`],
  ]) {
    socket.send(`POST /mydb_data/send?id=sender01&t=undefined HTTP/1.1\r\n${OFFER}${body[0]}`);
    socket.send(`${body[1]}`);
    expect(await socket.response()).toMatchObject({ status: 200, body: 'ok' });
    for (;;) if ((await receiver.text()) === '{"type":"unknown","from":"sender01"}') break;
  }
});

it('answers who is refused even while he goes on sending', async () => {
  await unnoticed({}, async ({ port, log }) => {
    const socket = await RawSocket.connect({ port });
    socket.send(upgradeRequest({ path: '/nothing' }));
    for (let megabytes = 0; megabytes < 8; megabytes++) socket.send(Buffer.alloc(1_048_576, 0x61));
    expect(await socket.response()).toMatchObject({ status: 404 });
    await socket.closed;
    // Not a line for what came behind it, too.
    expect(log.complaints).toHaveLength(1);
  });
});

it('does not keep the connection of somebody who is refused and never ends his side', async () => {
  const { server, port } = await serve({ stopTimeout: 600_000 });
  const socket = await RawSocket.connect({ port, isStubborn: true });
  socket.send(upgradeRequest({ path: '/nothing' }));
  expect(await socket.response()).toMatchObject({ status: 404 });
  await socket.ended;
  // Resolves when no connection is left, or after ten minutes.
  await server.stop();
});

it('ends a connection whose upgrade comes before the last request is answered', async () => {
  await unnoticed({}, async ({ port, log, conversation }) => {
    const socket = await RawSocket.connect({ port });
    socket.send(`GET /mydb_data/clients HTTP/1.1\r\nHost: localhost\r\n\r\n${upgradeRequest()}`);
    await socket.closed;
    expect(socket.received.toString()).not.toContain('101 Switching Protocols');
    expect(log.complaints).toMatchObject([{ code: 'IPC_REFUSED_MALFORMED_HTTP' }]);
    expect(conversation.overheard).toEqual([]);
  });
});

it.each(['__proto__', 'constructor', 'hasOwnProperty'])(
  'serves a database of the name %s like any other',
  async (database) => {
    await unnoticed({}, async ({ port, server, conversation }) => {
      const socket = await RawSocket.connect({ port });
      socket.send(upgradeRequest({ path: connectPath({ database }) }));
      expect(await socket.response()).toMatchObject({ status: 101 });
      expect(await socket.text()).toMatch(/^welcome:/);
      expect(server.databases).toEqual(['mydb_data', database]);
      expect(server.peers(database)).toHaveLength(1);
      expect(conversation.overheard).toEqual([]);
    });
  },
);
