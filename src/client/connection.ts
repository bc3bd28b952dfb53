import type { IncomingMessage } from 'node:http';
import type { ClientOptions, RawData, WebSocket } from 'ws';
import type { Cancel, Clock } from '../broker/ports.js';
import {
  BEAT_MS,
  FIRST_WAIT_MS,
  GROWTH,
  HANDSHAKE_MS,
  IN_TOUCH_MS,
  JITTER,
  LONGEST_WAIT_MS,
  OUT_OF_TOUCH_MS,
  SILENT_BEATS,
} from './connection-times.js';
import type { Failure } from './failure.js';
import { HeldOutput } from './held-output.js';
import { parseRefusal, type Refusal } from './refusals.js';
import { Steps } from './steps.js';

/** How much of the body of a refusal is read. */
const REFUSAL_BYTES = 4_096;

/** Where, and with what, to connect. */
export interface Target {
  readonly url: string;
  readonly options: ClientOptions;
}

/** What a connection tells its owner. */
export interface ConnectionHandlers {
  /** Asked before each attempt. */
  target(): Target;
  /** A text frame came. */
  frame(text: string): void;
  /** The line is over. A new one is tried in a moment. */
  lost(reason: string): void;
  /** An attempt failed without an answer. */
  failed(failure: Failure): void;
  /** The server, or what answers in its place, does not let this client in. @returns whether to try again */
  refused(refusal: Refusal): 'later' | 'never';
  /** The process exits, while there is a line: the last moment to say something. */
  exiting(): void;
}

/** What a connection works with. */
export interface ConnectionTools {
  readonly WebSocket: new (url: string, options: ClientOptions) => WebSocket;
  readonly clock: Clock & { scheduleIdle(milliseconds: number, callback: () => void): Cancel };
  /** 0 to 1. */
  random(): number;
}

/**
 * One line after another to the IPC server: connects, watches, waits longer after each failure, and connects again, until
 * it is ended. At most one socket and one timer at a time, and no listener outside of its socket.
 */
export class Connection {
  readonly #handlers: ConnectionHandlers;
  readonly #tools: ConnectionTools;
  #socket: WebSocket | undefined;
  #output: HeldOutput | undefined;
  #isOpen = false;
  /** Whether the server has said its welcome on this line. At the door it answers pings, whatever became of the session. */
  #isWelcome = false;
  #isEnded = false;
  #waitMs = FIRST_WAIT_MS;
  #cancelWait: Cancel | undefined;
  #cancelBeat: Cancel | undefined;
  #silentBeats = 0;
  readonly #steps = new Steps();
  #heardAt = Number.NEGATIVE_INFINITY;
  /** Whether a ping that was sent after the last silence was answered; and the one that is under way for that. */
  #isProved = false;
  #proof: object | undefined;
  #mayBeGivenUp = false;

  constructor(handlers: ConnectionHandlers, tools: ConnectionTools) {
    this.#handlers = handlers;
    this.#tools = tools;
  }

  /** Whether frames can be sent. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Whether the server was heard a moment ago: it has hardly given this process up since. What the system kept does not count. */
  get isInTouch(): boolean {
    return this.#isOpen && this.#isProved && this.#tools.clock.now() - this.#heardAt < IN_TOUCH_MS;
  }

  /**
   * Whether this process was out of touch for so long that the last server may have given it up, and none has said since
   * that it goes on with it.
   */
  get mayBeGivenUp(): boolean {
    return this.#mayBeGivenUp;
  }

