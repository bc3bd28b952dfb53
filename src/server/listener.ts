import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer, Server as TlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Clock } from '../broker/ports.js';
import { IPCError } from '../errors.js';
import { codeOf } from '../system-error.js';
import type { DescriptorWatch } from './descriptor-watch.js';
import { endGently, isLeaving } from './lingering-close.js';
import { LET_IN, requestClass } from './request.js';
import { Strangers } from './strangers.js';
import type { LoadedTls } from './tls.js';

/** What a listener serves. */
export interface ListenerSettings {
  readonly clock: Clock;
  /** A name or address; `localhost` means 127.0.0.1 and, where the system has it, ::1. */
  readonly host: string;
  /** 0: whichever is free. */
  readonly port: number;
  readonly tls: LoadedTls | undefined;
  /** Milliseconds in which a TLS handshake, and then the head of a request, must be complete. */
  readonly handshakeTimeout: number;
  readonly maxConnections: number;
  readonly descriptors: Pick<DescriptorWatch, 'room'>;
  /** A connection is taken; nothing is known of it yet. */
  onConnection?(socket: Socket): void;
  onRequest(request: IncomingMessage, response: ServerResponse): void;
  /** @returns whether it was let in, so far as its token goes */
  onUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): boolean;
  /** A server could not take a connection; it goes on. */
  onError(error: Error): void;
  /**
   * A connection is to be ended: too many, not HTTP, too much at a time, too slow, or no TLS.
   *
   * @param canAnswer whether the other end would understand an HTTP response; else there is nothing to tell it
   * @param detail the code of the error in the TLS handshake, or what else is known
   */
  onDropped(
    reason: DropReason,
    socket: Duplex & Partial<Pick<Socket, 'remoteAddress' | 'remotePort'>>,
    canAnswer: boolean,
    detail?: string,
  ): void;
}

/** Why a connection is ended by the server itself. */
export type DropReason =
  | 'too-many'
  | 'no-descriptors'
  | 'malformed'
  | 'timeout'
  | 'untrusted'
  | 'plain-for-tls'
  | 'tls-for-plain'
  | 'tls-failed';

/** How long the body of a request may take, and how long a response may wait to be read, in milliseconds. */
const REQUEST_TIMEOUT_MS = 120_000;

/** Requests of one connection that wait for their answers; with one more, the connection is ended. Browsers, probes and proxies wait with one. */
const MAX_UNANSWERED = 8;

/** Connections above `maxConnections` that are told so at one time; more are ended without a word. */
const MAX_TURNED_AWAY = 256;

/** How often stalled requests are looked for, in milliseconds. */
const CHECK_INTERVAL_MS = 500;

/** How often another free port is tried when one is free on 127.0.0.1 but not on ::1. */
const MAX_PORT_ATTEMPTS = 10;

/** The HTTP(S) servers on one port. For `localhost` there are two: one for each of its addresses. */
export class Listener {
  readonly #settings: ListenerSettings;
  /** All connections; below TLS, where there is TLS. */
  readonly #sockets = new Set<Socket>();
  /** Those that speak HTTP, and the answers that are not out yet; above TLS, where there is TLS. */
  readonly #conversations = new Map<Duplex, Set<ServerResponse>>();
  readonly #turnedAway = new Set<Socket>();
  /** Those of `#sockets` that anybody could have. */
  readonly #strangers = new Strangers();
  #servers: Server[] = [];
  #tls: LoadedTls | undefined;
  #isClosing = false;
  /** What all sockets call when they have closed, and instead of Node's own `destroySoon`: none has a function of its own. */
  readonly #forget: (this: Socket) => void;
  readonly #destroySoon: (this: Socket) => void;

