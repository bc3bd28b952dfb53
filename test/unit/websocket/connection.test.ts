import { describe, expect, it } from 'vitest';
import { clientFrame } from '../../support/client-frames.js';
import { connect, connected, frame, hastyLane, PREAMBLE, turn } from '../../support/memory-connection.js';
import { MemorySocket } from '../../support/memory-line.js';

describe('what a connection sends', () => {
  it('leaves in one write per turn, behind the answer to the handshake', async () => {
    const { connection, socket } = connect();
    connection.send(Buffer.from('one'));
    connection.ping(Buffer.from('p'));
    connection.send(Buffer.from('two'));
    expect(socket.writes).toHaveLength(0);
    await turn();
    expect(socket.writes).toHaveLength(1);
    expect(socket.written).toEqual(
      Buffer.concat([PREAMBLE, frame(1, 'one'), frame(9, 'p'), frame(1, 'two')]),
    );
    connection.send(Buffer.from('three'));
    await turn();
    expect(socket.writes).toHaveLength(2);
    expect(connection.bufferedBytes).toBe(0);
  });

  it('holds long payloads by reference, in one vectored write and in order', async () => {
    const { connection, socket } = await connected();
    const long = Buffer.alloc(100_000, 'x');
    connection.send(Buffer.from('before'));
    connection.send(long);
    connection.send(Buffer.from('after'));
    expect(connection.bufferedBytes).toBe(8 + 10 + 100_000 + 7);
    await turn();
    expect(socket.writes).toHaveLength(1);
    const [chunks = []] = socket.writes;
    expect(chunks).toHaveLength(3);
    expect(chunks[1]?.buffer).toBe(long.buffer);
    expect(chunks[1]?.byteOffset).toBe(long.byteOffset);
    expect(socket.written.subarray(0, 8)).toEqual(frame(1, 'before'));
    expect(socket.written.subarray(8, 18)).toEqual(Buffer.of(0x81, 127, 0, 0, 0, 0, 0, 1, 0x86, 0xa0));
    expect(socket.written.subarray(-7)).toEqual(frame(1, 'after'));
  });

  it('waits for more to go with it if it can wait: for what cannot, for much, or for a moment', async () => {
    const { connection, socket, hurry } = await connected();
    const sent = async (act: () => void) => {
      act();
      await turn();
      return socket.writes.splice(0).map((chunks) => Buffer.concat(chunks));
    };
    expect(await sent(() => connection.send(Buffer.from('one'), true))).toEqual([]);
    const both = Buffer.concat([frame(1, 'one'), frame(1, 'two')]);
    expect(await sent(() => connection.send(Buffer.from('two')))).toEqual([both]);
    // The moment of the first one is over.
    expect(await sent(hurry)).toEqual([]);
    expect(await sent(() => connection.send(Buffer.from('three'), true))).toEqual([]);
    expect(await sent(hurry)).toEqual([frame(1, 'three')]);
    for (let count = 0; count < 33; count++) connection.send(Buffer.alloc(123, 'x'), true);
    expect((await sent(() => undefined)).map(({ length }) => length)).toEqual([33 * 125]);
    hurry();
  });

  it('waits in order, and is counted, while the peer does not read', async () => {
    const { connection, socket } = await connected();
    socket.hold();
    connection.send(Buffer.alloc(70_000, 'a'));
    await turn();
    const expected: Buffer[] = [];
    for (let index = 0; index < 500; index++) {
      const payload = Buffer.alloc(100, index);
      expected.push(frame(1, payload));
      connection.send(payload);
      if (index % 7 === 0) await turn();
    }
    const long = Buffer.alloc(20_000, 'L');
    connection.send(long);
    connection.send(Buffer.from('last'));
    await turn();
    const after = Buffer.concat([...expected, Buffer.of(0x81, 126, 0x4e, 0x20), long, frame(1, 'last')]);
    expect(connection.bufferedBytes).toBe(70_010 + after.length);
    expect(socket.writableLength).toBe(70_010);
    socket.release();
    await turn();
    expect(connection.bufferedBytes).toBe(0);
    expect(socket.written.subarray(70_010)).toEqual(after);
  });

  it('sets the socket up for short messages and long silence', () => {
    const { socket } = connect();
    expect(socket.settings).toEqual(['setNoDelay true', 'setTimeout 0', 'setKeepAlive true 30000']);
  });
});

