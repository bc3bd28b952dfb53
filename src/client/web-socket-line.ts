import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { ClientOptions, RawData, WebSocket } from 'ws';
import { type Clock, type Failure, HANDSHAKE_MS, type Line, type LineEvents } from './core/ports.js';
import { parseRefusal, type Refusal } from './core/refusals.js';
import { HeldOutput } from './held-output.js';

/** How much of the body of a refusal is read. */
const REFUSAL_BYTES = 4_096;

/** Where, and with what, to connect. */
export interface Target {
  readonly url: string;
  readonly options: ClientOptions;
}

/** What makes lines. */
export interface WebSocketTools {
  readonly WebSocket: new (url: string, options: ClientOptions) => WebSocket;
  readonly clock: Pick<Clock, 'schedule'>;
}

/** A line of the package `ws`, with no listener outside of its socket. */
export class WebSocketLine implements Line {
  readonly #socket: WebSocket;
  #output: HeldOutput | undefined;
  /** The connection below, once it is open. */
  #connection: Socket | undefined;

  constructor({ url, options }: Target, events: LineEvents, { WebSocket, clock }: WebSocketTools) {
    const socket = new WebSocket(url, {
      perMessageDeflate: false,
      maxPayload: 0,
      handshakeTimeout: HANDSHAKE_MS,
      ...options,
    });
    this.#socket = socket;
    socket.on('upgrade', (response) => {
      this.#connection = response.socket;
      this.#output = new HeldOutput(response.socket, clock, () => events.exiting());
    });
    socket.on('open', () => events.opened());
    socket.on('message', (data: RawData, isBinary: boolean) => {
      if (isBinary) events.heard();
      else events.text(String(data));
    });
    socket.on('ping', () => events.heard());
    socket.on('pong', (data: Buffer) => events.ponged(String(data)));
    let isRefused = false;
    socket.on('unexpected-response', (_request, response) => {
      isRefused = true;
      void readRefusal(response, clock).then((refusal) => {
        events.refused(refusal);
        socket.terminate();
      });
    });
    let failure: Failure | undefined;
    socket.on('error', (error: Error) => {
      failure ??= failureOf(error);
    });
    socket.on('close', (code: number, reason: Buffer) => {
      this.#output?.end();
      this.#output = undefined;
      if (!isRefused) events.closed(failure ?? { reason: describeClose(code, String(reason)), code: '' });
    });
  }

  get bytesRead(): number {
    return this.#connection?.bytesRead ?? 0;
  }

  send(text: string, canWait: boolean): void {
    this.#output?.hold(canWait);
    this.#socket.send(text);
  }

  flush(): void {
    this.#output?.flush();
  }

  ping(text: string): void {
    this.#socket.ping(text);
  }

  close(): void {
    this.#socket.close(1000);
  }

  terminate(): void {
    this.#output?.end();
    this.#output = undefined;
    this.#socket.terminate();
  }
}

function failureOf(error: Error): Failure {
  const code = 'code' in error ? String(error.code) : '';
  // Where a name has several addresses, and none answers, there is a code but no message.
  return { reason: error.message || code || 'no connection', code };
}

function describeClose(code: number, reason: string): string {
  if (code === 1006) return 'the line broke';
  return reason === '' ? `closed with ${code}` : `closed with ${code}, ${reason}`;
}

async function readRefusal(response: IncomingMessage, clock: Pick<Clock, 'schedule'>): Promise<Refusal> {
  const status = response.statusCode ?? 0;
  let body = '';
  // A proxy may send one byte now and then, for ever.
  const cancel = clock.schedule(HANDSHAKE_MS, () => response.destroy());
  try {
    for await (const chunk of response) {
      body += String(chunk);
      if (body.length > REFUSAL_BYTES) break;
    }
  } catch {
    // What has come of it is enough.
  }
  cancel();
  const said = parseRefusal(body);
  if (said !== undefined) return { status, ...said };
  const { server } = response.headers;
  const from = server === undefined ? '' : `, from ${server.slice(0, 60)}`;
  return {
    status,
    code: undefined,
    message: `${status} ${response.statusMessage ?? ''}`.trim() + from,
    remedy: undefined,
  };
}
