import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import type { LineEvents } from '../../../src/client/core/ports.js';
import { WebSocketLine } from '../../../src/client/web-socket-line.js';
import { systemClock } from '../../../src/platform/clock.js';
import { eventually } from '../../support/waiting.js';

const server = createServer();
/** The other end, which has shaken hands. */
let other: Socket;
let line: WebSocketLine;
const texts: string[] = [];

beforeEach(async () => {
  texts.length = 0;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const opened = new Promise<void>((resolve) => {
    const nothing = (): void => undefined;
    const events: LineEvents = {
      opened: resolve,
      text: (text) => texts.push(text),
      heard: nothing,
      ponged: nothing,
      refused: nothing,
      closed: nothing,
      exiting: nothing,
    };
    const { port } = server.address() as AddressInfo;
    line = new WebSocketLine({ url: `ws://127.0.0.1:${port}`, options: {} }, events, {
      WebSocket,
      clock: systemClock,
    });
  });
  [other] = (await once(server, 'connection')) as [Socket];
  const [head] = (await once(other, 'data')) as [Buffer];
  const key = /Sec-WebSocket-Key: (.*)\r\n/i.exec(head.toString())?.[1] ?? '';
  const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
  other.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
  );
  await opened;
});

afterEach(async () => {
  line.terminate();
  other.destroy();
  server.close();
  await once(server, 'close');
});

it('counts the bytes of a message that is not whole yet', async () => {
  const before = line.bytesRead;
  const head = Buffer.from([0x81, 126, 0x10, 0x00]);
  other.write(Buffer.concat([head, Buffer.alloc(1_000, 'x')]));
  await eventually(() => line.bytesRead === before + head.length + 1_000);
  expect(texts).toEqual([]);
});
