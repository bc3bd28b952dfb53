import { describe, expect, it } from 'vitest';
import { clientFrame } from '../../support/client-frames.js';
import { clientClose, closeFrame, connect, connected, frame, turn } from '../../support/memory-connection.js';
import { MemorySocket } from '../../support/memory-line.js';

describe('the peer ends a connection', () => {
  it('with a close frame, which is echoed behind what is pending', async () => {
    const { connection, socket, closed, timers } = await connected();
    connection.send(Buffer.from('pending'));
    socket.receive(Buffer.concat([clientClose(4001, 'bye'), clientFrame(1, 'ignored')]));
    await turn();
    expect(closed).toEqual([{ code: 4001, reason: 'bye', initiator: 'peer' }]);
    expect(socket.written).toEqual(Buffer.concat([frame(1, 'pending'), closeFrame(4001)]));
    expect(socket.writableEnded).toBe(true);
    connection.send(Buffer.from('too late'));
    connection.close(1000, '');
    socket.receiveEnd();
    await turn();
    expect(socket.destroyed).toBe(true);
    expect(timers.size).toBe(0);
    expect(closed).toHaveLength(1);
  });

  it('with a close frame without a code', async () => {
    const { socket, closed } = await connected();
    socket.receive(clientFrame(8, ''));
    await turn();
    expect(closed).toEqual([{ code: 1005, reason: '', initiator: 'peer' }]);
    expect(socket.written).toEqual(frame(8, ''));
  });

  it('with a close frame, but leaves the socket open: it is destroyed in time', async () => {
    const { socket, closed, fire } = await connected();
    socket.receive(clientClose(1000));
    await turn();
    expect(socket.destroyed).toBe(false);
    fire();
    await turn();
    expect(socket.destroyed).toBe(true);
    expect(closed).toEqual([{ code: 1000, reason: '', initiator: 'peer' }]);
  });

  it('without a close frame', async () => {
    const { socket, closed } = await connected();
    socket.receive(clientFrame(1, 'last words'));
    socket.receiveEnd();
    await turn();
    expect(closed).toEqual([{ code: 1006, reason: '', initiator: 'line' }]);
    expect(socket.destroyed).toBe(true);
  });
});

describe('the server ends a connection', () => {
  it('with a close frame behind what is pending, and hears the peer out', async () => {
    const { connection, socket, messages, closed, timers } = await connected();
    connection.send(Buffer.from('pending'));
    connection.close(1001, 'stopping');
    connection.close(1000, 'again');
    connection.send(Buffer.from('ignored'));
    connection.ping(Buffer.from('ignored'));
    await turn();
    expect(socket.written).toEqual(Buffer.concat([frame(1, 'pending'), closeFrame(1001, 'stopping')]));
    expect(socket.writableEnded).toBe(false);
    socket.receive(
      Buffer.concat([clientFrame(1, 'still'), clientFrame(9, 'no pong'), clientFrame(1, 'talking')]),
    );
    await turn();
    expect(messages).toEqual(['still', 'talking']);
    expect(closed).toEqual([]);
    socket.receive(clientClose(1001));
    await turn();
    expect(closed).toEqual([{ code: 1001, reason: 'stopping', initiator: 'server' }]);
    expect(socket.writableEnded).toBe(true);
    expect(socket.writes).toHaveLength(1);
    socket.receiveEnd();
    await turn();
    expect(socket.destroyed).toBe(true);
    expect(timers.size).toBe(0);
    expect(closed).toHaveLength(1);
  });

  it('and the peer just hangs up', async () => {
    const { connection, socket, closed } = await connected();
    connection.close(1001, 'stopping');
    socket.receiveEnd();
    await turn();
    expect(socket.written).toEqual(closeFrame(1001, 'stopping'));
    expect(closed).toEqual([{ code: 1001, reason: 'stopping', initiator: 'server' }]);
    expect(socket.destroyed).toBe(true);
  });

  it('and the peer does not answer in time', async () => {
    const { connection, socket, closed, fire, messages } = await connected();
    connection.close(1013, 'slow');
    await turn();
    fire();
    expect(closed).toEqual([
      {
        code: 1013,
        reason: 'slow',
        initiator: 'server',
        error: 'the peer did not complete the closing handshake',
      },
    ]);
    socket.emit('data', clientFrame(1, 'late'));
    await turn();
    expect(socket.destroyed).toBe(true);
    expect(closed).toHaveLength(1);
    expect(messages).toEqual([]);
  });

  it('while the peer does not read: the close frame waits its turn', async () => {
    const { connection, socket } = await connected();
    socket.hold();
    connection.send(Buffer.alloc(70_000));
    await turn();
    connection.send(Buffer.from('pending'));
    connection.close(1000, '');
    await turn();
    socket.receive(clientClose(1000));
    await turn();
    expect(socket.writableEnded).toBe(false);
    socket.release();
    await turn();
    expect(socket.written.subarray(70_010)).toEqual(Buffer.concat([frame(1, 'pending'), closeFrame(1000)]));
    expect(socket.writableEnded).toBe(true);
  });

  it('at once', async () => {
    const { connection, socket, closed } = await connected();
    connection.send(Buffer.from('lost'));
    connection.terminate();
    connection.terminate();
    connection.send(Buffer.from('ignored'));
    expect(connection.bufferedBytes).toBe(0);
    await turn();
    expect(socket.writes).toHaveLength(0);
    expect(closed).toEqual([{ code: 1006, reason: '', initiator: 'server' }]);
  });

  it('at once, from within a message: the rest of the chunk is not received', async () => {
    const heard: string[] = [];
    const { connection, socket, closed } = await connected({
      message(payload) {
        heard.push(Buffer.from(payload).toString());
        connection.terminate();
      },
    });
    socket.receive(Buffer.concat([clientFrame(1, 'one'), clientFrame(1, 'two')]));
    await turn();
    expect(heard).toEqual(['one']);
    expect(closed).toHaveLength(1);
  });
});

