import { once } from 'node:events';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { WebSocket } from 'ws';
import { join } from '../support/conversation.js';
import { joinAsGrantingMaster } from '../support/granting-master.js';
import { privateAuthority } from '../support/private-authority.js';
import { connectPath, RawSocket, rawPeer } from '../support/raw-socket.js';
import { get, knock } from '../support/requests.js';
import { serve, unnoticed } from '../support/served.js';
import { ServerProcess } from '../support/server-process.js';
import { untilStatus } from '../support/status.js';
import { removeDirectory, temporaryDirectory } from '../support/temporary-directory.js';
import { Arrivals } from '../support/waiting.js';

const KIB = 1_024;
const MIB = 1_024 * KIB;

const message = (from: string, length: number) =>
  JSON.stringify({ type: 'test', from, data: 'x'.repeat(length) });

/** Sends, and resolves when the message has left this process. */
const send = (peer: WebSocket, text: string) =>
  new Promise((resolve, reject) => peer.send(text, (error) => (error ? reject(error) : resolve(undefined))));

describe('maxPeers', () => {
  it('keeps others out of a full database, and lets them in when one has left', async () => {
    await unnoticed({ maxPeers: 2, reconnectGrace: 0 }, async ({ port, server, log, conversation }) => {
      const refused = await knock(port, connectPath());
      expect(refused.status).toBe(503);
      expect(JSON.parse(refused.body)).toMatchObject({ code: 'IPC_REFUSED_TOO_MANY_PEERS' });
      expect(log.refusals).toMatchObject([{ code: 'IPC_REFUSED_TOO_MANY_PEERS' }]);
      expect(conversation.overheard).toEqual([]);

      const peer = await rawPeer({ port }, { database: 'other_data' });
      await rawPeer({ port }, { database: 'other_data', id: 'second01' });
      expect((await knock(port, connectPath({ database: 'other_data', id: 'third001' }))).status).toBe(503);
      const left = once(server, 'peer-disconnected');
      peer.socket.destroy();
      await left;
      expect((await knock(port, connectPath({ database: 'other_data', id: 'third001' }))).status).toBe(101);
    });
  });

  it('lets a peer come back that is in the database already', async () => {
    const { port, server } = await serve({ maxPeers: 1 });
    const before = await rawPeer({ port });
    await rawPeer({ port });
    expect(await before.closeCode()).toBe(4500);
    expect(server.peers('mydb_data')).toHaveLength(1);
  });
});

it('maxDatabases keeps others out, and lets them in when a database is empty again', async () => {
  await unnoticed({ maxDatabases: 2, reconnectGrace: 0 }, async ({ port, server, log }) => {
    const peer = await rawPeer({ port }, { database: 'second' });
    const refused = await knock(port, connectPath({ database: 'third' }));
    expect(refused.status).toBe(503);
    expect(JSON.parse(refused.body)).toMatchObject({ code: 'IPC_REFUSED_TOO_MANY_DATABASES' });
    expect(log.refusals).toMatchObject([{ code: 'IPC_REFUSED_TOO_MANY_DATABASES', path: '/third/connect' }]);
    expect(server.databases).toEqual(['mydb_data', 'second']);
    const left = once(server, 'peer-disconnected');
    peer.socket.destroy();
    await left;
    await rawPeer({ port }, { database: 'third' });
    expect(server.databases).toEqual(['mydb_data', 'third']);
  });
});

