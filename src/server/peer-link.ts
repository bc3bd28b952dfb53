import type { Link } from '../broker/ports.js';
import { type ClosureCode, ERRORS } from '../errors.js';
import type { WebSocketConnection } from '../websocket/connection.js';

/** A {@link Link} over a WebSocket connection. Ping tokens travel as decimal text. */
export class PeerLink implements Link {
  readonly #connection: WebSocketConnection;

  constructor(connection: WebSocketConnection) {
    this.#connection = connection;
  }

  get bufferedBytes(): number {
    return this.#connection.bufferedBytes;
  }

  send(payload: Uint8Array): void {
    this.#connection.send(payload);
  }

  ping(token: number): void {
    this.#connection.ping(Buffer.from(String(token), 'latin1'));
  }

  close(code: ClosureCode): void {
    const unsent = code === 'IPC_CLOSED_TOO_SLOW' ? 'drop' : 'send';
    this.#connection.close(ERRORS[code].closeCode, code, unsent);
  }
}

/** The token of a pong, or `undefined` if it answers no ping of ours. */
export function pongToken(payload: Uint8Array): number | undefined {
  const text = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).toString('latin1');
  return /^[1-9][0-9]{0,15}$/.test(text) ? Number(text) : undefined;
}
