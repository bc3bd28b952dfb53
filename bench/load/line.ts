import { connect, type Socket } from 'node:net';
import { FrameReader, pongFrame, textFrame } from './frames.js';

/** Where a line leads, and in whose name. */
export interface LineTarget {
  readonly port: number;
  readonly database: string;
  readonly id: string;
  /** The address that it comes from; many connections need several. */
  readonly localAddress?: string;
}

/** What is read at one time. All lines of a process share one buffer, since none keeps what it reads. */
const READ_BYTES = 256 * 1024;
const shared = Buffer.allocUnsafeSlow(READ_BYTES);

const ignore = (): void => undefined;

/**
 * One peer on a raw socket: so little of a client that it is not the limit. It answers pings, as every WebSocket client
 * does. A line that ends unasked ends the whole process with an error, unless `onEnd` is set.
 */
export class Line {
  readonly #socket: Socket;
  readonly #pongs: (() => void)[] = [];
  #isOpen = false;
  #isClosing = false;
  #head = '';
  #opened: () => void = ignore;
  #failed: (error: Error) => void = ignore;
  /** A message came. */
  onText: (bytes: Uint8Array, start: number, end: number) => void = ignore;
  /** All that came at one time was handed on. */
  onRead: () => void = ignore;
  /** The line ended, and nobody here asked for it. */
  onEnd: ((why: string) => void) | undefined;

  private constructor({ port, database, id, localAddress }: LineTarget) {
    const reader = new FrameReader({
      text: (bytes, start, end) => this.#text(bytes, start, end),
      ping: (payload) => void this.#socket.write(pongFrame(payload)),
      close: (code) => this.#ended(`the server closed the line with ${code}`),
    });
    this.#socket = connect({
      host: '127.0.0.1',
      port,
      noDelay: true,
      ...(localAddress === undefined ? {} : { localAddress }),
      onread: {
        buffer: shared,
        callback: (size) => {
          if (this.#isOpen) reader.push(shared.subarray(0, size));
          else this.#readHead(shared.toString('latin1', 0, size), reader);
          this.onRead();
          return true;
        },
      },
    });
    this.#socket.write(
      `GET /${database}/connect?v=1.0.0&id=${id}&t=undefined HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n` +
        'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
        'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
    );
    this.#socket.on('error', (error) => this.#ended(error.message));
    this.#socket.on('close', () => this.#ended('the line ended'));
  }

  /** Joins a database. Resolves when the server has said welcome. */
  static open(target: LineTarget): Promise<Line> {
    const line = new Line(target);
    return new Promise((resolve, reject) => {
      line.#opened = () => resolve(line);
      line.#failed = reject;
    });
  }

  /** Sends bytes as they are. */
  write(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  /** Resolves when everything was read that the server has sent so far. */
  settled(): Promise<void> {
    const pong = new Promise<void>((resolve) => this.#pongs.push(resolve));
    this.#socket.write(textFrame('ping'));
    return pong;
  }

  /** Ends the line, without a word. */
  end(): void {
    this.#isClosing = true;
    this.#socket.destroy();
  }

  #readHead(text: string, reader: FrameReader): void {
    this.#head += text;
    const end = this.#head.indexOf('\r\n\r\n');
    if (end < 0) return;
    if (!this.#head.startsWith('HTTP/1.1 101')) {
      this.#ended(`refused: ${this.#head.slice(0, this.#head.indexOf('\r\n'))}`);
      return;
    }
    this.#isOpen = true;
    reader.push(Buffer.from(this.#head.slice(end + 4), 'latin1'));
    this.#head = '';
  }

  #text(bytes: Uint8Array, start: number, end: number): void {
    // `{`: what peers and server send; `p`: pong; `w`: welcome.
    const first = bytes[start];
    if (first === 0x70 && end - start === 4) this.#pongs.shift()?.();
    else if (first === 0x77) this.#opened();
    else this.onText(bytes, start, end);
  }

  #ended(why: string): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.#failed(new Error(why));
    if (!this.#isOpen) return;
    if (this.onEnd === undefined) throw new Error(why);
    this.onEnd(why);
  }
}