describe('the limit of open files', () => {
  /** A process that may open 200 files. */
  async function withFewFiles(): Promise<ServerProcess> {
    const server = await ServerProcess.start({ openFiles: 200 });
    onTestFinished(() => void server.kill());
    return server;
  }

  it('is met by refusals that are told, logged and counted', async () => {
    const server = await withFewFiles();
    const { port } = server;
    const logged = server.line(({ code }) => code === 'IPC_REFUSED_NO_DESCRIPTORS');
    const enter = (n: number) => knock(port, connectPath({ id: `worker${100 + n}` }));
    let answer = await enter(0);
    let peers = 0;
    for (; answer.status === 101; answer = await enter(peers)) peers++;
    expect(peers).toBeGreaterThan(100);
    expect(answer.status).toBe(503);
    expect(JSON.parse(answer.body)).toMatchObject({ code: 'IPC_REFUSED_NO_DESCRIPTORS' });
    expect(await logged).toMatchObject({ level: 'warn', remedy: expect.stringContaining('ulimit -n') });
    expect(server.lines).toContainEqual(
      expect.objectContaining({ level: 'warn', limit: 200, maxConnections: 20_000 }),
    );
  });

  it('has the oldest connections ended that have shown no token', async () => {
    const { port } = await withFewFiles();
    const sockets = await Promise.all(Array.from({ length: 400 }, () => RawSocket.connect({ port })));
    const ended = sockets.map(({ ended }) => ended);
    expect((await knock(port, connectPath())).status).toBe(101);
    const { body } = await get(port, '/metrics');
    const [, open] = /^acebase_ipc_connections (\d+)$/m.exec(body) ?? [];
    expect(Number(open)).toBeGreaterThan(100);
    expect(body).toContain(`{code="IPC_REFUSED_NO_DESCRIPTORS"} ${402 - Number(open)}\n`);
    await Promise.all(ended.slice(0, 200));
  });
});

describe('maxConnections', () => {
  it('tells those who are too many, and lets others in when there is room again', async () => {
    await unnoticed({ maxConnections: 4 }, async ({ port, log, conversation }) => {
      const first = await rawPeer({ port }, { database: 'other', id: 'first001' });
      await rawPeer({ port }, { database: 'other', id: 'second01' });
      const refused = await knock(port, connectPath());
      expect(refused).toMatchObject({ status: 503, headers: { connection: 'close' } });
      expect(JSON.parse(refused.body)).toMatchObject({ code: 'IPC_REFUSED_TOO_MANY_CONNECTIONS' });
      const silent = await RawSocket.connect({ port });
      expect(await silent.response()).toMatchObject({ status: 503 });
      await silent.closed;
      expect(log.complaints).toMatchObject([{ code: 'IPC_REFUSED_TOO_MANY_CONNECTIONS' }]);

      first.socket.destroy();
      let status = 503;
      while (status === 503) status = (await knock(port, connectPath({ database: 'another' }))).status;
      expect(status).toBe(101);
      expect(conversation.overheard).toEqual([]);
    });
  });

  it('ends the oldest connection that has shown no token, and lets the newcomer in', async () => {
    await unnoticed({ maxConnections: 4, token: 'sesame' }, async ({ port, server, log }) => {
      const enter = (id: string) => rawPeer({ port }, { database: 'other', id, token: 'sesame' });
      const [silent, asking] = [await RawSocket.connect({ port }), await RawSocket.connect({ port })];
      asking.send('GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n');
      expect(await asking.response()).toMatchObject({ status: 200 });
      await enter('first001');
      await silent.closed;
      asking.send('GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n');
      expect(await asking.response()).toMatchObject({ status: 200 });
      await enter('second01');
      await asking.closed;
      expect((await knock(port, connectPath({ database: 'other', token: 'sesame' }))).status).toBe(503);
      expect(server.peers('other')).toHaveLength(2);
      expect(server.counters.refusals).toEqual({ IPC_REFUSED_TOO_MANY_CONNECTIONS: 3 });
      expect(log.complaints).toHaveLength(1);
    });
  });

  it('does not end a connection whose request has a token before it is answered', async () => {
    await unnoticed({ maxConnections: 4, token: 'sesame' }, async ({ port }) => {
      const peer = await rawPeer({ port }, { database: 'other', token: 'sesame' });
      const sending = await RawSocket.connect({ port });
      const message = '{"type":"unknown","from":"mallory1"}';
      const head = `Host: localhost\r\nContent-Length: ${message.length}\r\nExpect: 100-continue\r\n\r\n`;
      sending.send(`POST /other/send?id=mallory1&t=sesame HTTP/1.1\r\n${head}`);
      // The server has begun with it.
      expect(await sending.response()).toMatchObject({ status: 100 });
      expect((await knock(port, connectPath({ token: 'sesame' }))).status).toBe(503);
      sending.send(message);
      expect(await sending.response()).toMatchObject({ status: 200, body: 'ok' });
      const newcomer = await rawPeer({ port }, { database: 'other', id: 'second01', token: 'sesame' });
      await sending.closed;
      expect([peer.socket.destroyed, newcomer.socket.destroyed]).toEqual([false, false]);
    });
  });

  it('holds against many who do not go away', async () => {
    await unnoticed({ maxConnections: 2 }, async ({ port, server, log }) => {
      const sockets = await Promise.all(
        Array.from({ length: 200 }, () => RawSocket.connect({ port, isStubborn: true })),
      );
      await Promise.all(sockets.map(({ ended }) => ended));
      expect(server.counters.refusals).toEqual({ IPC_REFUSED_TOO_MANY_CONNECTIONS: 200 });
      expect(log.complaints).toHaveLength(1);
    });
  });

  it('holds for TLS, too', async () => {
    const directory = await temporaryDirectory('tls');
    onTestFinished(() => removeDirectory(directory));
    const { certPath, keyPath } = await privateAuthority(directory);
    await unnoticed({ maxConnections: 3, ssl: { certPath, keyPath } }, async ({ port, server, log }) => {
      const stranger = await RawSocket.connect({ port, tls: true });
      const third = await rawPeer({ port, tls: true }, { database: 'other' });
      await stranger.closed;
      expect(server.counters.refusals).toEqual({ IPC_REFUSED_TOO_MANY_CONNECTIONS: 1 });
      await expect(RawSocket.connect({ port, tls: true })).rejects.toThrow();
      expect(server.counters.refusals).toEqual({ IPC_REFUSED_TOO_MANY_CONNECTIONS: 2 });
      expect(log.complaints).toHaveLength(1);
      third.socket.destroy();
      await third.closed;
      let isIn = false;
      while (!isIn) {
        isIn = await RawSocket.connect({ port, tls: true }).then(
          () => true,
          () => false,
        );
      }
    });
  });
});

