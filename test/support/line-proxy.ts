import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** One connection through the proxy: what the client holds, and what the server holds. */
interface Line {
  readonly client: Socket;
  readonly server: Socket;
}

/** What the line does with bytes: pass them on, keep them back, or lose them. */
type Conduct = 'forward' | 'stall' | 'discard';

/** Which ends of a connection learn at once that it is over, when there is no way between them. */
export interface Noticed {
  readonly byClient: boolean;
  readonly byServer: boolean;
}

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
  #isParted = false;
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
    for (const line of this.#lines) this.#end(line);
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

  /**
   * From now on there is no way between client and server, until {@link heal}. An end that does not notice keeps its connection, and
   * what it sends is kept, as TCP does. New connections are accepted, as it takes a while to find out that nobody answers.
   */
  part({ byClient, byServer }: Noticed): void {
    this.#isParted = true;
    this.#behave('stall');
    for (const { client, server } of this.#lines) {
      if (byClient) client.destroy();
      if (byServer) server.destroy();
    }
  }

  /** There is a way again: connections of which neither end has heard that they are over go on, and the others end. */
  heal(): void {
    this.#isParted = false;
    for (const line of this.#lines) if (line.client.destroyed || line.server.destroyed) this.#end(line);
    this.#behave('forward');
  }

  /** Breaks every connection and accepts no more. */
  async close(): Promise<void> {
    const closed = once(this.#listener, 'close');
    this.#listener.close();
    for (const line of this.#lines) this.#end(line);
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
        // The other end cannot hear of it now.
        if (this.#isParted) return;
        this.#lines.delete(line);
        // What the peer has sent before its end still arrives; `end` has been passed on by the pipe.
        if (socket.errored !== null || !socket.readableEnded) this.#end(line);
      });
    }
    this.#apply(line);
  }

  #end(line: Line): void {
    this.#lines.delete(line);
    line.client.destroy();
    line.server.destroy();
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
