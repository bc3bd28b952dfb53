import { describe, expect, it } from 'vitest';
import { PeerLink, PingRounds, pongToken } from '../../../src/server/peer-link.js';
import { clientFrame } from '../../support/client-frames.js';
import { frame, PREAMBLE, patientLane, turn } from '../../support/memory-connection.js';
import { MemorySocket } from '../../support/memory-line.js';
import { VirtualClock } from '../../support/virtual-clock.js';

const NOTHING = new Uint8Array(0);

/** A link whose handshake is over and forgotten, and what its visitor was told. */
async function linked(pings: PingRounds, isPlaceKept = true) {
  const socket = new MemorySocket();
  const told: string[] = [];
  const visitor = {
    receive: (payload: Uint8Array) => void told.push(`receives ${Buffer.from(payload).toString()}`),
    acknowledge: (token: number) => void told.push(`acknowledges ${token}`),
    isPlaceKept,
    left: (cause: string) => void told.push(`left: ${cause}`),
  };
  const options = {
    maxMessageBytes: 1_000,
    closeTimeoutMs: 1_000,
    lane: patientLane,
    schedule: () => () => undefined,
  };
  const link = new PeerLink(socket, options, visitor, pings);
  link.begin(PREAMBLE, NOTHING);
  await turn();
  socket.writes.length = 0;
  const answered = (token: number) => link.pong(Buffer.from(String(token)));
  return { link, socket, told, answered };
}

describe('PeerLink', () => {
  it('sends one ping for all that were asked for together, behind what was sent before', async () => {
    const clock = new VirtualClock();
    const pings = new PingRounds(clock);
    const [first, second] = [await linked(pings), await linked(pings)];
    const { link } = first;
    const other = second.link;
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
    const { link, socket } = await linked(pings);
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
    const { link, answered } = await linked(new PingRounds(clock));
    link.ping(1);
    clock.advance(5);
    expect(link.roundTrip).toBeUndefined();
    clock.advance(12);
    answered(1);
    expect(link.roundTrip).toBe(12);
    link.ping(2);
    clock.advance(5);
    clock.advance(3);
    // A late one of before says nothing of this one.
    answered(1);
    expect(link.roundTrip).toBe(12);
    answered(2);
    expect(link.roundTrip).toBe(3);
  });

  it('tells its visitor what comes, and why the line is over', async () => {
    const { link, socket, told, answered } = await linked(new PingRounds(new VirtualClock()));
    link.message(Buffer.from('hello'));
    answered(7);
    link.pong(Buffer.from('none of ours'));
    expect(told).toEqual(['receives hello', 'acknowledges 7']);
    socket.destroy(new Error('gone'));
    await turn();
    expect(told.slice(2)).toEqual(['left: the line broke: gone']);
  });

  it('counts the bytes that come, those of a frame included that is not complete', async () => {
    const { link, socket, told } = await linked(new PingRounds(new VirtualClock()));
    const bytes = clientFrame(1, 'hello');
    for (const part of [bytes.subarray(0, 4), bytes.subarray(4)]) {
      const before = link.bytesReceived;
      expect(told).toEqual([]);
      socket.receive(part);
      await turn();
      expect(link.bytesReceived).toBe(before + part.length);
    }
    expect(told).toEqual(['receives hello']);
  });

  it.each([
    ['whose place is kept', true, '17'],
    ['that must not believe so: it learns that the line is alive', false, ''],
  ])('answers the ping of a client %s', async (_which, isPlaceKept, answer) => {
    const { socket } = await linked(new PingRounds(new VirtualClock()), isPlaceKept);
    socket.receive(clientFrame(9, '17'));
    await turn();
    expect(socket.written).toEqual(frame(10, answer));
  });

  it('sends no ping on a line that was closed meanwhile', async () => {
    const clock = new VirtualClock();
    const { link, socket } = await linked(new PingRounds(clock));
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
