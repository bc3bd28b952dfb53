import { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { namesWebSocket } from '../websocket/handshake.js';

/**
 * A request whose `Upgrade` header counts only if it names the one protocol that this server can switch to: a server may
 * ignore any other (RFC 9110 section 7.8), and then answers over HTTP/1.1. `curl --http2`, Java's HTTP client and some
 * probes offer `h2c` with every first request.
 *
 * Node's HTTP server asks for `upgrade` as soon as it has the head, and emits `upgrade` in place of `request` if it is
 * true. It is decided here because only at that moment is the body still the parser's, and the connection still in use
 * for further requests. What a client sends in the same packet behind such a head is lost, as in any server of Node's
 * that ignores an upgrade; a client that offers one has to wait for the answer anyway.
 */
class Request extends IncomingMessage {
  // The parent's constructor assigns `upgrade` before a field of this class could be initialized.
  declare private _isUpgradeSeen: boolean | null;

  /** Whether the connection is to be handed over: for a WebSocket, or a `CONNECT`. */
  get upgrade(): boolean {
    return (
      this._isUpgradeSeen === true && (this.method === 'CONNECT' || namesWebSocket(this.headers['upgrade']))
    );
  }

  set upgrade(isSeen: boolean | null) {
    this._isUpgradeSeen = isSeen;
  }
}

/** Emitted on a request that has shown a token, and is let in. */
export const LET_IN = Symbol('let in');

/**
 * The class of the requests of a server. Where `mayAsk` says that a connection may not, the request counts as an upgrade, whatever it is: of
 * what came in one packet, Node's HTTP server would emit any number of requests otherwise, all in one turn of the event loop.
 */
export function requestClass(mayAsk: (socket: Socket) => boolean): typeof IncomingMessage {
  return class extends Request {
    /** Decided when the head has come: what comes behind it must not change what it is. */
    #isTooMuch: boolean | undefined;

    override get upgrade(): boolean {
      this.#isTooMuch ??= !mayAsk(this.socket);
      return this.#isTooMuch || super.upgrade;
    }

    override set upgrade(isSeen: boolean | null) {
      super.upgrade = isSeen;
    }
  };
}
