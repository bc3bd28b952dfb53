import { describe, expect, it } from 'vitest';
import { PeerLink, PingRounds, pongToken } from '../../../src/server/peer-link.js';
import { connected, frame, turn } from '../../support/memory-connection.js';
import { VirtualClock } from '../../support/virtual-clock.js';

describe('PeerLink', () => {
  it('sends one ping for all that were asked for together, behind what was sent before', async () => {
    const clock = new VirtualClock();
    const pings = new PingRounds(clock);
    const [first, second] = [await connected(), await connected()];
    const link = new PeerLink(first.connection, pings);
    const other = new PeerLink(second.connection, pings);
    link.send(Buffer.from('a'));
    link.ping(1);
    link.send(Buffer.from('b'));
    link.ping(2);
    other.ping(7);
    await turn();
    expect(first.socket.written).toEqual(Buffer.concat([frame(1, 'a'), frame(1, 'b')]));
    clock.advance(5);
    await turn();
    expect(first.socket.written).toEqual(Buffer.concat([frame(1, 'a'), frame(1, 'b'), frame(9, '2')]));
    expect(second.socket.written).toEqual(frame(9, '7'));
    link.ping(3);
    clock.advance(5);
    await turn();
    expect(first.socket.written.subarray(-3)).toEqual(frame(9, '3'));
  });

  it('lets a ping wait for which nobody waits, unless another one goes before', async () => {
    const clock = new VirtualClock();
    const pings = new PingRounds(clock);
    const { connection, socket } = await connected();
    const link = new PeerLink(connection, pings);
    link.ping(1, true);
    clock.advance(49);
    await turn();
    expect(socket.written).toHaveLength(0);
    clock.advance(1);
    await turn();
    expect(socket.written).toEqual(frame(9, '1'));
    link.ping(2, true);
    link.ping(3);
    clock.advance(5);
    await turn();
    clock.advance(50);
    await turn();
    expect(socket.written).toEqual(Buffer.concat([frame(9, '1'), frame(9, '3')]));
  });

  it('knows how long the last ping took, from when it was really sent', async () => {
    const clock = new VirtualClock();
    const { connection } = await connected();
    const link = new PeerLink(connection, new PingRounds(clock));
    link.ping(1);
    clock.advance(5);
    expect(link.roundTrip).toBeUndefined();
    clock.advance(12);
    link.answered(1);
    expect(link.roundTrip).toBe(12);
    link.ping(2);
    clock.advance(5);
    clock.advance(3);
    // A late one of before says nothing of this one.
    link.answered(1);
    expect(link.roundTrip).toBe(12);
    link.answered(2);
    expect(link.roundTrip).toBe(3);
  });

  it('sends no ping on a line that was closed meanwhile', async () => {
    const clock = new VirtualClock();
    const { connection, socket } = await connected();
    const link = new PeerLink(connection, new PingRounds(clock));
    link.ping(1);
    link.close('IPC_CLOSED_STOPPING');
    await turn();
    const { length } = socket.written;
    clock.advance(5);
    await turn();
    expect(socket.written).toHaveLength(length);
  });
});

describe('pongToken', () => {
  it.each([
    ['1', 1],
    ['9007199254740', 9_007_199_254_740],
    ['', undefined],
    ['0', undefined],
    ['01', undefined],
    ['1x', undefined],
    ['-1', undefined],
    ['1'.repeat(16), undefined],
  ])('reads "%s" as %s', (text, token) => {
    expect(pongToken(Buffer.from(text))).toBe(token);
  });
});
