import type { Duplex } from 'node:stream';
import type { Clock, Link, Visitor } from '../broker/ports.js';
import { type ClosureCode, ERRORS } from '../errors.js';
import { CLOSE_CODE } from '../websocket/close-codes.js';
import {
  type ClosedEvent,
  type ConnectionHandlers,
  type ConnectionOptions,
  WebSocketConnection,
} from '../websocket/connection.js';

/**
 * How long a ping waits for others to the same peer, in milliseconds. A pong costs both ends as much as a short message:
 * one for each message would cost half of what a busy server can do. Who asks only hears a little later, and of more.
 */
const PING_DELAY_MS = 5;

/** The same where nothing waits for the pong: until then, what was sent is kept. */
const PATIENT_PING_DELAY_MS = 50;

const NOTHING = new Uint8Array();

/** A WebSocket connection as the {@link Link} of a visitor, who hears what comes. Ping tokens travel as decimal text. */
export class PeerLink implements Link, ConnectionHandlers {
  readonly #connection: WebSocketConnection;
  readonly #visitor: Visitor;
  readonly #pings: PingRounds;
  /** The token of the ping that waits, or 0. Tokens only go up, and a pong is good for all lower ones. */
  #waitingToken = 0;
  /** The last ping whose pong is awaited, and when it was sent. */
  #sentToken = 0;
  #sentAt = 0;
  #roundTrip: number | undefined;

  /** Takes the socket over, as {@link WebSocketConnection} does. */
  constructor(socket: Duplex, options: ConnectionOptions, visitor: Visitor, pings: PingRounds) {
    this.#connection = new WebSocketConnection(socket, options, this);
    this.#visitor = visitor;
    this.#pings = pings;
  }

  /** Starts, as {@link WebSocketConnection.begin} does. */
  begin(preamble: Uint8Array, head: Uint8Array): void {
    this.#connection.begin(preamble, head);
  }

  get bytesReceived(): number {
    return this.#connection.bytesReceived;
  }

  get bufferedBytes(): number {
    return this.#connection.bufferedBytes;
  }

  get roundTrip(): number | undefined {
    return this.#roundTrip;
  }

  send(payload: Uint8Array, canWait?: boolean): void {
    this.#connection.send(payload, canWait);
  }

  ping(token: number, isPatient = false): void {
    this.#pings.add(this, isPatient);
    if (token > this.#waitingToken) this.#waitingToken = token;
  }

  message(payload: Uint8Array): void {
    this.#visitor.receive(payload);
  }

  pong(payload: Uint8Array): void {
    const token = pongToken(payload);
    if (token === undefined) return;
    if (token === this.#sentToken) this.#roundTrip = this.#pings.now() - this.#sentAt;
    this.#visitor.acknowledge(token);
  }

  /** Its line is alive, and that is all it learns where it must not believe that its place is kept. */
  answerTo(ping: Uint8Array): Uint8Array {
    return this.#visitor.isPlaceKept ? ping : NOTHING;
  }

  closed(event: ClosedEvent): void {
    this.#visitor.left(describe(event));
  }

  /** For the rounds: sends the ping that waits, if none took it along. */
  pingNow(): void {
    if (this.#waitingToken === 0) return;
    this.#sentToken = this.#waitingToken;
    this.#sentAt = this.#pings.now();
    this.#connection.ping(Buffer.from(String(this.#waitingToken), 'latin1'));
    this.#waitingToken = 0;
  }

  close(code: ClosureCode): void {
    const unsent = ERRORS[code].closeCode === CLOSE_CODE.tryAgainLater ? 'drop' : 'send';
    this.#connection.close(ERRORS[code].closeCode, code, unsent);
  }
}

/** The pings of all peers that leave together: soon, or when it is convenient. */
export class PingRounds {
  readonly #clock: Pick<Clock, 'now' | 'schedule'>;
  readonly #prompt = new Set<PeerLink>();
  readonly #patient = new Set<PeerLink>();

  constructor(clock: Pick<Clock, 'now' | 'schedule'>) {
    this.#clock = clock;
  }

  /** Milliseconds, as of the clock. */
  now(): number {
    return this.#clock.now();
  }

  /** Sends the ping of that link with the next round. */
  add(link: PeerLink, isPatient: boolean): void {
    const round = isPatient ? this.#patient : this.#prompt;
    if (round.size === 0) {
      const delay = isPatient ? PATIENT_PING_DELAY_MS : PING_DELAY_MS;
      this.#clock.schedule(delay, () => send(round));
    }
    round.add(link);
  }
}

function send(round: Set<PeerLink>): void {
  const links = [...round];
  round.clear();
  for (const link of links) link.pingNow();
}

function describe({ code, reason, initiator, error }: ClosedEvent): string {
  if (initiator === 'line') return error === undefined ? 'the line broke' : `the line broke: ${error}`;
  const what =
    initiator === 'peer' ? `it closed the connection with ${code}` : `the server closed it with ${code}`;
  // The reason of a peer's close frame is its own text, and may hold anything.
  return initiator === 'server' && reason !== '' ? `${what}, ${reason}` : what;
}

const DIGIT_ZERO = 0x30;

/** Tokens are safe integers. */
const MAX_DIGITS = 15;

/** The token of a pong, or `undefined` if it answers no ping of ours. */
export function pongToken(payload: Uint8Array): number | undefined {
  if (payload.length === 0 || payload.length > MAX_DIGITS || payload[0] === DIGIT_ZERO) return undefined;
  let token = 0;
  for (let index = 0; index < payload.length; index++) {
    const digit = (payload[index] as number) - DIGIT_ZERO;
    if (digit < 0 || digit > 9) return undefined;
    token = token * 10 + digit;
  }
  return token;
}
