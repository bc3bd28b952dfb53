import { expect, it, onTestFinished } from 'vitest';
import { temporaryCertificate } from '../../support/private-authority.js';
import { RawSocket, upgradeRequest } from '../../support/raw-socket.js';
import { type Scene, serve, unnoticed } from '../../support/served.js';

/** So short that the tests need not wait long. Nothing here measures it: the connections end, or the test does not. */
const handshakeTimeout = 500;

async function expectTimeout(socket: RawSocket, { log, conversation }: Scene): Promise<void> {
  expect(await socket.response()).toMatchObject({ status: 408, headers: { connection: 'close' } });
  await socket.closed;
  expect(log.complaints).toMatchObject([{ code: 'IPC_REFUSED_TIMEOUT', address: '127.0.0.1' }]);
  expect(conversation.overheard).toEqual([]);
}

it('ends a connection that never speaks', async () => {
  await unnoticed({ handshakeTimeout }, async (scene) => {
    await expectTimeout(await RawSocket.connect({ port: scene.port }), scene);
  });
});

it('ends a connection whose upgrade request trickles in', async () => {
  await unnoticed({ handshakeTimeout }, async (scene) => {
    const socket = await RawSocket.connect({ port: scene.port });
    const request = upgradeRequest();
    let sent = 0;
    // At this pace the request would be complete in some ten seconds.
    const trickle = setInterval(() => socket.send(request.charAt(sent++)), 50);
    onTestFinished(() => clearInterval(trickle));
    await expectTimeout(socket, scene);
    clearInterval(trickle);
    expect(sent).toBeLessThan(request.length);
  });
});

it('ends a connection that sends headers and headers', async () => {
  await unnoticed({ handshakeTimeout }, async (scene) => {
    const socket = await RawSocket.connect({ port: scene.port });
    socket.send('GET /mydb_data/connect HTTP/1.1\r\nHost: localhost\r\n');
    const trickle = setInterval(() => socket.send('X-More: a\r\n'), 50);
    onTestFinished(() => clearInterval(trickle));
    await expectTimeout(socket, scene);
  });
});

it('ends a connection whose second request stalls', async () => {
  await unnoticed({ handshakeTimeout }, async (scene) => {
    const socket = await RawSocket.connect({ port: scene.port });
    socket.send('GET /health HTTP/1.1\r\nHost: localhost\r\n\r\nGET /hea');
    expect(await socket.response()).toMatchObject({ status: 200 });
    await expectTimeout(socket, scene);
  });
});

it('ends a connection whose TLS handshake stalls', async () => {
  const ssl = await temporaryCertificate();
  await unnoticed({ handshakeTimeout, ssl }, async ({ port, log, conversation }) => {
    const silent = await RawSocket.connect({ port });
    const stalled = await RawSocket.connect({ port });
    // The head of a record of 512 bytes, and no more.
    stalled.send(Buffer.from('1603010200010001fc0303', 'hex'));
    await Promise.all([silent.closed, stalled.closed]);
    expect(silent.received).toHaveLength(0);
    await log.line(({ code }) => code === 'IPC_REFUSED_TIMEOUT');
    expect(log.complaints).toHaveLength(1);
    expect(conversation.overheard).toEqual([]);
  });
});

it('ends a TLS connection that never speaks after its handshake', async () => {
  const ssl = await temporaryCertificate();
  await unnoticed({ handshakeTimeout, ssl }, async (scene) => {
    await expectTimeout(await RawSocket.connect({ port: scene.port, tls: true }), scene);
  });
});

it.each(['plain', 'TLS'])('does not wait for silent connections when it stops (%s)', async (kind) => {
  const ssl = kind === 'TLS' ? { ssl: await temporaryCertificate() } : {};
  const { server, port } = await serve({ stopTimeout: 600_000, ...ssl });
  const silent = await RawSocket.connect({ port, tls: kind === 'TLS' });
  const idle = await RawSocket.connect({ port, tls: kind === 'TLS' });
  idle.send('GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await idle.response();
  await server.stop();
  await Promise.all([silent.closed, idle.closed]);
});