  /** Begins, or begins anew after it has stopped. */
  start(): void {
    this.#isEnded = false;
    if (this.#socket === undefined && this.#cancelWait === undefined) this.#connect();
  }

  /** Sends a text frame; only while {@link Connection.isOpen}. @param canWait whether it may leave with the next one */
  send(text: string, canWait = false): void {
    this.#output?.hold(canWait);
    this.#socket?.send(text);
  }

  /** The server goes on with this process: pongs count from now on, and the next failure is the first one again. */
  proved(): void {
    this.#isWelcome = true;
    this.#mayBeGivenUp = false;
    this.#waitMs = FIRST_WAIT_MS;
    this.#askForStep();
  }

  /** Calls once, when everything was heard that the server had said by now, be it on this line or on one after it. */
  inStep(callback: () => void): void {
    this.#steps.wait(callback);
    this.#askForStep();
  }

  /** Ends the line; another one is tried. */
  renew(reason: string): void {
    this.#drop(reason);
  }

  /** Ends it for good: what was sent still goes out, and a closing handshake. */
  end(): void {
    this.#isEnded = true;
    this.#cancelWait?.();
    this.#cancelWait = undefined;
    this.#steps.clear();
    this.#cancelBeat?.();
    if (this.#isOpen) this.#socket?.close(1000);
    else this.#socket?.terminate();
  }

  #connect(): void {
    const { url, options } = this.#handlers.target();
    const { WebSocket } = this.#tools;
    const socket = new WebSocket(url, {
      perMessageDeflate: false,
      maxPayload: 0,
      handshakeTimeout: HANDSHAKE_MS,
      ...options,
    });
    this.#socket = socket;
    const ifThis = (act: () => void): void => {
      if (this.#socket === socket) act();
    };
    const heard = (): void => {
      this.#silentBeats = 0;
      this.#measureSilence();
    };
    socket.on('upgrade', (response) => ifThis(() => this.#upgraded(response)));
    socket.on('open', () => ifThis(() => this.#opened()));
    socket.on('message', (data: RawData, isBinary: boolean) => {
      heard();
      if (!this.#isProved) ifThis(() => this.#prove());
      if (!isBinary) ifThis(() => this.#handlers.frame(String(data)));
    });
    socket.on('ping', heard);
    socket.on('pong', (data: Buffer) => {
      heard();
      ifThis(() => this.#steps.ponged(String(data)));
    });
    socket.on('unexpected-response', (_request, response) => {
      void readRefusal(response, this.#tools.clock).then((refusal) => {
        ifThis(() => this.#refused(refusal));
        socket.terminate();
      });
    });
    let failure: Failure | undefined;
    socket.on('error', (error: Error) => {
      failure ??= failureOf(error);
    });
    socket.on('close', (code: number, reason: Buffer) => {
      ifThis(() => this.#closed(failure ?? { reason: describeClose(code, String(reason)), code: '' }));
    });
  }

  #upgraded({ socket }: IncomingMessage): void {
    this.#output = new HeldOutput(socket, this.#tools.clock, () => this.#handlers.exiting());
  }

  #opened(): void {
    this.#isOpen = true;
    this.#isWelcome = false;
    this.#silentBeats = 0;
    this.#heardAt = this.#tools.clock.now();
    this.#isProved = false;
    this.#proof = undefined;
    this.#watch();
  }

  #askForStep(): void {
    const ping = this.#isOpen && this.#isWelcome ? this.#steps.nextPing() : undefined;
    if (ping !== undefined) this.#socket?.ping(ping);
  }

  #measureSilence(): void {
    const now = this.#tools.clock.now();
    const silence = now - this.#heardAt;
    this.#heardAt = now;
    if (silence < IN_TOUCH_MS) return;
    this.#isProved = false;
    this.#proof = undefined;
    if (silence < OUT_OF_TOUCH_MS) return;
    this.#mayBeGivenUp = true;
    // What comes first may have been said, and kept by the system, before: the pong to a new ping tells how it is now.
    this.inStep(() => {
      this.#mayBeGivenUp = false;
    });
  }

  /**
   * What comes after a silence may have been sent long before, and kept by the system while this process was stopped; so may
   * the pong to an earlier ping. Only a message asks: on a slow line, each pong follows a silence.
   */
  #prove(): void {
    if (this.#proof !== undefined) return;
    const proof = {};
    this.#proof = proof;
    this.inStep(() => {
      if (this.#proof === proof) this.#isProved = true;
    });
  }

  #watch(): void {
    // A line that is there keeps the process alive by itself; looking at it need not.
    this.#cancelBeat = this.#tools.clock.scheduleIdle(BEAT_MS, () => {
      this.#silentBeats++;
      // Beats, not milliseconds: a process that was stopped for a while has not heard because it did not listen.
      if (this.#silentBeats > SILENT_BEATS) this.#drop('the IPC server answers no ping');
      else {
        if (this.#silentBeats > 1) this.#socket?.ping();
        this.#watch();
      }
    });
  }

  #drop(reason: string): void {
    const socket = this.#socket;
    this.#closed({ reason, code: '' });
    socket?.terminate();
  }

  #closed(failure: Failure): void {
    const wasOpen = this.#isOpen;
    this.#socket = undefined;
    this.#output?.end();
    this.#output = undefined;
    this.#isOpen = false;
    this.#cancelBeat?.();
    if (this.#isEnded) return;
    if (wasOpen) {
      this.#measureSilence();
      this.#handlers.lost(failure.reason);
    } else this.#handlers.failed(failure);
    this.#later();
  }

  #refused(refusal: Refusal): void {
    this.#socket = undefined;
    if (this.#isEnded) return;
    if (this.#handlers.refused(refusal) === 'later') this.#later();
  }

  #later(): void {
    if (this.#isEnded) return;
    const wait = this.#waitMs * (1 - JITTER + 2 * JITTER * this.#tools.random());
    this.#waitMs = Math.min(this.#waitMs * GROWTH, LONGEST_WAIT_MS);
    this.#cancelWait = this.#tools.clock.schedule(wait, () => {
      this.#cancelWait = undefined;
      this.#connect();
    });
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

async function readRefusal(response: IncomingMessage, clock: Clock): Promise<Refusal> {
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
