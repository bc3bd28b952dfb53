import { describe, expect, it } from 'vitest';
import { clientFrame } from '../support/client-frames.js';
import { join } from '../support/conversation.js';
import { type RawSocket, rawPeer, RawSocket as Socket } from '../support/raw-socket.js';
import { get } from '../support/requests.js';
import { serve, unnoticed } from '../support/served.js';
import { eventually } from '../support/waiting.js';

/** The least that is allowed. */
const maxPayload = 1_024;

/** The first frame of text that fits. */
async function textOf(peer: RawSocket, fits: (text: string) => boolean): Promise<string> {
  for (;;) {
    const text = await peer.text();
    if (fits(text)) return text;
  }
}

/** A message from `mallory1` of that many UTF-16 units in all. */
function messageOf(units: number, filling: string): string {
  const empty = JSON.stringify({ type: 'test', from: 'mallory1', data: '' });
  const rest = units - empty.length;
  const data = filling.repeat(Math.floor(rest / filling.length)).padEnd(rest, 'a');
  return empty.replace('""}', `"${data}"}`);
}

const post = (port: number, query: string, body: string) =>
  fetch(`http://127.0.0.1:${port}/mydb_data/send?${query}`, { method: 'POST', body });

describe('maxPayload', () => {
  it('is what clients are told', async () => {
    const { port } = await serve({ maxPayload });
    const peer = await Socket.connect({ port });
    peer.send(
      'GET /mydb_data/connect?v=1.0.0&id=mallory1 HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n' +
        'Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
    );
    await peer.response();
    expect(await peer.text()).toBe('welcome:{"maxPayload":1024}');
  });

  it.each([
    { what: 'of one byte', filling: 'a' },
    { what: 'of three bytes', filling: '€' },
    { what: 'of two units and four bytes', filling: '🐢' },
  ])(
    'counts UTF-16 units: a message of exactly that many arrives, in characters $what',
    async ({ filling }) => {
      await unnoticed({ maxPayload }, async ({ port }) => {
        const peer = await rawPeer({ port });
        const reader = await rawPeer({ port }, { id: 'reader01' });
        const message = messageOf(maxPayload, filling);
        peer.send(clientFrame(1, message));
        expect(await textOf(reader, (text) => text.includes('"test"'))).toBe(message);
      });
    },
  );

  it('allows three bytes for each, and not one more', async () => {
    await unnoticed({ maxPayload }, async ({ port, log }) => {
      const peer = await rawPeer({ port });
      peer.send(clientFrame(1, '€'.repeat(maxPayload)));
      peer.send(clientFrame(1, 'ping'));
      await textOf(peer, (text) => text === 'pong');
      peer.send(clientFrame(1, '€'.repeat(maxPayload + 1)));
      expect(await peer.closeCode()).toBe(1009);
      const line = await log.line(({ msg }) => msg === 'peer disconnected; it may reconnect');
      expect(line['cause']).toContain('too long');
    });
  });
});

describe('maxHttpMessage', () => {
  it('is the longest body that is taken, in bytes', async () => {
    await unnoticed({ maxHttpMessage: 1_024 }, async ({ port, log }) => {
      await rawPeer({ port });
      const reader = await rawPeer({ port }, { id: 'reader01' });
      const message = messageOf(1_024, 'a');
      expect((await post(port, 'id=mallory1', message)).status).toBe(200);
      expect(await textOf(reader, (text) => text.includes('"test"'))).toBe(message);
      const refused = await post(port, 'id=mallory1', messageOf(1_025, 'a'));
      expect(refused.status).toBe(413);
      expect(await refused.json()).toMatchObject({ code: 'IPC_HTTP_TOO_LARGE' });
      expect((await post(port, 'id=mallory1', messageOf(1_000, '€'))).status).toBe(413);
      expect(log.complaints).toMatchObject([{ code: 'IPC_HTTP_TOO_LARGE', path: '/mydb_data/send' }]);
    });
  });

  it('does not add up over many bodies at a time to more than maxTotalBuffered', async () => {
    await unnoticed({ maxTotalBuffered: 65_536, maxHttpMessage: 65_536 }, async ({ port, log }) => {
      await rawPeer({ port });
      await join({ port }, 'reader01');
      const message = `to:reader01;${messageOf(40_000, 'a')}`;
      const slow = await Socket.connect({ port });
      const head = 'POST /mydb_data/send?id=mallory1 HTTP/1.1\r\nHost: localhost\r\n';
      slow.send(`${head}Content-Length: ${message.length}\r\n\r\n${message.slice(0, -1)}`);
      // Nobody tells when the server has read that much of it.
      await eventually(async () => (await post(port, 'id=mallory1', message)).status === 503);
      expect(log.complaints).toMatchObject([{ code: 'IPC_HTTP_TOO_BUSY' }]);
      slow.send(message.slice(-1));
      expect(await slow.response()).toMatchObject({ status: 200, body: 'ok' });
      expect((await post(port, 'id=mallory1', message)).status).toBe(200);
    });
  });
});

