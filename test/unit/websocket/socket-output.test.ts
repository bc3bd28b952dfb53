import { describe, expect, it } from 'vitest';
import { OutputLog } from '../../../src/websocket/output-log.js';
import { SocketOutput } from '../../../src/websocket/socket-output.js';
import { connected, frame, turn } from '../../support/memory-connection.js';
import { MemorySocket } from '../../support/memory-line.js';

const PORTION_BYTES = 4 * 1024 * 1024;
const LONG = Buffer.alloc(2 * PORTION_BYTES + 1_000, 'long');
/** Of a frame that long. */
const HEADER_BYTES = 10;
const total = LONG.length + HEADER_BYTES;

function bytesOf(writes: readonly (readonly Uint8Array[])[]): number[] {
  return writes.map((chunks) => chunks.reduce((sum, { length }) => sum + length, 0));
}

describe('SocketOutput', () => {
  it('hands over a long message in portions, and nothing comes between them', async () => {
    const socket = new MemorySocket();
    const output = new SocketOutput(socket, new OutputLog(), true);
    output.add(1, LONG);
    expect([output.bytes, output.isMidway]).toEqual([total, false]);
    expect([output.write(PORTION_BYTES), output.isMidway]).toEqual([PORTION_BYTES, true]);
    output.add(1, Buffer.from('next'));
    for (let count = 0; count < 5; count++) {
      await turn();
      output.write(PORTION_BYTES);
    }
    expect(output.isMidway).toBe(false);
    expect(bytesOf(socket.writes)).toEqual([PORTION_BYTES, PORTION_BYTES, 1_000 + HEADER_BYTES, 6]);
    expect(socket.written.subarray(HEADER_BYTES, total).equals(LONG)).toBe(true);
    expect(socket.written.subarray(total)).toEqual(frame(1, 'next'));
  });

  it('hands over what is no more than a portion at once', () => {
    const socket = new MemorySocket();
    const output = new SocketOutput(socket, new OutputLog(), true);
    output.add(1, LONG.subarray(0, PORTION_BYTES - HEADER_BYTES));
    expect([output.write(PORTION_BYTES), output.bytes]).toEqual([PORTION_BYTES, 0]);
    expect(bytesOf(socket.writes)).toEqual([PORTION_BYTES]);
  });

  it('waits for a peer that does not read, in the midst of a message, too', () => {
    const socket = new MemorySocket();
    const output = new SocketOutput(socket, new OutputLog(), true);
    socket.hold();
    output.add(1, LONG);
    expect(output.write(PORTION_BYTES)).toBe(PORTION_BYTES);
    expect(output.write(PORTION_BYTES)).toBe(0);
    expect(output.bytes).toBe(total - PORTION_BYTES);
    output.clear();
    expect([output.bytes, output.isMidway]).toEqual([0, false]);
  });
});

describe('a connection with a long message', () => {
  it('sends it a portion at a time, in turns, with what comes behind it, and the end', async () => {
    const { connection, socket } = await connected();
    connection.send(LONG);
    connection.send(Buffer.from('next'));
    connection.close(1001, '');
    for (let count = 0; count < 5; count++) await turn();
    expect(Math.max(...bytesOf(socket.writes))).toBe(PORTION_BYTES);
    expect(socket.written.subarray(HEADER_BYTES, total).equals(LONG)).toBe(true);
    expect(socket.written.subarray(total)).toEqual(
      Buffer.concat([frame(1, 'next'), frame(8, Buffer.of(0x03, 0xe9))]),
    );
  });

  it('goes on when the peer reads again', async () => {
    const { connection, socket } = await connected();
    socket.hold();
    connection.send(LONG);
    for (let count = 0; count < 3; count++) await turn();
    expect(connection.bufferedBytes).toBe(total);
    socket.release();
    for (let count = 0; count < 5; count++) await turn();
    expect([socket.written.length, connection.bufferedBytes]).toEqual([total, 0]);
  });

  it('waits for its turn, with all others, when it is sent and when the peer reads again', async () => {
    const lines = await Promise.all(Array.from({ length: 20 }, () => connected()));
    const written = () =>
      lines.reduce((sum, { socket }) => sum + bytesOf(socket.writes).reduce((a, b) => a + b, 0), 0);
    for (const { socket } of lines) socket.hold();
    for (const { connection } of lines) connection.send(LONG.subarray(0, PORTION_BYTES - HEADER_BYTES));
    expect(lines.some(({ connection }) => connection.bufferedBytes === 0)).toBe(false);
    const before = written();
    for (const { connection } of lines) connection.send(LONG);
    for (let count = 0; count < 12; count++) await turn();
    for (const { socket } of lines) socket.release();
    // What the sockets had taken; the rest of it is for the turns that follow.
    await new Promise<void>((resolve) => process.nextTick(resolve));
    expect(written() - before).toBe(lines.length * PORTION_BYTES);
    for (let count = 0; count < 40; count++) await turn();
    expect(written() - before).toBe(lines.length * (PORTION_BYTES + total));
  });

  it('is followed by what was said while it waited, and by the end', async () => {
    const { connection, socket } = await connected();
    socket.hold();
    // The last portion is so short that the socket takes it, and asks for no pause.
    connection.send(LONG.subarray(0, PORTION_BYTES));
    await turn();
    connection.send(Buffer.from('next'));
    await turn();
    connection.close(1001, '');
    await turn();
    socket.release();
    for (let count = 0; count < 5; count++) await turn();
    expect(socket.written.subarray(PORTION_BYTES + HEADER_BYTES)).toEqual(
      Buffer.concat([frame(1, 'next'), frame(8, Buffer.of(0x03, 0xe9))]),
    );
  });

  it('is ended without a close frame, in its midst, if what is unsent is to be dropped', async () => {
    const { connection, socket, closed } = await connected();
    socket.hold();
    connection.send(LONG);
    await turn();
    connection.close(1013, 'too slow', 'drop');
    await turn();
    expect(socket.destroyed).toBe(true);
    expect(connection.bufferedBytes).toBeLessThanOrEqual(PORTION_BYTES);
    expect(closed).toEqual([{ code: 1013, reason: 'too slow', initiator: 'server' }]);
  });
});
