import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { clientFrame } from '../support/client-frames.js';
import { join } from '../support/conversation.js';
import { connectPath, RawSocket, rawPeer, upgradeRequest } from '../support/raw-socket.js';
import { serve } from '../support/served.js';

const master = { id: '%5Bmaster%5D' };

/** A process that wants to be master, while another one is. */
async function challenger(port: number, path = connectPath(master)): Promise<RawSocket> {
  const socket = await RawSocket.connect({ port });
  socket.send(upgradeRequest({ path }));
  return socket;
}

/** One that has our client, and so has not opened the file. */
const ours = (port: number): Promise<RawSocket> =>
  challenger(port, `${connectPath(master)}&client=ours/1&session=0123456789abcdef&can=waits,ready`);

/** The status and the code of a refusal. */
async function refusal(socket: RawSocket) {
  const { status, body } = await socket.response();
  return { status, code: JSON.parse(body).code };
}

/** The server has asked that master whether it lives. A raw peer answers nothing by itself. */
async function isAsked(first: RawSocket): Promise<void> {
  while ((await first.frame()).opcode !== 9);
}

describe('a second master', () => {
  it('is refused at once if the first one answers pings, as every client does', async () => {
    const { port, log, server } = await serve();
    await join({ port }, '[master]');
    const second = await challenger(port);
    expect(await refusal(second)).toEqual({ status: 500, code: 'IPC_REFUSED_SECOND_MASTER' });
    expect(await log.line(({ level }) => level === 'warn')).toMatchObject({ database: 'mydb_data' });
    expect(server.peers('mydb_data')).toMatchObject([{ id: '[master]', role: 'master' }]);
  });

  it.each([
    ['ends its side', (socket: RawSocket) => socket.socket.end()],
    ['is reset', (socket: RawSocket) => socket.socket.resetAndDestroy()],
  ])('that dies while it waits (%s) leaves its place at the door to the next one', async (_, die) => {
    const { port, server } = await serve();
    const first = await rawPeer({ port }, master);
    const second = await challenger(port);
    await isAsked(first);
    die(second);
    await second.closed;
    const third = await ours(port);
    // Whoever finds that place taken is refused at once, and nobody is asked for him.
    await isAsked(first);
    const left = once(server, 'peer-disconnected');
    first.send(clientFrame(1, '{"type":"bye","from":"[master]"}'));
    expect(await third.response()).toMatchObject({ status: 101 });
    expect((await left)[0]).toMatchObject({ id: '[master]' });
    expect(server.counters.refusals).toEqual({});
  });

  it.each([
    ['with the stock client', challenger, { status: 500, code: 'IPC_REFUSED_SECOND_MASTER' }],
    ['with ours', ours, { status: 503, code: 'IPC_REFUSED_MASTER_AWAY' }],
  ])('%s does not take over from one that answers no ping', async (_, start, expected) => {
    const { port, server, log } = await serve();
    const first = await rawPeer({ port }, master);
    const second = await start(port);
    await isAsked(first);
    expect(await refusal(second)).toEqual(expected);
    expect(server.peers('mydb_data')).toMatchObject([{ id: '[master]' }]);
    expect(log.lines.map(({ msg }) => msg)).not.toContain('peer disconnected; it may reconnect');
    // It is heard as before.
    first.send(clientFrame(1, 'ping'));
    let answer = '';
    while (answer !== 'pong') answer = await first.text();
  });

  it('is refused while the first one is away, and let in when that one is gone', async () => {
    // The process of the first one, which is that of this test, lives on.
    const { port, server, log } = await serve({ reconnectGrace: '3s' });
    const first = await join({ port }, '[master]');
    const gone = once(server, 'peer-disconnected');
    first.terminate();
    await log.line(({ msg }) => msg === 'peer disconnected; it may reconnect');
    const stock = await challenger(port);
    expect(await refusal(stock)).toEqual({ status: 500, code: 'IPC_REFUSED_SECOND_MASTER' });
    // One that has not opened the file waits for its turn.
    const second = await ours(port);
    expect(await second.response()).toMatchObject({ status: 101 });
    expect((await gone)[0]).toMatchObject({ id: '[master]' });
    expect(server.counters.refusals).toEqual({ IPC_REFUSED_SECOND_MASTER: 1 });
  });
});