describe('maxBuffered', () => {
  it('cuts off a peer that stops reading', async () => {
    await unnoticed({ maxBuffered: MIB }, async ({ port, server, log }) => {
      const slow = await join({ port, database: 'other' }, 'slow0001');
      const sender = await join({ port, database: 'other' }, 'sender01');
      slow.pause();
      let isOver = false;
      const left = once(server, 'peer-disconnected').then(([peer]) => {
        isOver = true;
        return peer;
      });
      const text = `to:slow0001;${message('sender01', 128 * KIB)}`;
      while (!isOver) await send(sender, text);
      expect(await left).toMatchObject({ database: 'other', id: 'slow0001' });
      expect(log.complaints).toMatchObject([
        { level: 'warn', incident: 'too-slow', database: 'other', peer: 'slow0001', maxBuffered: MIB },
      ]);
      expect(server.peers('other').map(({ id }) => id)).toEqual(['sender01']);
      const closed = once(slow, 'close');
      slow.resume();
      const [code] = await closed;
      // The close frame stands behind all that was written before; if reading that takes too long, the line is cut.
      expect([1013, 1006]).toContain(code);
    });
  });

  it('lets one message pass that is longer than the limit', async () => {
    await unnoticed({ maxBuffered: KIB }, async ({ port, log }) => {
      const reader = await join({ port, database: 'other' }, 'reader01');
      const sender = await join({ port, database: 'other' }, 'sender01');
      const text = message('sender01', 8 * MIB);
      const arrived = new Promise((resolve) => {
        reader.on('message', (data) => {
          if (String(data).startsWith('{"type":"test"')) resolve(String(data) === text);
        });
      });
      await send(sender, `to:reader01;${text}`);
      expect(await arrived).toBe(true);
      expect(log.complaints).toEqual([]);
    });
  });
});

