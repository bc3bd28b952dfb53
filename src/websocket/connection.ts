/**
 * A WebSocket connection over a socket, server side: RFC 6455 sections 5.5 and 7.
 */

import type { Duplex } from 'node:stream';
import { CLOSE_CODE } from './close-codes.js';
import { type FrameHandler, FrameParser, type ParseFailure, type ParserLimits } from './frame-parser.js';
import { closePayload, OPCODE } from './frame-writer.js';
import { type InputHolder, type Lane, LONE_PORTION_BYTES, Loop, type PatientFlushable } from './lanes.js';
import { OutputLog } from './output-log.js';
import { SocketOutput } from './socket-output.js';

/** What a connection is bounded by, and the time it is given. */
export interface ConnectionOptions extends ParserLimits {
  /**
   * Whether the socket has no more use for what was written once its `writableLength` is 0, as a socket of `node:net` has
   * not. The memory is then used again.
   */
  readonly writesAtOnce?: boolean;
  /** With whom it shares its turns at the {@link eventLoop}. */
  readonly lane: Lane;
  /** How long the peer may take for its part of the closing handshake, in milliseconds. */
  readonly closeTimeoutMs: number;
  /** Calls `callback` once, `milliseconds` from now, unless the returned function is called before. */
  schedule(milliseconds: number, callback: () => void): () => void;
}

/** How a connection ended. */
export interface ClosedEvent {
  /** The code of the close frame; 1005 if the peer's had none, 1006 if there was no close frame. */
  readonly code: number;
  /** The reason of the close frame, or empty. */
  readonly reason: string;
  /** Who ended it: the peer or the server by a close frame (or `terminate`), or the line, which broke. */
  readonly initiator: 'peer' | 'server' | 'line';
  /** What the socket said, if it said something, or what the peer did not do. */
  readonly error?: string;
}

/** Who is told what a connection receives. Nothing is called before {@link WebSocketConnection.begin} has returned. */
export interface ConnectionHandlers {
  /**
   * A text message: UTF-8, in the order in which the peer sent them. Also while our own close frame is on its way.
   * The bytes do not change any more and may be kept; a kept view keeps the chunk alive that it came in (64 KiB).
   */
  message(payload: Uint8Array): void;
  /** The answer to a ping, or an unasked one. */
  pong(payload: Uint8Array): void;
  /** What the peer's ping is answered with: its own payload; or another one, and it has no answer to that ping (section 5.5.3). */
  answerTo(ping: Uint8Array): Uint8Array;
  /**
   * Exactly once, and the last call: as soon as it is known that nothing more will be received. The socket itself may
   * need up to `closeTimeoutMs` more to send what is pending and end; `net.Server.close` waits for that.
   */
  closed(event: ClosedEvent): void;
}

/** What a socket has beyond a Duplex. */
interface LineSettings {
  setNoDelay?(on: boolean): unknown;
  setTimeout?(milliseconds: number): unknown;
  setKeepAlive?(on: boolean, initialDelay: number): unknown;
}

/** The silence after which the operating system asks whether the other end is still there, in milliseconds. */
const KEEP_ALIVE_DELAY_MS = 30_000;

/** When that much output waits, only the latest ping is answered (section 5.5.3). */
const PONG_BACKLOG_BYTES = 64 * 1024;

/** Frames leave at the end of a turn; when short ones that wait for one socket are as much, they leave before. */
const FLUSH_BYTES = 1024 * 1024;

/** When as much waits for one socket, it waits for no more: a process that is told so much is awake for a while. */
const IMPATIENT_BYTES = 4 * 1024;

/** So many bytes of a message are as much work as one unit of a {@link Lane}. */
const BYTES_PER_UNIT = 1024;

/** Where a socket has its connection: one listener serves all sockets, and none has closures of its own. */
const OWNER = Symbol('owner');

interface OwnedSocket extends Duplex {
  [OWNER]?: WebSocketConnection;
}

function ownerOf({ [OWNER]: owner }: OwnedSocket): WebSocketConnection {
  if (owner === undefined) throw new TypeError('the socket has no connection');
  return owner;
}

const log = new OutputLog();

/** The event loop, for the lanes of all connections of this process. @param now monotonic milliseconds */
export function eventLoop(now: () => number): Loop {
  return new Loop({ later: setImmediate, now, flushed: () => log.rest() });
}

