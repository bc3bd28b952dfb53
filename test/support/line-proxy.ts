import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** One connection through the proxy: what the client holds, and what the server holds. */
interface Line {
  readonly client: Socket;
  readonly server: Socket;
}

/** What the line does with bytes: pass them on, keep them back, or lose them. */
type Conduct = 'forward' | 'stall' | 'discard';

/**
 * A TCP line that can be broken, between the clients that connect to it and one server. Give each client a proxy of
 * its own to choose whose line fails.
 */
export class LineProxy {
  /** The port of the server; connections made from now on go there. */
  target: number;
  readonly #listener: Server;
  readonly #host: string;
  readonly #lines = new Set<Line>();
  #conduct: Conduct = 'forward';
  #accepted = 0;

  private constructor(listener: Server, target: number, host: string) {
    this.#listener = listener;
    this.#host = host;
    this.target = target;
    listener.on('connection', (client) => this.#open(client));
  }

  /** Listens on any free port of localhost. */
  static async start(target: number, host = 'localhost'): Promise<LineProxy> {
    const listener = createServer({ allowHalfOpen: true });
    listener.listen(0, host);
    await once(listener, 'listening');
    return new LineProxy(listener, target, host);
  }

  get port(): number {
    return (this.#listener.address() as AddressInfo).port;
  }

  /** Connections that are open. */
  get connections(): number {
    return this.#lines.size;
  }

  /** Connections there have been so far. */
  get accepted(): number {
    return this.#accepted;
  }

  /** Breaks every connection, at both ends. The next one is let through. */
  cut(): void {
    for (const line of this.#lines) close(line);
    this.#behave('forward');
  }

  /** From now on passes nothing on. The connections stay open, new ones are accepted, and no byte is lost. */
  stall(): void {
    this.#behave('stall');
  }

  /** Passes on what was kept back, and all that follows. */
  resume(): void {
    this.#behave('forward');
  }

  /** From now on loses what is sent, in both directions, unnoticed: what follows can only be {@link cut}. */
  drop(): void {
    this.#behave('discard');
  }

  /** Breaks every connection and accepts no more. */
  async close(): Promise<void> {
    const closed = once(this.#listener, 'close');
    this.#listener.close();
    for (const line of this.#lines) close(line);
    await closed;
  }

  #open(client: Socket): void {
    this.#accepted += 1;
    const server = connect({ port: this.target, host: this.#host, allowHalfOpen: true });
    const line = { client, server };
    this.#lines.add(line);
    for (const socket of [client, server]) {
      socket.setNoDelay(true);
      // Whatever ends one side ends the other: `close` follows.
      socket.on('error', () => undefined);
      socket.once('close', () => {
        this.#lines.delete(line);
        // What the peer has sent before its end still arrives; `end` has been passed on by the pipe.
        if (socket.errored !== null || !socket.readableEnded) close(line);
      });
    }
    this.#apply(line);
  }

  #behave(conduct: Conduct): void {
    this.#conduct = conduct;
    for (const line of this.#lines) this.#apply(line);
  }

  #apply({ client, server }: Line): void {
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      from.unpipe();
      if (this.#conduct === 'forward') from.pipe(to);
      else if (this.#conduct === 'stall') from.pause();
      else from.resume();
    }
  }
}

function close({ client, server }: Line): void {
  client.destroy();
  server.destroy();
}
