import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Clock, Logger } from '../broker/ports.js';
import { IPCError } from '../errors.js';
import type { ManagedMasters, PrivateAddress } from '../managed-masters/managed-masters.js';
import { Listener, type ListenerSettings } from './listener.js';

/** The addresses that it tries, in this order: there may be no IPv4. */
const HOSTS = ['127.0.0.1', '::1'];

/** Connections for each database at one time: its files, what goes over HTTP, and those of before. */
const CONNECTIONS_PER_FILE = 16;

/** Connections that have shown no secret yet: one more ends the oldest of them. A master shows its own at once. */
const MAX_SILENT = 128;

/** Those that were ended a moment ago: no more can wait to be taken at one time. */
const MAX_ENDING = 512;

/** Milliseconds that a connection has to show it; the option `handshakeTimeout` if that is shorter. */
const SILENCE_MS = 2_000;

/** What it works with. */
export interface PrivateDoorSettings
  extends Pick<ListenerSettings, 'handshakeTimeout' | 'onRequest' | 'onUpgrade' | 'onError'> {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly managed: Pick<ManagedMasters, 'files' | 'isOfMaster'>;
}

/**
 * The way in for masters that the server runs itself: a port of its own on loopback, without TLS.
 *
 * So what the public port asks of others does not concern them: certificates of clients, a certificate for another name, a host that
 * is an address of the network, `maxConnections`, a reload. Whoever shows no secret of such a process learns nothing here, and takes
 * no room from one that does.
 */
export class PrivateDoor {
  readonly #settings: PrivateDoorSettings;
  #listener: Listener | undefined;
  /** Connections that have shown no secret, the oldest first. */
  readonly #silent = new Set<Duplex>();

  constructor(settings: PrivateDoorSettings) {
    this.#settings = settings;
  }

  /**
   * Opens it.
   *
   * @throws {IPCError} IPC_LISTEN_*
   */
  async open(): Promise<PrivateAddress> {
    for (const host of HOSTS) {
      const listener = this.#listenerOn(host);
      try {
        await listener.open();
      } catch (error) {
        const isLast = host === HOSTS.at(-1);
        if (!isLast && error instanceof IPCError && error.code === 'IPC_LISTEN_BAD_ADDRESS') continue;
        throw error;
      }
      this.#listener = listener;
      return { host, port: listener.addresses[0]?.port ?? 0 };
    }
    throw new IPCError('IPC_LISTEN_FAILED');
  }

  /** Closes it, and resolves when its last connection has ended. */
  async close(): Promise<void> {
    await this.#listener?.close();
  }

  /** Ends all of its connections, whatever they are doing. */
  destroyConnections(): void {
    this.#listener?.destroyConnections();
  }

  #listenerOn(host: string): Listener {
    const { clock, managed, handshakeTimeout, onRequest, onUpgrade, onError } = this.#settings;
    return new Listener({
      clock,
      host,
      port: 0,
      tls: undefined,
      handshakeTimeout: Math.min(handshakeTimeout, SILENCE_MS),
      maxConnections: CONNECTIONS_PER_FILE * managed.files.size + MAX_SILENT + MAX_ENDING,
      // Those of masters are worth the reserve.
      descriptors: { room: 'enough' },
      onConnection: (socket) => this.#take(socket),
      onRequest: (request: IncomingMessage, response: ServerResponse) => {
        if (this.#letsIn(request)) onRequest(request, response);
        else request.socket.destroy();
      },
      onUpgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => {
        if (this.#letsIn(request)) return onUpgrade(request, socket, head);
        socket.destroy();
        return false;
      },
      onError,
      // Whoever says something else learns nothing.
      onDropped: (_reason, socket) => {
        socket.on('error', () => undefined);
        socket.destroy();
      },
    });
  }

  #take(socket: Socket): void {
    this.#silent.add(socket);
    socket.once('close', () => this.#silent.delete(socket));
    const [oldest] = this.#silent;
    if (this.#silent.size <= MAX_SILENT || oldest === undefined) return;
    this.#silent.delete(oldest);
    oldest.destroy();
  }

  #letsIn({ headers, socket }: IncomingMessage): boolean {
    if (this.#settings.managed.isOfMaster(headers.authorization)) {
      this.#silent.delete(socket);
      return true;
    }
    const address = socket.remoteAddress;
    this.#settings.logger.debug(
      { address },
      'a connection to the private port of managed masters showed no secret',
    );
    return false;
  }
}