  constructor(settings: ListenerSettings) {
    this.#settings = settings;
    const { clock } = settings;
    const all = [this.#sockets, this.#turnedAway, this.#conversations, this.#strangers];
    this.#forget = function () {
      for (const each of all) each.delete(this);
    };
    this.#destroySoon = function () {
      endGently(this, clock);
    };
    this.#tls = settings.tls;
  }

  /** Serves new connections with that certificate; those that there are keep theirs. Only where there is TLS already. */
  renewTls(tls: LoadedTls): void {
    this.#tls = tls;
    for (const server of this.#servers) if (server instanceof TlsServer) server.setSecureContext(tls);
  }

  /** The addresses that it listens on; empty before and after. */
  get addresses(): readonly AddressInfo[] {
    return this.#servers.map((server) => server.address()).filter((address) => isAddressInfo(address));
  }

  /** How many connections there are. */
  get connections(): number {
    return this.#sockets.size;
  }

  /**
   * Listens. May be called again after {@link Listener.close}.
   *
   * @throws {IPCError} IPC_LISTEN_*
   */
  async open(): Promise<void> {
    const { host, port } = this.#settings;
    this.#isClosing = false;
    for (let attempt = 1; ; attempt++) {
      try {
        if (host.toLowerCase() === 'localhost') await this.#openLocalhost(port);
        else await this.#openOn(host, port);
        return;
      } catch (error) {
        for (const server of this.#servers.splice(0)) server.close();
        this.destroyConnections();
        if (port === 0 && attempt < MAX_PORT_ATTEMPTS && codeOf(error) === 'EADDRINUSE') continue;
        throw listenError(error, host, port);
      }
    }
  }

  /**
   * Takes no more connections, and resolves when the last one has ended. At once are ended those that wait for no
   * answer and are no WebSocket, also such as never said a word: nobody looks for stalled ones any more.
   */
  async close(): Promise<void> {
    this.#isClosing = true;
    const closed = this.#servers.splice(0).map((server) => {
      const event = once(server, 'close');
      server.close();
      return event;
    });
    for (const [socket, responses] of this.#conversations) {
      if (responses.size === 0 && !isLeaving(socket)) socket.destroy();
    }
    await Promise.all(closed);
  }

  /** Ends all connections, whatever they are doing. */
  destroyConnections(): void {
    for (const socket of [...this.#conversations.keys(), ...this.#sockets, ...this.#turnedAway]) {
      socket.destroy();
    }
  }

  async #openLocalhost(port: number): Promise<void> {
    const server = await this.#openOn('127.0.0.1', port);
    const { port: chosen } = addressInfoOf(server);
    try {
      await this.#openOn('::1', chosen);
    } catch (error) {
      // Without IPv6, localhost is 127.0.0.1 alone.
      const code = codeOf(error);
      if (code !== 'EADDRNOTAVAIL' && code !== 'EAFNOSUPPORT') throw error;
    }
  }

  async #openOn(host: string, port: number): Promise<Server> {
    const server = this.#create();
    // In a worker of node:cluster, which pm2's cluster mode is, a port would be shared: two servers know nothing of each other.
    server.listen({ host, port, exclusive: true });
    await once(server, 'listening');
    server.on('error', this.#settings.onError);
    this.#servers.push(server);
    return server;
  }

  #create(): Server {
    const { handshakeTimeout, onDropped } = this.#settings;
    const tls = this.#tls;
    const settings = {
      IncomingMessage: requestClass((socket) => !this.#hasMuchUnanswered(socket)),
      headersTimeout: handshakeTimeout,
      requestTimeout: REQUEST_TIMEOUT_MS,
      connectionsCheckingInterval: CHECK_INTERVAL_MS,
      // We answer these ourselves, so that they are logged and counted like all other refusals.
      requireHostHeader: false,
    };
    const server =
      tls === undefined ? createServer(settings) : createTlsServer({ ...settings, ...tls, handshakeTimeout });
    // Whoever does not read his answers must not hold a connection for ever. WebSockets turn this off for themselves.
    server.timeout = REQUEST_TIMEOUT_MS;
    server.on('connection', (socket: Socket) => this.#take(socket));
    server.on(tls === undefined ? 'connection' : 'secureConnection', (socket: Socket) => this.#begin(socket));
    server.on('request', (request, response) => this.#request(request, response));
    server.on('upgrade', (request, socket: Socket, head) => this.#upgrade(request, socket, head));
    server.on('connect', (_request, socket) => onDropped('malformed', socket, true));
    server.on('clientError', (error, socket) => this.#clientError(error, socket));
    return server;
  }

  /** A connection came. */
  #take(socket: Socket): void {
    const { tls, descriptors, onDropped, onConnection } = this.#settings;
    const { room } = descriptors;
    const lack = this.#sockets.size >= this.#settings.maxConnections ? 'too-many' : LACKS[room];
    socket.on('close', this.#forget);
    if (lack === undefined || this.#endOldestStranger(lack)) {
      this.#sockets.add(socket);
      this.#strangers.add(socket);
      onConnection?.(socket);
      return;
    }
    const canAnswer = tls === undefined && room !== 'none' && this.#turnedAway.size < MAX_TURNED_AWAY;
    this.#turnedAway.add(socket);
    onDropped(lack, socket, canAnswer);
  }

  /** Makes room for a newcomer, which may be a peer. @returns false if nobody is there but peers, and those whose request was let in */
  #endOldestStranger(lack: DropReason): boolean {
    const oldest = this.#strangers.takeOldest();
    if (oldest === undefined) return false;
    // Its descriptor is free at once; its event comes later.
    this.#sockets.delete(oldest);
    this.#settings.onDropped(lack, oldest, false);
    return true;
  }

  /** A connection may speak HTTP. */
  #begin(socket: Socket): void {
    if (socket.destroyed || isLeaving(socket)) return;
    if (this.#isClosing) {
      socket.destroy();
      return;
    }
    this.#conversations.set(socket, new Set());
    if (!this.#sockets.has(socket)) socket.on('close', this.#forget);
    // Node calls this behind the last response of a connection, also where a request is still being sent.
    socket.destroySoon = this.#destroySoon;
  }

  #request(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request;
    const responses = this.#conversations.get(socket);
    responses?.add(response);
    response.once('close', () => {
      responses?.delete(response);
      if (this.#isClosing && responses?.size === 0) endGently(socket, this.#settings.clock);
    });
    request.once(LET_IN, () => this.#letIn(socket, response));
    this.#settings.onRequest(request, response);
  }

  /** Until that response is out, the connection is none that anybody could have. */
  #letIn(socket: Socket, response: ServerResponse): void {
    const stranger = this.#strangers.take(socket);
    if (stranger === undefined) return;
    response.once('close', () => {
      if (this.#sockets.has(stranger)) this.#strangers.add(stranger);
    });
  }

  #hasMuchUnanswered(socket: Duplex): boolean {
    return (this.#conversations.get(socket)?.size ?? 0) >= MAX_UNANSWERED;
  }

  /** Also called for what asks too much at a time: {@link requestClass}. */
  #upgrade(request: IncomingMessage, socket: Socket, head: Buffer): void {
    const unanswered = this.#conversations.get(socket)?.size ?? 0;
    if (unanswered > 0) {
      // Behind a request that is not answered yet, frames and the answer would get mixed up.
      this.#settings.onDropped(
        'malformed',
        socket,
        false,
        `earlier requests without an answer: ${unanswered}`,
      );
      return;
    }
    // Somebody else sees to it from here on.
    this.#conversations.delete(socket);
    if (this.#settings.onUpgrade(request, socket, head)) this.#strangers.take(socket);
  }

  /** Also called for what goes wrong in a TLS handshake. */
  #clientError(error: Error, socket: Duplex): void {
    const code = codeOf(error) ?? '';
    // Node ends the connection then, and says of it that the other end has.
    const untrusted: unknown = Reflect.get(socket, 'authorizationError');
    if (typeof untrusted === 'string' || untrusted instanceof Error) {
      this.#settings.onDropped('tls-failed', socket, false, codeOf(untrusted) ?? String(untrusted));
      return;
    }
    const conversation = this.#conversations.get(socket);
    const responses = [...(conversation ?? [])];
    const hasLeft = isLineBroken(code) || (code === 'HPE_INVALID_EOF_STATE' && responses.length > 0);
    if (hasLeft || isLeaving(socket)) {
      socket.destroy();
      return;
    }
    const isTls = code.startsWith('ERR_SSL_');
    const canAnswer =
      conversation !== undefined && !isTls && !responses.some((response) => response.headersSent);
    this.#settings.onDropped(reasonOf(code, error), socket, canAnswer, isTls ? code : undefined);
  }
}

/** What there is too little of, by the room for one more connection. */
const LACKS = {
  enough: undefined,
  'for an answer': 'no-descriptors',
  none: 'no-descriptors',
} as const satisfies Record<DescriptorWatch['room'], DropReason | undefined>;

/** What is to be said of a connection, by what was seen of it. */
function reasonOf(code: string, error: Error): DropReason {
  if (TIMEOUT_CODES.has(code)) return 'timeout';
  // What the other end thinks of our certificate. It may come after its handshake, by TLS 1.3.
  if (/ALERT_(UNKNOWN_CA|BAD_CERTIFICATE|CERTIFICATE_)/.test(code)) return 'untrusted';
  if (code === 'ERR_SSL_HTTP_REQUEST') return 'plain-for-tls';
  // The bytes are no TLS at all.
  if (code === 'ERR_SSL_WRONG_VERSION_NUMBER') return 'malformed';
  if (code.startsWith('ERR_SSL_')) return 'tls-failed';
  const sent: unknown = Reflect.get(error, 'rawPacket');
  const isClientHello = sent instanceof Uint8Array && sent[0] === 0x16 && sent[1] === 0x03;
  return isClientHello ? 'tls-for-plain' : 'malformed';
}

const TIMEOUT_CODES = new Set(['ERR_HTTP_REQUEST_TIMEOUT', 'ERR_TLS_HANDSHAKE_TIMEOUT']);

/** Whether the other end is just gone, as those who only try whether a port is open are; that is no fault of theirs. */
function isLineBroken(code: string): boolean {
  return code === 'ECONNRESET' || code === 'EPIPE';
}

function isAddressInfo(address: AddressInfo | string | null): address is AddressInfo {
  return typeof address === 'object' && address !== null;
}

function addressInfoOf(server: Server): AddressInfo {
  const address = server.address();
  if (!isAddressInfo(address)) throw new TypeError('the server listens on no port');
  return address;
}

function listenError(error: unknown, host: string, port: number): IPCError {
  const where = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  const cause = { cause: error };
  switch (codeOf(error)) {
    case 'EADDRINUSE':
      return new IPCError('IPC_LISTEN_PORT_IN_USE', `cannot listen on ${where}: the port is in use`, cause);
    case 'EACCES':
      return new IPCError('IPC_LISTEN_NOT_PERMITTED', `cannot listen on ${where}: not permitted`, cause);
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return new IPCError(
        'IPC_LISTEN_BAD_ADDRESS',
        `cannot listen on ${where}: not an address of this machine`,
        cause,
      );
    default:
      return new IPCError('IPC_LISTEN_FAILED', `cannot listen on ${where}: ${String(error)}`, cause);
  }
}
