import { IncomingMessage } from 'node:http';
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
export class Request extends IncomingMessage {
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