/**
 * One connection after the opening handshake.
 *
 * Order: frames leave in the order of the calls, pongs among them. What is sent in one turn of the event loop leaves
 * in one write at its end, or behind a single short message that came in it; when the peer does not read, it waits here, without a limit: watch {@link bufferedBytes}.
 * What the peer sends is worked off within the turns of its {@link Lane}; meanwhile, no more is read from it.
 * Errors: no method throws, whatever the state of the socket. What a handler throws is not caught; the connection is
 * destroyed then, because the rest of the chunk at hand is lost.
 */
export class WebSocketConnection implements FrameHandler, InputHolder, PatientFlushable {
  /** What all sockets call. */
  static readonly #listeners = {
    data(this: OwnedSocket, chunk: Uint8Array): void {
      ownerOf(this).#onData(chunk);
    },
    drain(this: OwnedSocket): void {
      ownerOf(this).#onDrain();
    },
    end(this: OwnedSocket): void {
      ownerOf(this).#onEnd();
    },
    error(this: OwnedSocket, error: Error): void {
      ownerOf(this).#onError(error);
    },
    close(this: OwnedSocket): void {
      ownerOf(this).#onSocketClose();
    },
  };
  readonly #socket: Duplex;
  readonly #options: ConnectionOptions;
  readonly #handlers: ConnectionHandlers;
  readonly #parser: FrameParser;
  readonly #output: SocketOutput;
  readonly #lane: Lane;
  /** What was received, and is to be worked off in a later turn; no more is read until then. */
  #rest: Uint8Array | undefined;
  #queued = false;
  /** Whether all that waits can wait for more to go with it. */
  #isPatient = false;
  /** A close frame was sent, or none can be sent any more. */
  #sealed = false;
  /** The socket is to be ended once everything is written. */
  #ending = false;
  #closed = false;
  #bytesReceived = 0;
  /** What `closed` will say, once that is decided before it is time to say it. */
  #outcome: ClosedEvent | undefined;
  /** The last ping that came while too much output was waiting. */
  #unanswered: Uint8Array | undefined;
  #cancelTimer: (() => void) | undefined;

  /** Takes the socket over: from here on its errors are handled. */
  constructor(socket: Duplex, options: ConnectionOptions, handlers: ConnectionHandlers) {
    this.#socket = socket;
    this.#options = options;
    this.#handlers = handlers;
    this.#output = new SocketOutput(socket, log, options.writesAtOnce === true);
    this.#parser = new FrameParser(options, this);
    this.#lane = options.lane;
    const owned: OwnedSocket = socket;
    owned[OWNER] = this;
    socket.on('error', WebSocketConnection.#listeners.error);
    socket.on('close', WebSocketConnection.#listeners.close);
  }

  /**
   * Starts. To be called once, before anything is sent. A socket that was paused is resumed.
   *
   * @param preamble the answer to the handshake; it leaves in one write with what is sent in the same turn
   * @param head what came behind the request; it is received after the caller's turn, before anything else
   */
  begin(preamble: Uint8Array, head: Uint8Array): void {
    const socket = this.#socket;
    if (socket.destroyed || !socket.readable || !socket.writable) {
      this.#sealed = true;
      socket.destroy();
      process.nextTick(() => this.#finish(lineBroke('the socket was closed during the handshake')));
      return;
    }
    const line = socket as Duplex & LineSettings;
    line.setNoDelay?.(true);
    line.setTimeout?.(0);
    line.setKeepAlive?.(true, KEEP_ALIVE_DELAY_MS);
    this.#output.addRaw(preamble);
    this.#queue();
    if (head.length > 0) socket.unshift(head);
    socket.on('drain', WebSocketConnection.#listeners.drain);
    socket.on('end', WebSocketConnection.#listeners.end);
    socket.on('data', WebSocketConnection.#listeners.data);
    socket.resume();
  }

  /**
   * Sends a text message. The payload must not change any more. After `close` or the end, nothing happens.
   *
   * @param canWait whether it may wait for 2 ms, as long as nothing else is sent and little waits: each write wakes a process up
   */
  send(payload: Uint8Array, canWait = false): void {
    if (this.#sealed) return;
    this.#output.add(OPCODE.text, payload);
    this.#lane.work(1);
    if (!this.#queued) {
      if (canWait && this.#output.bytes < IMPATIENT_BYTES) this.#wait();
      else this.#queue();
    }
    if (payload.length >= FLUSH_BYTES || this.#output.bytes < FLUSH_BYTES) return;
    if (this.#output.bytes <= LONE_PORTION_BYTES && !this.#socket.writableNeedDrain) this.#write();
  }

  /** Bytes that came behind the handshake, those of a frame that is not complete included. */
  get bytesReceived(): number {
    return this.#bytesReceived;
  }

  /** Sends a ping; of the payload, at most 125 bytes are allowed (section 5.5). After `close`, nothing happens. */
  ping(payload: Uint8Array): void {
    if (this.#sealed) return;
    this.#output.add(OPCODE.ping, payload);
    if (!this.#queued) this.#queue();
  }

  /** Bytes that were sent but not yet handed to the operating system. */
  get bufferedBytes(): number {
    return this.#output.bytes + this.#socket.writableLength;
  }

  /**
   * Ends the connection: sends what is pending and a close frame (section 7.1.2), waits for the peer's, then ends the
   * socket. Messages are still received while waiting. After `closeTimeoutMs` the socket is destroyed.
   *
   * @param code what the close frame says; 1005 sends one without a code
   * @param reason cut to 123 bytes
   * @param unsent whether what is pending is still sent, or, if the peer does not read, dropped to free its memory
   */
  close(code: number, reason: string, unsent: 'send' | 'drop' = 'send'): void {
    if (this.#sealed) return;
    this.#outcome = { code, reason, initiator: 'server' };
    if (unsent === 'drop' && (this.#socket.writableNeedDrain || this.#output.bytes >= FLUSH_BYTES)) {
      if (this.#output.isMidway) {
        // In the midst of a frame there is no place for another one.
        this.#destroy();
        return;
      }
      this.#output.clear();
    }
    this.#sendClose(code, reason);
  }

  /** Ends the connection at once, without a close frame; what is pending is lost. */
  terminate(): void {
    this.#outcome ??= { code: CLOSE_CODE.abnormal, reason: '', initiator: 'server' };
    this.#destroy();
  }

  /** For the lane. */
  hurry(): void {
    if (this.#isPatient && !this.#queued) this.#queue();
  }

  /** For the lane. */
  flush(): number {
    this.#queued = false;
    this.#isPatient = false;
    return this.#write();
  }

  /** Waits for more to go with what waits. */
  #wait(): void {
    if (this.#isPatient) return;
    this.#isPatient = true;
    this.#lane.addPatient(this, this.#options.schedule);
  }

  #queue(): void {
    this.#queued = true;
    this.#lane.add(this);
  }

  /** Hands over what waits. @returns how many bytes */
  #write(): number {
    const bytes = this.#output.write(this.#lane.portionBytes);
    if (this.#socket.destroyed || this.#socket.writableNeedDrain) return bytes;
    // Also what came behind a long message: no other event says that it is its turn.
    if (this.#output.bytes > 0) {
      if (!this.#queued) this.#queue();
      return bytes;
    }
    if (this.#unanswered !== undefined && !this.#sealed) {
      this.#output.add(OPCODE.pong, this.#unanswered);
      this.#unanswered = undefined;
      if (!this.#queued) this.#queue();
    }
    if (this.#ending && !this.#socket.writableEnded) this.#socket.end();
    return bytes;
  }

  /** Much waits for its turn: sockets of several peers may drain at one time. */
  #onDrain(): void {
    if (this.#output.bytes < FLUSH_BYTES) this.#write();
    else if (!this.#queued) this.#queue();
  }

  #onData(chunk: Uint8Array): void {
    this.#bytesReceived += chunk.length;
    const lane = this.#lane;
    if (lane.isBusy) {
      this.#hold(chunk);
      return;
    }
    lane.begin();
    try {
      this.#take(chunk);
    } finally {
      lane.end(chunk.length);
    }
  }

  #hold(bytes: Uint8Array): void {
    this.#rest = bytes;
    this.#socket.pause();
    this.#lane.hold(this);
  }

  /** For the lane. */
  resume(): void {
    const rest = this.#rest;
    if (rest === undefined) return;
    this.#rest = undefined;
    this.#take(rest);
    if (this.#rest === undefined && !this.#socket.destroyed) this.#socket.resume();
  }

  #take(chunk: Uint8Array): void {
    let failure: ParseFailure | undefined;
    let threw = true;
    try {
      failure = this.#parser.push(chunk);
      threw = false;
    } finally {
      if (threw) this.terminate();
    }
    if (failure !== undefined) this.#onFailure(failure);
    const rest = this.#parser.takeRest();
    if (rest !== undefined) this.#hold(rest);
  }

  /** So much of the input at hand was worked off; the rest waits if that was as much as fits into a turn. */
  #worked(units: number): void {
    this.#lane.work(units);
    if (this.#lane.isOver) this.#parser.pause();
  }

  /** The socket has ended, and nothing more comes of it than what was held. */
  #takeHeld(): void {
    for (let rest = this.#rest; rest !== undefined; rest = this.#rest) {
      this.#rest = undefined;
      this.#take(rest);
    }
  }

  /** For the parser. */
  onMessage(payload: Uint8Array): void {
    this.#handlers.message(payload);
    this.#worked(1 + payload.length / BYTES_PER_UNIT);
  }

  /** For the parser. */
  onPong(payload: Uint8Array): void {
    this.#handlers.pong(payload);
    this.#worked(1);
  }

  /** For the parser. */
  onPing(payload: Uint8Array): void {
    this.#worked(1);
    if (this.#sealed) return;
    if (this.#socket.writableNeedDrain || this.#output.bytes > PONG_BACKLOG_BYTES) {
      this.#unanswered = new Uint8Array(this.#handlers.answerTo(payload));
      return;
    }
    this.#output.add(OPCODE.pong, this.#handlers.answerTo(payload));
    if (!this.#queued) this.#queue();
  }

  /** For the parser: the peer's close frame is echoed, unless it is the answer to ours (section 5.5.1). */
  onClose(code: number, reason: string): void {
    if (!this.#sealed) {
      this.#sendClose(code, '');
      this.#outcome = { code, reason, initiator: 'peer' };
    }
    this.#endOutput();
    this.#finish(this.#outcome ?? lineBroke());
  }

  /** The peer broke the protocol: section 7.1.7. What it still sends is read and dropped, so that it can read us. */
  #onFailure(failure: ParseFailure): void {
    if (!this.#sealed) {
      this.#sendClose(failure.closeCode, failure.reason);
      this.#outcome = { code: failure.closeCode, reason: failure.reason, initiator: 'server' };
    }
    this.#endOutput();
    this.#finish(this.#outcome ?? lineBroke());
  }

  /** The peer ended its side. Without a close frame of either side that is no proper end: section 7.1.5. */
  #onEnd(): void {
    if (this.#sealed) this.#endOutput();
    else this.#destroy();
    this.#finish(this.#outcome ?? lineBroke());
  }

  #onError(error: Error): void {
    this.#takeHeld();
    this.#destroy();
    this.#finish({ ...(this.#outcome ?? lineBroke()), error: error.message });
  }

  #onSocketClose(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#takeHeld();
    this.#destroy();
    this.#finish(this.#outcome ?? lineBroke());
  }

  #onTimeout(): void {
    this.#destroy();
    this.#finish({
      ...(this.#outcome ?? lineBroke()),
      error: 'the peer did not complete the closing handshake',
    });
  }

  /** Seals the output with a close frame, and gives the peer time for its part. */
  #sendClose(code: number, reason: string): void {
    this.#sealed = true;
    this.#unanswered = undefined;
    this.#output.add(OPCODE.close, closePayload(code, reason));
    if (!this.#queued) this.#queue();
    this.#cancelTimer = this.#options.schedule(this.#options.closeTimeoutMs, () => this.#onTimeout());
  }

  /** Ends the socket once everything is written. */
  #endOutput(): void {
    this.#ending = true;
    if (!this.#queued) this.#queue();
  }

  #destroy(): void {
    this.#sealed = true;
    this.#parser.stop();
    this.#rest = undefined;
    this.#output.clear();
    this.#unanswered = undefined;
    this.#socket.destroy();
  }

  #finish(event: ClosedEvent): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#handlers.closed(event);
  }
}

function lineBroke(error?: string): ClosedEvent {
  const event = { code: CLOSE_CODE.abnormal, reason: '', initiator: 'line' } as const;
  return error === undefined ? event : { ...event, error };
}
