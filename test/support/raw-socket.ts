import { connect as connectPlain, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { onTestFinished } from 'vitest';
import { Arrivals } from './waiting.js';

/** An HTTP response, as far as these tests read it. */
export interface RawResponse {
  readonly status: number;
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** A frame that the server sent. */
export interface ServerFrame {
  readonly opcode: number;
  readonly payload: Buffer;
}

export interface RawSocketOptions {
  readonly port: number;
  readonly host?: string;
  /** Speaks TLS, and trusts anybody. */
  readonly tls?: boolean;
  /** Does not end its side when the server ends the other; not over TLS. */
  readonly isStubborn?: boolean;
}

/** A client that sends bytes, correct or not, and sees what comes back. It is gone when the test is over. */
export class RawSocket {
  readonly socket: Socket;
  /** Resolves when the server has ended its side, or the connection is gone. */
  readonly ended: Promise<void>;
  /** Resolves when the connection is gone. */
  readonly closed: Promise<void>;
  readonly #chunks = new Arrivals<Buffer>();
  #received = Buffer.alloc(0);
  #taken = 0;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      this.#chunks.add(chunk);
    });
    // The server may reset the connection; that it is over is told by `close`.
    socket.on('error', () => undefined);
    this.closed = new Promise((resolve) => socket.once('close', () => resolve()));
    this.ended = Promise.race([
      this.closed,
      new Promise<void>((resolve) => socket.once('end', () => resolve())),
    ]);
  }

  /** Connects. */
  static async connect({ port, host = '127.0.0.1', tls = false, isStubborn = false }: RawSocketOptions) {
    const socket = tls
      ? connectTls({ port, host, rejectUnauthorized: false })
      : connectPlain({ port, host, allowHalfOpen: isStubborn });
    const raw = new RawSocket(socket);
    onTestFinished(() => void socket.destroy());
    await new Promise((resolve, reject) => {
      socket.once(tls ? 'secureConnect' : 'connect', resolve);
      socket.once('error', reject);
    });
    return raw;
  }

  /** All that the server sent. */
  get received(): Buffer {
    return this.#received;
  }

  send(bytes: string | Uint8Array): void {
    this.socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
  }

  /** The next HTTP response, once it is complete. */
  response(): Promise<RawResponse> {
    return this.#take('an HTTP response', readResponse);
  }

  /** The next WebSocket frame, once it is complete. */
  frame(): Promise<ServerFrame> {
    return this.#take('a frame', readFrame);
  }

  /** The next frame of text, other frames left out. */
  async text(): Promise<string> {
    for (;;) {
      const { opcode, payload } = await this.frame();
      if (opcode === 1) return payload.toString();
    }
  }

  /** The code of the next close frame, other frames left out. */
  async closeCode(): Promise<number> {
    for (;;) {
      const { opcode, payload } = await this.frame();
      if (opcode === 8) return payload.readUInt16BE(0);
    }
  }

  async #take<T>(what: string, read: (bytes: Buffer) => { value: T; size: number } | undefined): Promise<T> {
    for (;;) {
      const found = read(this.#received.subarray(this.#taken));
      if (found !== undefined) {
        this.#taken += found.size;
        return found.value;
      }
      const isMore = this.#chunks.atLeast(this.#chunks.all.length + 1).then(() => true);
      if (!(await Promise.race([isMore, this.ended.then(() => false)]))) {
        const rest = this.#received.subarray(this.#taken);
        if (read(rest) === undefined) {
          throw new Error(`The connection ended before ${what}: ${JSON.stringify(rest.toString('latin1'))}`);
        }
      }
    }
  }
}

/** What is different about an upgrade request; `undefined` leaves a header out. */
export interface UpgradeRequest {
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string | undefined>>;
}

/** A path that is let in. */
export function connectPath({
  database = 'mydb_data',
  id = 'mallory1',
  token = 'undefined',
  version = '1.0.0',
} = {}) {
  return `/${database}/connect?v=${version}&id=${id}&t=${token}`;
}

/** The bytes of an upgrade request that is let in, but for what is different. */
export function upgradeRequest({ path = connectPath(), headers = {} }: UpgradeRequest = {}): string {
  const all: Record<string, string | undefined> = {
    Host: 'localhost',
    Connection: 'Upgrade',
    Upgrade: 'websocket',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
    ...headers,
  };
  const lines = Object.entries(all).flatMap(([name, value]) =>
    value === undefined ? [] : `${name}: ${value}`,
  );
  return `GET ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`;
}

/** Joins a database as a peer that can send any bytes; its welcome was read already. */
export async function rawPeer(
  options: RawSocketOptions,
  peer: Parameters<typeof connectPath>[0] = {},
): Promise<RawSocket> {
  const socket = await RawSocket.connect(options);
  socket.send(upgradeRequest({ path: connectPath(peer) }));
  const { status, body } = await socket.response();
  if (status !== 101) throw new Error(`The peer was not let in: ${status} ${body}`);
  await socket.text();
  return socket;
}

function readResponse(bytes: Buffer): { value: RawResponse; size: number } | undefined {
  const end = bytes.indexOf('\r\n\r\n');
  if (end < 0) return undefined;
  const [statusLine = '', ...lines] = bytes.subarray(0, end).toString('latin1').split('\r\n');
  const headers = Object.fromEntries(
    lines.map((line) => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
    }),
  );
  const size = end + 4 + Number(headers['content-length'] ?? 0);
  if (bytes.length < size) return undefined;
  const status = Number(statusLine.split(' ')[1]);
  return { value: { status, headers, body: bytes.subarray(end + 4, size).toString() }, size };
}

function readFrame(bytes: Buffer): { value: ServerFrame; size: number } | undefined {
  if (bytes.length < 2) return undefined;
  const marker = bytes.readUInt8(1);
  const header = marker < 126 ? 2 : marker === 126 ? 4 : 10;
  if (bytes.length < header) return undefined;
  const length =
    marker < 126 ? marker : marker === 126 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
  if (bytes.length < header + length) return undefined;
  const payload = bytes.subarray(header, header + length);
  return { value: { opcode: bytes.readUInt8(0) & 0x0f, payload }, size: header + length };
}