describe('what a connection receives', () => {
  it('hands on the bytes behind the request after its turn, and before all others', async () => {
    const socket = new MemorySocket();
    const { connection, messages } = connect({}, socket, clientFrame(1, 'head'));
    socket.receive(clientFrame(1, 'later'));
    connection.send(Buffer.from('welcome'));
    expect(messages).toEqual([]);
    await turn();
    expect(messages).toEqual(['head', 'later']);
  });

  it('answers pings in order with what it sends', async () => {
    const { connection, socket, pongs } = await connected({
      message: () => connection.send(Buffer.from('re')),
    });
    socket.receive(
      Buffer.concat([
        clientFrame(1, 'x'),
        clientFrame(9, 'p1'),
        clientFrame(1, 'y'),
        clientFrame(10, 'mine'),
      ]),
    );
    await turn();
    expect(socket.written).toEqual(Buffer.concat([frame(1, 're'), frame(10, 'p1'), frame(1, 're')]));
    expect(socket.writes).toHaveLength(1);
    expect(pongs).toEqual(['mine']);
  });

  it('answers only the latest of many pings to a peer that does not read', async () => {
    const { connection, socket } = await connected();
    socket.hold();
    connection.send(Buffer.alloc(70_000));
    await turn();
    const before = connection.bufferedBytes;
    for (let index = 0; index < 1000; index++) socket.receive(clientFrame(9, `p${index}`));
    await turn();
    expect(connection.bufferedBytes).toBe(before);
    socket.release();
    await turn();
    expect(socket.written.subarray(70_010)).toEqual(frame(10, 'p999'));
  });

  it('lets through what a handler throws, and ends the connection', async () => {
    const { socket, closed } = await connected({
      message() {
        throw new Error('a bug');
      },
    });
    expect(() => socket.emit('data', clientFrame(1, 'x'))).toThrow('a bug');
    await turn();
    expect(socket.destroyed).toBe(true);
    expect(closed).toEqual([{ code: 1006, reason: '', initiator: 'server' }]);
  });
});

describe('input for which there is no time in one turn', () => {
  const texts = Array.from({ length: 200 }, (_, n) => `message ${n}`);
  const bytes = () => Buffer.concat(texts.map((text) => clientFrame(1, text)));

  it('is worked off in later ones, in order, and no more is read until then', async () => {
    const { socket, messages } = await connected({}, hastyLane());
    socket.receive(bytes());
    socket.receive(clientFrame(1, 'next'));
    expect([messages.length > 0, messages.length < 100, socket.isPaused()]).toEqual([true, true, true]);
    while (messages.length < 201) await turn();
    expect(messages).toEqual([...texts, 'next']);
    expect(socket.isPaused()).toBe(false);
  });

  it('is heard before the end when the line breaks', async () => {
    const heard: string[] = [];
    const { socket } = await connected(
      {
        message: (payload) => heard.push(Buffer.from(payload).toString()),
        closed: ({ error }) => heard.push(`closed: ${error}`),
      },
      hastyLane(),
    );
    socket.receive(bytes());
    socket.destroy(new Error('reset'));
    while (!heard.includes('closed: reset')) await turn();
    expect(heard).toEqual([...texts, 'closed: reset']);
  });

  it('is dropped when the server ends the connection at once', async () => {
    const { connection, socket, messages, closed } = await connected({}, hastyLane());
    socket.receive(bytes());
    const before = messages.length;
    connection.terminate();
    while (closed.length === 0) await turn();
    expect(messages).toHaveLength(before);
  });
});
