import type { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import type { Broker } from '../broker/broker.js';
import type { ByteBudget } from '../broker/byte-budget.js';
import type { Entrance, Visitor } from '../broker/entrance.js';
import type { Cancel, Clock, PeerProcess } from '../broker/ports.js';
import { ERRORS, type RefusalCode } from '../errors.js';
import { type ClosedEvent, WebSocketConnection } from '../websocket/connection.js';
import { acceptResponse } from '../websocket/handshake.js';
import type { Gatekeeper } from './gatekeeper.js';
import { PeerLink, PingRounds, pongToken } from './peer-link.js';
import { type RefusalLog, refuseOnSocket } from './refusals.js';
import { parseTarget, queryParameter } from './target.js';

/** How long a peer may take for its part of the closing handshake, in milliseconds. */
const CLOSE_TIMEOUT_MS = 2_000;

/** The bytes that one UTF-16 unit takes at most as UTF-8: clients count units, frames count bytes. */
export const MAX_BYTES_PER_UNIT = 3;

/** Who only wants to know whether a process would be let in asks in this version [PROTOCOL-2.6]. No client speaks it. */
const QUESTION_VERSION = '0';

/** What is left of an entrance that was used. */
const CLOSED: Entrance = {
  refuse: () => undefined,
  accept: () => {
    throw new TypeError('an entrance was used twice');
  },
};

/** What it takes to turn upgrade requests into peers. */
export interface UpgradeSettings {
  readonly broker: Broker;
  readonly gatekeeper: Gatekeeper;
  readonly refusals: RefusalLog;
  readonly clock: Clock;
  /** UTF-16 units. */
  readonly maxPayload: number;
  readonly inboundMemory: ByteBudget;
  /** The process at the other end of a connection; `undefined` if none is to be watched. */
  processBehind(request: IncomingMessage): PeerProcess | undefined;
}

/** Answers upgrade requests: with a refusal, or by letting the peer in. */
export class Upgrades {
  readonly #settings: UpgradeSettings;
  readonly #pings: PingRounds;

  constructor(settings: UpgradeSettings) {
    this.#settings = settings;
    this.#pings = new PingRounds(settings.clock);
  }

  /** An upgrade request came. To be registered as the `upgrade` listener of an HTTP server. */
  handle(request: IncomingMessage, socket: Duplex, head: Buffer, isSecure: boolean): void {
    // Until a connection takes the socket over, nobody else listens for its errors.
    const ignoreError = () => undefined;
    socket.on('error', ignoreError);
    const { method = '', url = '', httpVersion, headers } = request;
    const admission = this.#settings.gatekeeper.admit({ method, url, httpVersion, headers, isSecure });
    if (!admission.isAdmitted) {
      this.#refuse(request, socket, admission.code, admission.detail);
      return;
    }
    const { database, peerId, accept, client } = admission;
    let cancel: Cancel | undefined;
    // A process that is killed while it waits ends its side; the socket itself stays open for as long as ours does.
    const goneEarly = () => {
      cancel?.();
      socket.destroy();
    };
    const stopWatching = () => socket.off('end', goneEarly).off('close', goneEarly);
    socket.once('end', goneEarly).once('close', goneEarly);
    const entrance: Entrance = {
      refuse: (code) => {
        stopWatching();
        this.#refuse(request, socket, code, undefined, peerId);
      },
      accept: (visitor) => {
        stopWatching();
        const connection = this.#connect(socket, visitor, () => link);
        const link = new PeerLink(connection, this.#pings);
        socket.off('error', ignoreError);
        connection.begin(acceptResponse(accept), head);
        // Who is in may stay for weeks, and its entrance with it: the request must not.
        Object.assign(entrance, CLOSED);
        return link;
      },
    };
    const process = this.#settings.processBehind(request);
    const arrival = { database, peerId, address: addressOf(request), client, process };
    cancel = this.#settings.broker.arrive(arrival, entrance);
  }

  #connect(socket: Duplex, visitor: Visitor, link: () => PeerLink): WebSocketConnection {
    const { clock, maxPayload, inboundMemory } = this.#settings;
    return new WebSocketConnection(
      socket,
      {
        maxMessageBytes: maxPayload * MAX_BYTES_PER_UNIT,
        memory: inboundMemory,
        closeTimeoutMs: CLOSE_TIMEOUT_MS,
        writesAtOnce: socket instanceof Socket && !(socket instanceof TLSSocket),
        schedule: clock.schedule,
      },
      {
        message: visitor.receive,
        pong: (payload) => {
          const token = pongToken(payload);
          if (token === undefined) return;
          link().answered(token);
          visitor.acknowledge(token);
        },
        closed: (event) => visitor.left(describe(event)),
      },
    );
  }

  /** @param peerId if it is known to be one */
  #refuse(
    request: IncomingMessage,
    socket: Duplex,
    code: RefusalCode,
    detail?: string,
    peerId?: string,
  ): void {
    const { remoteAddress = 'unknown', remotePort } = request.socket;
    const { path, database, query } = parseTarget(request.url ?? '');
    const { refusals, broker, clock } = this.#settings;
    const isQuestion = code === 'IPC_REFUSED_VERSION' && queryParameter(query, 'v') === QUESTION_VERSION;
    if (isQuestion) refusals.answered({ address: remoteAddress, port: remotePort, path });
    else refusals.record({ code, address: remoteAddress, port: remotePort, path, detail });
    // Not what the other end said of itself: it may be anybody.
    if (database !== undefined && !isQuestion)
      broker.noteRefusal(database, peerId, `from ${remoteAddress}: ${ERRORS[code].summary}`);
    refuseOnSocket(socket, clock, code, detail);
  }
}

/** The other end of a request's connection, for people to read. */
export function addressOf(request: IncomingMessage): string {
  const { remoteAddress = 'unknown', remotePort } = request.socket;
  return remoteAddress.includes(':') ? `[${remoteAddress}]:${remotePort}` : `${remoteAddress}:${remotePort}`;
}

function describe({ code, reason, initiator, error }: ClosedEvent): string {
  if (initiator === 'line') return error === undefined ? 'the line broke' : `the line broke: ${error}`;
  const what =
    initiator === 'peer' ? `it closed the connection with ${code}` : `the server closed it with ${code}`;
  // The reason of a peer's close frame is its own text, and may hold anything.
  return initiator === 'server' && reason !== '' ? `${what}, ${reason}` : what;
}
