import { describe, expect, it } from 'vitest';
import { clientFrame } from '../../support/client-frames.js';
import { type RawSocket, rawPeer } from '../../support/raw-socket.js';
import { serve, unnoticed } from '../../support/served.js';

/** The least that is allowed; a frame may have three bytes for each unit. */
const maxPayload = 1_024;

const TEXT = 1;
const BINARY = 2;

const rows: readonly { what: string; bytes: Uint8Array; closeCode: number; cause: string }[] = [
  {
    what: 'a frame that is not masked',
    bytes: clientFrame(TEXT, 'ping', { mask: undefined }),
    closeCode: 1002,
    cause: 'not masked',
  },
  ...[1, 2, 4].map((reserved) => ({
    what: `reserved bits ${reserved.toString(2).padStart(3, '0')}`,
    bytes: clientFrame(TEXT, 'ping', { reserved }),
    closeCode: 1002,
    cause: 'reserved bit',
  })),
  { what: 'an opcode that does not exist', bytes: clientFrame(3, 'ping'), closeCode: 1002, cause: 'opcode' },
  {
    what: 'a continuation of nothing',
    bytes: clientFrame(0, 'ping'),
    closeCode: 1002,
    cause: 'continues nothing',
  },
  {
    what: 'a ping in fragments',
    bytes: clientFrame(9, '', { final: false }),
    closeCode: 1002,
    cause: 'fragmented',
  },
  {
    what: 'text that is not UTF-8',
    bytes: clientFrame(TEXT, Buffer.from('7b22c328227d', 'hex')),
    closeCode: 1007,
    cause: 'not UTF-8',
  },
  {
    what: 'a surrogate in UTF-8',
    bytes: clientFrame(TEXT, Buffer.from('eda080', 'hex')),
    closeCode: 1007,
    cause: 'not UTF-8',
  },
  {
    what: 'a close reason that is not UTF-8',
    bytes: clientFrame(8, Buffer.from('03e8c328', 'hex')),
    closeCode: 1007,
    cause: 'not UTF-8',
  },
  {
    what: 'a close code that must not be sent',
    bytes: clientFrame(8, Buffer.from('03ed', 'hex')),
    closeCode: 1002,
    cause: 'invalid code',
  },
  {
    what: 'the head of a frame that is too long',
    bytes: clientFrame(TEXT, '', { announced: BigInt(3 * maxPayload + 1) }),
    closeCode: 1009,
    cause: 'too long',
  },
  {
    what: 'the head of a frame of eight exbibytes',
    bytes: clientFrame(TEXT, '', { announced: 0x7fff_ffff_ffff_ffffn }),
    closeCode: 1009,
    cause: 'too long',
  },
  {
    what: 'the head of a binary frame that is too long',
    bytes: clientFrame(BINARY, '', { announced: 0xffff_ffffn }),
    closeCode: 1009,
    cause: 'too long',
  },
];

describe.each(['another database', 'the same database'])('on a server with peers in %s', (where) => {
  const database = where === 'the same database' ? 'mydb_data' : 'other_data';

  it.each(rows)('ends the connection that sends $what', async ({ bytes, closeCode, cause }) => {
    await unnoticed({ maxPayload, reconnectGrace: 0 }, async ({ port, log, conversation }) => {
      const peer = await rawPeer({ port }, { database });
      peer.send(bytes);
      expect(await peer.closeCode()).toBe(closeCode);
      await peer.closed;
      const line = await log.line(({ msg, peer: id }) => msg === 'peer disconnected' && id === 'mallory1');
      expect(line['cause']).toMatch(new RegExp(`closed it with ${closeCode}, .*${cause}`));
      expect(log.complaints).toEqual([]);
      const presence = ['connect:mallory1', 'disconnect:mallory1'];
      const told = presence.flatMap((frame) => [frame, frame]);
      expect([...conversation.overheard].sort()).toEqual(where === 'the same database' ? told : []);
    });
  });
});

/** Sends fragments until the server ends the connection. */
async function sendEndlessly(peer: RawSocket, fragments: (first: boolean) => Uint8Array): Promise<void> {
  let isOver = false;
  void peer.ended.then(() => {
    isOver = true;
  });
  for (let first = true; !isOver; first = false) {
    peer.send(fragments(first));
    await new Promise((resolve) => setImmediate(resolve));
  }
}

it('ends a connection whose fragments go on beyond the limit', async () => {
  await unnoticed({ maxPayload }, async ({ port, log }) => {
    const peer = await rawPeer({ port });
    const sending = sendEndlessly(peer, (first) =>
      clientFrame(first ? TEXT : 0, 'a'.repeat(100), { final: false }),
    );
    expect(await peer.closeCode()).toBe(1009);
    await sending;
    await peer.closed;
    const line = await log.line(({ msg }) => msg === 'peer disconnected; it may reconnect');
    expect(line).toMatchObject({ peer: 'mallory1', cause: expect.stringContaining('1009') });
    expect(log.complaints).toEqual([]);
  });
});

it('ends a connection whose empty fragments go on and on', async () => {
  await unnoticed({ maxPayload }, async ({ port, log }) => {
    const peer = await rawPeer({ port });
    const many = Buffer.concat(Array.from({ length: 10_000 }, () => clientFrame(0, '', { final: false })));
    const sending = sendEndlessly(peer, (first) => (first ? clientFrame(TEXT, '{', { final: false }) : many));
    expect(await peer.closeCode()).toBe(1008);
    await sending;
    await peer.closed;
    const line = await log.line(({ msg }) => msg === 'peer disconnected; it may reconnect');
    expect(line).toMatchObject({ peer: 'mallory1', cause: expect.stringContaining('too many fragments') });
    expect(log.complaints).toEqual([]);
  });
});

it('ends a connection in the middle of a frame that breaks off', async () => {
  await unnoticed({}, async ({ port, log, server }) => {
    const peer = await rawPeer({ port });
    peer.send(clientFrame(TEXT, '{"type":"hello"', { announced: 1_000_000n }));
    peer.socket.resetAndDestroy();
    const line = await log.line(({ msg }) => msg === 'peer disconnected; it may reconnect');
    expect(line).toMatchObject({ peer: 'mallory1', cause: expect.stringContaining('the line broke') });
    expect(server.peers('mydb_data')).toHaveLength(2);
    expect(log.complaints).toEqual([]);
  });
});

it('does not answer more pings than can be sent', async () => {
  await unnoticed({}, async ({ port }) => {
    const peer = await rawPeer({ port });
    const pings = Array.from({ length: 20_000 }, (_, index) => clientFrame(9, String(index).padStart(100)));
    peer.socket.pause();
    peer.send(Buffer.concat(pings));
    peer.socket.resume();
    let last = '';
    while (last.trim() !== '19999') last = (await peer.frame()).payload.toString();
  });
});

it('takes no frames behind a close frame', async () => {
  const { port, server } = await serve();
  const peer = await rawPeer({ port });
  const witness = await rawPeer({ port }, { id: 'witness1' });
  const message = JSON.stringify({ type: 'test', from: 'mallory1' });
  peer.send(Buffer.concat([clientFrame(8, Buffer.from('03e8', 'hex')), clientFrame(TEXT, message)]));
  expect(await peer.closeCode()).toBe(1000);
  let text = '';
  while (text !== 'disconnect:mallory1') {
    text = await witness.text();
    expect(text).not.toContain('"test"');
  }
  expect(server.peers('mydb_data').map(({ id }) => id)).toEqual(['witness1']);
});
