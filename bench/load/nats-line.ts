import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { LineTarget } from './line.js';

const LINE_END = Buffer.from('\r\n');
const NO_BYTES = Buffer.alloc(0);

/** The bytes that publish a message: the NATS protocol, as its clients speak it. */
export function publication(subject: string, message: string): Buffer {
  return Buffer.from(`PUB ${subject} ${Buffer.byteLength(message)}\r\n${message}\r\n`);
}

/** One peer at a nats-server: it subscribes to its own name and to `all`, and does not hear itself. */
export class NatsLine {
  readonly #socket: Socket;
  #held: Buffer = NO_BYTES;
  readonly #pongs: (() => void)[] = [];
  /** A message came. */
  onText: (bytes: Uint8Array, start: number, end: number) => void = () => undefined;
  /** All that came at one time was handed on. */
  onRead: () => void = () => undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => this.#push(chunk));
  }

  /** Connects, and resolves when the subscriptions are known to the server. */
  static async open({ port, id }: LineTarget): Promise<NatsLine> {
    const socket = connect({ host: '127.0.0.1', port, noDelay: true });
    await once(socket, 'connect');
    const line = new NatsLine(socket);
    socket.write('CONNECT {"verbose":false,"pedantic":false,"echo":false}\r\n');
    socket.write(`SUB ${id} 1\r\nSUB all 2\r\n`);
    await line.settled();
    return line;
  }

  /** Sends bytes as they are. */
  write(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  /** Resolves when everything was read that the server has sent so far. */
  settled(): Promise<void> {
    const pong = new Promise<void>((resolve) => this.#pongs.push(resolve));
    this.#socket.write('PING\r\n');
    return pong;
  }

  /** Ends the line. */
  end(): void {
    this.#socket.destroy();
  }

  #push(chunk: Buffer): void {
    const bytes = this.#held.length > 0 ? Buffer.concat([this.#held, chunk]) : chunk;
    let at = 0;
    for (;;) {
      const headEnd = bytes.indexOf(LINE_END, at);
      if (headEnd < 0) break;
      const start = headEnd + 2;
      if (bytes[at] === 0x4d) {
        const end = start + lastNumber(bytes, headEnd);
        if (end + 2 > bytes.length) break;
        this.onText(bytes, start, end);
        at = end + 2;
      } else {
        this.#control(bytes.toString('latin1', at, headEnd));
        at = start;
      }
    }
    this.#held = at < bytes.length ? Buffer.from(bytes.subarray(at)) : NO_BYTES;
    this.onRead();
  }

  #control(text: string): void {
    if (text === 'PING') this.#socket.write('PONG\r\n');
    else if (text === 'PONG') this.#pongs.shift()?.();
    else if (text.startsWith('-ERR')) throw new Error(`nats-server says ${text}`);
  }
}

/** The number that ends at `end`: the length in `MSG <subject> <sid> <length>`. */
function lastNumber(bytes: Buffer, end: number): number {
  let value = 0;
  let unit = 1;
  for (let index = end - 1; ; index--) {
    const digit = (bytes[index] ?? 0) - 0x30;
    if (digit < 0 || digit > 9) return value;
    value += digit * unit;
    unit *= 10;
  }
}
