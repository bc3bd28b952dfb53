import { once } from 'node:events';
import { connect as connectTls } from 'node:tls';
import { describe, expect, it, onTestFinished } from 'vitest';
import { privateAuthority, temporaryCertificate } from '../../support/private-authority.js';
import { RawSocket, rawPeer } from '../../support/raw-socket.js';
import { unnoticed } from '../../support/served.js';
import { removeDirectory, temporaryDirectory } from '../../support/temporary-directory.js';

const CLIENT_HELLO = Buffer.from('16030100c8010000c40303', 'hex');

const health = 'GET /health HTTP/1.1\r\nHost: localhost\r\n';

const rows: readonly { what: string; bytes: string | Uint8Array }[] = [
  { what: 'text that is not HTTP', bytes: 'HELO mallory\r\n' },
  { what: 'three megabytes of noise', bytes: Buffer.alloc(3_000_000, 0x61) },
  { what: 'zeros', bytes: Buffer.alloc(64) },
  { what: 'the start of a TLS handshake', bytes: CLIENT_HELLO },
  { what: 'HTTP/2', bytes: 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n' },
  { what: 'headers that are too long', bytes: `${health}X-Long: ${'a'.repeat(40_000)}\r\n\r\n` },
  { what: 'headers without end', bytes: `${health}${'X-More: a\r\n'.repeat(4_000)}` },
  { what: 'a header that would begin another line', bytes: `${health}X-Bad: a\x00b\r\n\r\n` },
  {
    what: 'control characters in a name',
    bytes: 'GET /my\x1b[31mdb/connect HTTP/1.1\r\nHost: localhost\r\n\r\n',
  },
  { what: 'a terminal control of eight bits', bytes: 'GET /my\x9b31mdb HTTP/1.1\r\nHost: localhost\r\n\r\n' },
  { what: 'no Host', bytes: 'GET /mydb_data/clients HTTP/1.1\r\n\r\n' },
  { what: 'no Host in HTTP/1.0', bytes: 'GET /mydb_data/clients HTTP/1.0\r\n\r\n' },
  { what: 'a Host that is a path', bytes: 'GET /health HTTP/1.1\r\nHost: localhost/x\r\n\r\n' },
  { what: 'an empty Host', bytes: 'GET /health HTTP/1.1\r\nHost:\r\n\r\n' },
  { what: 'a request for the server as such', bytes: 'OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n' },
  { what: 'a request for a tunnel', bytes: 'CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\n\r\n' },
  {
    what: 'a body with two lengths',
    bytes:
      'POST /mydb_data/send HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  },
];

describe('a plain port', () => {
  it.each(rows)('answers $what with an error, and ends the connection', async ({ bytes }) => {
    await unnoticed({}, async ({ port, log, conversation }) => {
      const socket = await RawSocket.connect({ port });
      socket.send(bytes);
      const { status, headers, body } = await socket.response();
      expect([400, 401]).toContain(status);
      expect(headers['connection']).toBe('close');
      expect(JSON.parse(body).code).toMatch(/^IPC_/);
      await socket.closed;
      expect(log.complaints).toHaveLength(1);
      expect(log.complaints).toMatchObject([
        { level: 'warn', code: JSON.parse(body).code, address: '127.0.0.1' },
      ]);
      // What came from the network reaches the log as printable ASCII, whatever it was.
      for (const { path = '' } of log.lines) expect(path).toMatch(/^[!-~·]*$/);
      expect(conversation.overheard).toEqual([]);
    });
  });

  it('tells who tries TLS on it what is wrong', async () => {
    await unnoticed({}, async ({ port, log, conversation }) => {
      const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false });
      onTestFinished(() => void socket.destroy());
      const [error] = await once(socket, 'error');
      expect(error).toMatchObject({ code: expect.stringMatching(/SSL|EPROTO|ECONNRESET/) });
      const line = await log.line(({ code }) => code === 'IPC_REFUSED_TLS_UNEXPECTED');
      expect(line['remedy']).toContain('Remove `ssl` from the `ipc` settings');
      expect(conversation.overheard).toEqual([]);
    });
  });

  it('answers a peer whose body goes wrong in the middle', async () => {
    await unnoticed({}, async ({ port, log, server }) => {
      await rawPeer({ port });
      const socket = await RawSocket.connect({ port });
      const head = 'POST /mydb_data/send?id=mallory1 HTTP/1.1\r\nHost: localhost\r\n';
      socket.send(`${head}Transfer-Encoding: chunked\r\n\r\n1;${'x'.repeat(40_000)}`);
      expect(await socket.response()).toMatchObject({ status: 400, headers: { connection: 'close' } });
      await socket.closed;
      expect(log.complaints).toMatchObject([{ code: 'IPC_REFUSED_MALFORMED_HTTP' }]);
      expect(server.peers('mydb_data')).toHaveLength(3);
    });
  });

  it('does not count those as bad who only try whether it is open', async () => {
    await unnoticed({}, async ({ port, server, log }) => {
      for (let attempt = 0; attempt < 10; attempt++) {
        const socket = await RawSocket.connect({ port });
        if (attempt % 2 === 0) socket.socket.end();
        else socket.socket.resetAndDestroy();
        await socket.closed;
      }
      // The server has seen all of them when a later one is answered.
      const last = await RawSocket.connect({ port });
      last.send(`${health}\r\n`);
      expect(await last.response()).toMatchObject({ status: 200 });
      expect(log.complaints).toEqual([]);
      expect(server.counters.refusals).toEqual({});
    });
  });

  it('writes no more than a line for a flood of the same', async () => {
    await unnoticed({}, async ({ port, server, log }) => {
      for (let attempt = 0; attempt < 100; attempt++) {
        const socket = await RawSocket.connect({ port });
        socket.send('HELO\r\n\r\n');
        await socket.response();
      }
      expect(server.counters.refusals).toEqual({ IPC_REFUSED_MALFORMED_HTTP: 100 });
      expect(log.complaints).toHaveLength(1);
    });
  });

  const requests = (paths: readonly string[]) =>
    paths.map((path) => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`).join('');

  it('answers eight requests that came at once on one connection, in their order, and those behind them', async () => {
    await unnoticed({}, async ({ port, conversation }) => {
      const socket = await RawSocket.connect({ port });
      const paths = Array.from({ length: 8 }, (_, index) => (index % 2 === 0 ? '/health' : '/nothing'));
      for (let time = 0; time < 100; time++) {
        socket.send(requests(paths));
        for (const path of paths) {
          expect((await socket.response()).status).toBe(path === '/health' ? 200 : 404);
        }
      }
      expect(conversation.overheard).toEqual([]);
    });
  });

  it.each([false, true])(
    'serves no more of what comes at once, and ends the connection; TLS: %s',
    async (tls) => {
      await unnoticed(tls ? { ssl: await temporaryCertificate() } : {}, async ({ port, server, log }) => {
        const socket = await RawSocket.connect({ port, tls });
        socket.send(requests(Array<string>(1_000).fill('/nothing')));
        await socket.closed;
        expect(server.counters.refusals).toEqual({ IPC_REFUSED_PATH: 8, IPC_REFUSED_MALFORMED_HTTP: 1 });
        expect(log.complaints).toContainEqual(
          expect.objectContaining({ detail: 'earlier requests without an answer: 8' }),
        );
      });
    },
  );

  it.each([
    { method: 'DELETE', path: '/health', allow: 'GET, HEAD' },
    { method: 'POST', path: '/mydb_data/clients', allow: 'GET, HEAD' },
    { method: 'GET', path: '/mydb_data/send', allow: 'POST' },
  ])('refuses $method $path', async ({ method, path, allow }) => {
    await unnoticed({}, async ({ port, log }) => {
      const socket = await RawSocket.connect({ port });
      socket.send(`${method} ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n`);
      expect(await socket.response()).toMatchObject({ status: 405, headers: { allow } });
      expect(log.complaints).toMatchObject([{ code: 'IPC_REFUSED_METHOD', path }]);
    });
  });
});

describe('a port with TLS', () => {
  it.each([
    { what: 'an HTTP request', bytes: `${health}\r\n`, expected: 'IPC_REFUSED_TLS_EXPECTED' },
    { what: 'noise', bytes: Buffer.alloc(100_000, 0xa5), expected: 'IPC_REFUSED_MALFORMED_HTTP' },
  ])('ends a connection that sends $what without TLS', async ({ bytes, expected }) => {
    const directory = await temporaryDirectory('tls');
    onTestFinished(() => removeDirectory(directory));
    const { certPath, keyPath } = await privateAuthority(directory);
    await unnoticed({ ssl: { certPath, keyPath } }, async ({ port, log, conversation }) => {
      const socket = await RawSocket.connect({ port });
      socket.send(bytes);
      await socket.closed;
      expect(socket.received.toString('latin1')).not.toContain('HTTP');
      const line = await log.line(({ code }) => code === expected);
      expect(line).toMatchObject({ address: '127.0.0.1' });
      expect(log.complaints).toHaveLength(1);
      expect(conversation.overheard).toEqual([]);
    });
  });
});
