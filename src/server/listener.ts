import { EventEmitter, once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { IPCError } from '../errors.js';
import type { LoadedTls } from './tls.js';

/** What a listener serves. */
export interface ListenerSettings {
  /** A name or address; `localhost` means 127.0.0.1 and, where the system has it, ::1. */
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly tls: LoadedTls | undefined;
  /** Milliseconds in which a TLS handshake, and then the head of a request, must be complete. */
  readonly handshakeTimeout: number;
  readonly maxConnections: number;
  onRequest(request: IncomingMessage, response: ServerResponse): void;
  onUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** A connection was dropped before any request was read: too many, not HTTP, too slow, or no TLS. */
  onDropped(reason: DropReason, socket: Duplex & Partial<Pick<Socket, 'remoteAddress' | 'remotePort'>>): void;
}

/** Why a connection was dropped before a request was read. */
export type DropReason = 'too-many' | 'malformed' | 'timeout';

/** How long the body of a request may take, in milliseconds. */
const REQUEST_TIMEOUT_MS = 120_000;

/** How often stalled requests are looked for, in milliseconds. */
const CHECK_INTERVAL_MS = 500;

/** How often another free port is tried when one is free on 127.0.0.1 but not on ::1. */
const MAX_PORT_ATTEMPTS = 10;

/** The HTTP(S) servers on one port. For `localhost` there are two: one for each of its addresses. */
export class Listener {
  readonly #settings: ListenerSettings;
  readonly #sockets = new Set<Socket>();
  #servers: Server[] = [];

  constructor(settings: ListenerSettings) {
    this.#settings = settings;
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
   * Listens.
   *
   * @throws {IPCError} IPC_LISTEN_*
   */
  async open(): Promise<void> {
    const { host, port } = this.#settings;
    for (let attempt = 1; ; attempt++) {
      try {
        if (host === 'localhost') await this.#openLocalhost(port);
        else await this.#openOn(host, port);
        return;
      } catch (error) {
        for (const server of this.#servers.splice(0)) server.close();
        if (port === 0 && attempt < MAX_PORT_ATTEMPTS && codeOf(error) === 'EADDRINUSE') continue;
        throw listenError(error, host, port);
      }
    }
  }

  /** Takes no more connections, and resolves when the last one has ended. Idle ones are ended at once. */
  async close(): Promise<void> {
    const servers = this.#servers.splice(0);
    await Promise.all(
      servers.map(async (server) => {
        const closed = once(server, 'close');
        server.close();
        server.closeIdleConnections();
        await closed;
      }),
    );
  }

  /** Ends all connections, whatever they are doing. */
  destroyConnections(): void {
    for (const socket of this.#sockets) socket.destroy();
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
    server.listen({ host, port });
    await EventEmitter.once(server, 'listening');
    this.#servers.push(server);
    return server;
  }

  #create(): Server {
    const { tls, handshakeTimeout, maxConnections, onRequest, onUpgrade, onDropped } = this.#settings;
    const limits = {
      headersTimeout: handshakeTimeout,
      requestTimeout: REQUEST_TIMEOUT_MS,
      connectionsCheckingInterval: CHECK_INTERVAL_MS,
    };
    const server =
      tls === undefined ? createServer(limits) : createTlsServer({ ...limits, ...tls, handshakeTimeout });
    server.on('request', onRequest);
    server.on('upgrade', onUpgrade);
    server.on('clientError', (error, socket) => {
      onDropped(codeOf(error) === 'ERR_HTTP_REQUEST_TIMEOUT' ? 'timeout' : 'malformed', socket);
    });
    server.on('tlsClientError', (error, socket) => {
      onDropped(codeOf(error) === 'ERR_TLS_HANDSHAKE_TIMEOUT' ? 'timeout' : 'malformed', socket);
    });
    server.on('connection', (socket: Socket) => {
      if (this.#sockets.size >= maxConnections) {
        onDropped('too-many', socket);
        return;
      }
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
    return server;
  }
}

function isAddressInfo(address: AddressInfo | string | null): address is AddressInfo {
  return typeof address === 'object' && address !== null;
}

function addressInfoOf(server: Server): AddressInfo {
  const address = server.address();
  if (!isAddressInfo(address)) throw new TypeError('the server listens on no port');
  return address;
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
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
