import type { Socket } from 'node:net';

/** What tells a connection from all others, encrypted or not. */
type Ends = Pick<Socket, 'localAddress' | 'remoteAddress' | 'remotePort'>;

/**
 * Connections that have shown nothing yet that lets them in, or whose last request that was let in is answered: those first that have
 * been so for longest. Anybody can have as many as the server takes, so one of them is ended when there is no room for a newcomer.
 */
export class Strangers {
  /** By both ends: what is encrypted has a socket of its own, which does not say on which one it is. */
  readonly #sockets = new Map<string, Socket>();
  /** One that has ended does not say any more which end was here. */
  readonly #ends = new WeakMap<Socket, string>();

  /** A connection came, or is a stranger again. */
  add(socket: Socket): void {
    const ends = endsOf(socket);
    this.#ends.set(socket, ends);
    this.#sockets.delete(ends);
    this.#sockets.set(ends, socket);
  }

  /** A connection was let in. @returns its socket, below TLS; `undefined` if it is no stranger */
  take(socket: Ends): Socket | undefined {
    const ends = endsOf(socket);
    const stranger = this.#sockets.get(ends);
    this.#sockets.delete(ends);
    return stranger;
  }

  /** The one that is to make room; it is forgotten. */
  takeOldest(): Socket | undefined {
    for (const [ends, socket] of this.#sockets) {
      this.#sockets.delete(ends);
      return socket;
    }
    return undefined;
  }

  /** A connection has ended. */
  delete(socket: Socket): void {
    const ends = this.#ends.get(socket);
    // The other end may have used its port again already.
    if (ends !== undefined && this.#sockets.get(ends) === socket) this.#sockets.delete(ends);
  }
}

function endsOf({ localAddress, remoteAddress, remotePort }: Ends): string {
  return `${localAddress} ${remoteAddress} ${remotePort}`;
}