it('maxTotalBuffered cuts off the largest debtor first', async () => {
  const limits = { maxTotalBuffered: 16 * MIB, maxBuffered: 1_024 * MIB };
  await unnoticed(limits, async ({ port, server, log }) => {
    const debtors = [];
    for (const id of ['debtor-1', 'debtor-2', 'debtor-3']) {
      const debtor = await join({ port, database: id === 'debtor-3' ? 'third' : 'other' }, id);
      debtor.pause();
      debtors.push(debtor);
    }
    const sender = await join({ port, database: 'other' }, 'sender01');
    const third = await join({ port, database: 'third' }, 'sender03');
    const gone: string[] = [];
    server.on('peer-disconnected', ({ id }) => gone.push(id));
    const text = message('sender01', 256 * KIB);
    for (let round = 0; gone.length === 0; round++) {
      await send(sender, `to:debtor-2;${text}`);
      if (round % 4 === 0) await send(sender, `to:debtor-1;${text}`);
      if (round % 4 === 0) await send(third, `to:debtor-3;${message('sender03', 256 * KIB)}`);
    }
    expect(gone).toEqual(['debtor-2']);
    expect(log.complaints).toMatchObject([{ incident: 'over-total', database: 'other', peer: 'debtor-2' }]);
  });
});

it('maxMailPerPeer: who asks for a lock when no room is left for his request, is told so', async () => {
  const limits = { maxMailPerPeer: 4 * KIB, masterSettle: 0 };
  await unnoticed(limits, async ({ port, log }) => {
    const worker = await join({ port, database: 'other' }, 'worker01');
    const refused = new Arrivals<{ readonly id: string }>();
    const granted = new Arrivals<{ readonly id: string; readonly data: { readonly id: number } }>();
    worker.on('message', (data) => {
      if (!String(data).includes('"lock-result"')) return;
      const answer = JSON.parse(String(data));
      (answer.ok ? granted : refused).add(answer);
    });
    const ask = (type: string, id: string, data: object) =>
      worker.send(`to:[master];${JSON.stringify({ type, id, from: 'worker01', to: '[master]', data })}`);
    for (let number = 0; number < 100; number++) {
      ask('lock-request', `lock${number}`, { path: 'a', tid: `t${number}`, write: true });
    }
    const [first] = await refused.atLeast(1);
    expect(first).toEqual({
      type: 'lock-result',
      id: expect.stringMatching(/^lock\d+$/),
      from: '[master]',
      to: 'worker01',
      ok: false,
      reason: expect.stringMatching(/IPC_REQUEST_TOO_MANY.*"other"/),
    });
    const kept = Number(first?.id.slice('lock'.length));
    expect(kept).toBeGreaterThan(10);
    await refused.atLeast(100 - kept);
    expect(log.complaints).toMatchObject([
      { incident: 'too-many-requests', database: 'other', peer: 'worker01' },
    ]);

    // When a master comes at last, those that there was room for are granted, and no others, in their order.
    await joinAsGrantingMaster({ port, database: 'other' });
    for (let number = 0; number < kept; number++) {
      const lock = (await granted.atLeast(number + 1))[number];
      ask('unlock-request', `unlock${number}`, { id: lock?.data.id });
    }
    await untilStatus(port, 'other', ({ locks }) => locks.heldCount + locks.waitingCount === 0);
    const ids = (from: number, to: number) =>
      Array.from({ length: to - from }, (_, index) => `lock${from + index}`);
    expect(granted.all.map(({ id }) => id)).toEqual(ids(0, kept));
    expect(refused.all.map(({ id }) => id)).toEqual(ids(kept, 100));
  });
});