it('bodies for all files of a database together leave a part of maxTotalBuffered to others', async () => {
  await unnoticed({ maxTotalBuffered: 100_000, maxHttpMessage: 100_000 }, async ({ port }) => {
    const names = ['mydb_transaction', 'mydb_data', 'other'] as const;
    for (const database of names) await rawPeer({ port }, { database });
    const message = messageOf(40_000, 'a');
    const sendTo = async (database: string) =>
      (
        await fetch(`http://127.0.0.1:${port}/${database}/send?id=mallory1`, {
          method: 'POST',
          body: message,
        })
      ).status;
    const slow = await Socket.connect({ port });
    const head = 'POST /mydb_transaction/send?id=mallory1 HTTP/1.1\r\nHost: localhost\r\n';
    slow.send(`${head}Content-Length: ${message.length}\r\n\r\n${message.slice(0, -1)}`);
    // Nobody tells when the server has read that much of it.
    await eventually(async () => (await sendTo('mydb_data')) === 503);
    expect(await sendTo('other')).toBe(200);
  });
});

describe('messages that arrive in pieces', () => {
  it('share maxTotalBuffered: who asks for more is closed with 1013, and what he held is free again', async () => {
    const options = { maxPayload: 8 * 1_024, maxTotalBuffered: 32 * 1_024 };
    await unnoticed(options, async ({ port, log }) => {
      const frame = clientFrame(1, 'a'.repeat(20_000));
      const patient = await rawPeer({ port });
      patient.send(frame.subarray(0, 16_000));
      const greedy = await rawPeer({ port }, { id: 'greedy00' });
      patient.send(frame.subarray(16_000, 17_000));
      // Whoever is read second asks for more than there is.
      greedy.send(frame.subarray(0, 18_000));
      const { peer: loser } = await log.line(({ msg }) => msg === 'peer disconnected; it may reconnect');
      const [refused, winner, rest] =
        loser === 'greedy00' ? ([greedy, patient, 17_000] as const) : ([patient, greedy, 18_000] as const);
      expect(await refused.closeCode()).toBe(1013);
      // The message that was not refused is completed, and its memory is free for the next one.
      for (const bytes of [frame.subarray(rest), frame, clientFrame(1, 'ping')]) winner.send(bytes);
      expect(await textOf(winner, (text) => text === 'pong')).toBe('pong');
    });
  });
});

describe('messages above maxPayload', () => {
  const long = messageOf(maxPayload + 1, 'a');

  it('are pushed, and there is nothing to pick up', async () => {
    await unnoticed({ maxPayload }, async ({ port }) => {
      await rawPeer({ port });
      const reader = await rawPeer({ port }, { id: 'reader01' });
      expect((await post(port, 'id=mallory1', long)).status).toBe(200);
      expect(await textOf(reader, (text) => text.includes('"test"'))).toBe(long);
      expect((await get(port, '/mydb_data/receive?id=reader01&msg=m1')).status).toBe(404);
    });
  });

  it('are picked up with `largeMessages: http`, each by its receiver, once', async () => {
    const options = { maxPayload, largeMessages: 'http', token: 'sesame' } as const;
    await unnoticed(options, async ({ port }) => {
      await rawPeer({ port }, { token: 'sesame', database: 'other' });
      const reader = await rawPeer({ port }, { token: 'sesame', database: 'other', id: 'reader01' });
      const sent = await fetch(`http://127.0.0.1:${port}/other/send?id=mallory1&t=sesame`, {
        method: 'POST',
        body: `to:reader01;${long}`,
      });
      expect(sent.status).toBe(200);
      const id = (await textOf(reader, (text) => text.startsWith('get:'))).slice('get:'.length);
      const pickUp = (query: string, database = 'other') =>
        get(port, `/${database}/receive?msg=${id}&${query}`).then(({ status }) => status);
      expect(await pickUp('id=reader01')).toBe(401);
      expect(await pickUp('id=reader01&t=barley')).toBe(401);
      expect(await pickUp('id=nobody00&t=sesame')).toBe(401);
      expect(await pickUp('id=reader01&t=sesame', 'mydb_data')).toBe(401);
      // Another peer of the same database cannot take it away.
      expect(await pickUp('id=mallory1&t=sesame')).toBe(404);
      const path = `/other/receive?id=reader01&msg=${id}&t=sesame`;
      // To look at it is not to take it.
      const head = await fetch(`http://127.0.0.1:${port}${path}`, { method: 'HEAD' });
      expect([head.status, head.headers.get('allow')]).toEqual([405, 'GET']);
      expect(await get(port, path)).toMatchObject({ status: 200, body: long });
      expect((await get(port, path)).status).toBe(404);
    });
  });

  it('up to maxPayload are pushed with `largeMessages: http`, whatever their bytes', async () => {
    await unnoticed({ maxPayload, largeMessages: 'http' }, async ({ port }) => {
      const peer = await rawPeer({ port });
      const reader = await rawPeer({ port }, { id: 'reader01' });
      const message = messageOf(maxPayload, '€');
      peer.send(clientFrame(1, message));
      expect(await textOf(reader, (text) => text.includes('test') || text.startsWith('get:'))).toBe(message);
    });
  });
});
