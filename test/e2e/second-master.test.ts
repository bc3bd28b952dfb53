import { describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { connectPath, RawSocket, rawPeer, upgradeRequest } from '../support/raw-socket.js';
import { serve } from '../support/served.js';

const master = { id: '%5Bmaster%5D' };

/** A process that wants to be master, while another one is. */
async function challenger(port: number): Promise<RawSocket> {
  const socket = await RawSocket.connect({ port });
  socket.send(upgradeRequest({ path: connectPath(master) }));
  return socket;
}

describe('a second master', () => {
  it('is refused at once if the first one answers pings, as every client does', async () => {
    const { port, log, server } = await serve();
    const first = new WebSocket(`ws://127.0.0.1:${port}${connectPath({ id: '[master]' })}`);
    await new Promise((resolve) => first.once('message', resolve));
    const second = await challenger(port);
    expect(await second.response()).toMatchObject({ status: 500 });
    expect(await log.line(({ level }) => level === 'warn')).toMatchObject({ database: 'mydb_data' });
    expect(server.peers('mydb_data')).toMatchObject([{ id: '[master]', role: 'master' }]);
    first.terminate();
  });

  // A raw peer answers nothing by itself.
  it.each([
    ['ends its side', (socket: RawSocket) => socket.socket.end()],
    ['is reset', (socket: RawSocket) => socket.socket.resetAndDestroy()],
  ])('that dies while it waits (%s) leaves its place to the next one', async (_, die) => {
    const { port, server } = await serve();
    const first = await rawPeer({ port }, master);
    const second = await challenger(port);
    // The server has asked the first one whether it lives.
    while ((await first.frame()).opcode !== 9);
    die(second);
    await second.closed;
    const third = await challenger(port);
    expect(await third.response()).toMatchObject({ status: 101 });
    expect(server.counters.refusals).toEqual({});
  });

  it('takes over from one that answers no ping', async () => {
    const { port, log } = await serve();
    const first = await rawPeer({ port }, master);
    const second = await challenger(port);
    expect(await second.response()).toMatchObject({ status: 101 });
    expect(await first.closeCode()).toBe(4501);
    await log.line(({ cause }) => cause === 'answered no ping while another master waited');
  });
});
