import { describe, expect, it } from 'vitest';
import { connectPath, RawSocket, rawPeer, upgradeRequest } from '../support/raw-socket.js';
import { serve } from '../support/served.js';

const master = { id: '%5Bmaster%5D' };
const knock = upgradeRequest({ path: connectPath(master) });
const waits = 'a second master connects; it waits for the first one to leave';

/** A process that wants to be master, while another one is. */
async function challenger(port: number): Promise<RawSocket> {
  const socket = await RawSocket.connect({ port });
  socket.send(knock);
  return socket;
}

describe('a second master', () => {
  it('gets in when the first one leaves', async () => {
    const { port, log } = await serve();
    const first = await rawPeer({ port }, master);
    const second = await challenger(port);
    await log.first(({ msg }) => msg === waits);
    first.socket.end();
    expect(await second.response()).toMatchObject({ status: 101 });
  });

  it.each([
    ['ends its side', (socket: RawSocket) => socket.socket.end()],
    ['is reset', (socket: RawSocket) => socket.socket.resetAndDestroy()],
  ])('that dies while it waits (%s) leaves its place to the next one', async (_, die) => {
    const { port, log, server } = await serve();
    const first = await rawPeer({ port }, master);
    const second = await challenger(port);
    await log.first(({ msg }) => msg === waits);
    die(second);
    await second.closed;
    const third = await challenger(port);
    // Refused at once, if the dead one still waited; held, since it does not.
    await log.nth(2, ({ msg }) => msg === waits);
    first.socket.end();
    expect(await third.response()).toMatchObject({ status: 101 });
    expect(server.counters.refusals).toEqual({});
  });

  it('takes over from one that reads, but answers no ping', async () => {
    const { port, log } = await serve();
    // A raw peer answers nothing by itself.
    const first = await rawPeer({ port }, master);
    const second = await challenger(port);
    expect(await second.response()).toMatchObject({ status: 101 });
    expect(await first.closeCode()).toBe(4501);
    await log.first(({ cause }) => cause === 'answered no ping while another master waited');
  });
});