describe('a connection fails', () => {
  it('when a frame breaks the protocol', async () => {
    const { connection, socket, messages, closed, timers } = await connected();
    connection.send(Buffer.from('pending'));
    socket.receive(Buffer.concat([clientFrame(1, 'good'), clientFrame(1, 'bad', { mask: undefined })]));
    await turn();
    socket.receive(clientFrame(1, 'ignored'));
    await turn();
    const reason = 'a frame is not masked';
    expect(messages).toEqual(['good']);
    expect(closed).toEqual([{ code: 1002, reason, initiator: 'server' }]);
    expect(socket.written).toEqual(Buffer.concat([frame(1, 'pending'), closeFrame(1002, reason)]));
    expect(socket.writableEnded).toBe(true);
    expect(timers.size).toBe(1);
    socket.receiveEnd();
    await turn();
    expect(timers.size).toBe(0);
    expect(closed).toHaveLength(1);
  });

  it('after our own close frame: no second one is sent', async () => {
    const { connection, socket, closed } = await connected();
    connection.close(1001, '');
    socket.receive(clientFrame(3, ''));
    await turn();
    expect(socket.written).toEqual(closeFrame(1001));
    expect(closed).toEqual([{ code: 1001, reason: '', initiator: 'server' }]);
  });

  it('when the socket has an error, at any time', async () => {
    const open = await connected();
    open.socket.destroy(new Error('read ECONNRESET'));
    const closing = await connected();
    closing.connection.close(1001, '');
    closing.socket.destroy(new Error('write EPIPE'));
    await turn();
    expect(open.closed).toEqual([{ code: 1006, reason: '', initiator: 'line', error: 'read ECONNRESET' }]);
    expect(closing.closed).toEqual([{ code: 1001, reason: '', initiator: 'server', error: 'write EPIPE' }]);
    closing.socket.emit('error', new Error('and another'));
    expect(closing.closed).toHaveLength(1);
    expect(closing.timers.size).toBe(0);
  });

  it('when the socket was gone before it began', async () => {
    const gone = new MemorySocket();
    gone.destroy();
    await turn();
    const { connection, closed } = connect({}, gone);
    connection.send(Buffer.from('ignored'));
    connection.close(1000, '');
    expect(closed).toEqual([]);
    await turn();
    expect(closed).toEqual([
      { code: 1006, reason: '', initiator: 'line', error: 'the socket was closed during the handshake' },
    ]);
    expect(gone.writes).toHaveLength(0);
  });

  it('when the socket is destroyed without a word', async () => {
    const { socket, closed } = connect();
    socket.destroy();
    await turn();
    expect(closed).toEqual([{ code: 1006, reason: '', initiator: 'line' }]);
  });
});
