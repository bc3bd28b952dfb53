/**
 * The opening handshake, server side: RFC 6455 section 4.2. Pure: a request in, bytes or a refusal out.
 */

import { createHash } from 'node:crypto';

/** What the handshake reads of a request. A `node:http` `IncomingMessage` is one. */
export interface HandshakeRequest {
  readonly method?: string | undefined;
  /** `1.1`, as Node names it. */
  readonly httpVersion: string;
  /** Header values by lower-case name; repeated ones joined with commas, as Node does. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
}

/**
 * The verdict on a request.
 *
 * - `no-upgrade`: it asked for no WebSocket; answer 426 with `Upgrade: websocket`.
 * - `malformed`: it asked for one, wrongly; answer 400.
 * - `version`: it speaks another version of the protocol, or names none; answer 400 and say
 *   `Sec-WebSocket-Version: 13` (RFC 6455 section 4.2.2).
 */
export type HandshakeResult =
  | { readonly ok: true; readonly accept: string }
  | {
      readonly ok: false;
      readonly reason: 'no-upgrade' | 'malformed' | 'version';
      readonly message: string;
    };

/** The version of the protocol that is spoken here, and the only one (RFC 6455 section 4.1, item 9). */
export const WEBSOCKET_VERSION = '13';

/** RFC 6455 section 1.3. */
const ACCEPT_GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** Base64 of 16 bytes: 22 digits and the padding. */
const KEY_PATTERN = /^[+/0-9A-Za-z]{22}==$/;

/** Makes every check that RFC 6455 section 4.2.1 requires, and computes the answer's `Sec-WebSocket-Accept`. */
export function checkHandshake(request: HandshakeRequest): HandshakeResult {
  const { headers } = request;
  if (!namesWebSocket(headers['upgrade'])) {
    return refuse('no-upgrade', 'the Upgrade header does not name websocket');
  }
  if (!hasToken(headers['connection'], 'upgrade')) {
    return refuse('no-upgrade', 'the Connection header does not name upgrade');
  }
  if (request.method !== 'GET') return refuse('malformed', 'the method of a WebSocket handshake is GET');
  if (!isHttp11(request.httpVersion)) {
    return refuse('malformed', 'a WebSocket handshake needs HTTP/1.1 or later');
  }
  if (typeof headers['host'] !== 'string' || headers['host'] === '') {
    return refuse('malformed', 'the Host header is missing');
  }
  if (headers['sec-websocket-version'] !== WEBSOCKET_VERSION) {
    return refuse('version', `Sec-WebSocket-Version is not ${WEBSOCKET_VERSION}`);
  }
  const key = headers['sec-websocket-key'];
  if (typeof key !== 'string' || !KEY_PATTERN.test(key)) {
    return refuse('malformed', 'Sec-WebSocket-Key is not the base64 of 16 bytes');
  }
  return { ok: true, accept: acceptValue(key) };
}

/** Whether an `Upgrade` header has WebSocket among the protocols that it offers. */
export function namesWebSocket(upgrade: string | readonly string[] | undefined): boolean {
  return hasToken(upgrade, 'websocket');
}

/** The value of `Sec-WebSocket-Accept` for a key: RFC 6455 section 4.2.2, item 5.4. */
export function acceptValue(key: string): string {
  return createHash('sha1')
    .update(key + ACCEPT_GUID)
    .digest('base64');
}

/**
 * The 101 response of RFC 6455 section 4.2.2, with the empty line that ends it. It names no extension and no
 * subprotocol: whatever the client offered, compression included, is declined.
 */
export function acceptResponse(accept: string): Uint8Array {
  return Buffer.from(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
    'latin1',
  );
}

function refuse(reason: 'no-upgrade' | 'malformed' | 'version', message: string): HandshakeResult {
  return { ok: false, reason, message };
}

/** Whether a header that is a comma-separated list of tokens holds this one; case does not matter. */
function hasToken(value: string | readonly string[] | undefined, token: string): boolean {
  if (value === undefined) return false;
  const list = typeof value === 'string' ? value : value.join(',');
  return list.split(',').some((item) => item.trim().toLowerCase() === token);
}

function isHttp11(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > 1 || (major === 1 && minor >= 1);
}
