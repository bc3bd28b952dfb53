import type { Duplex } from 'node:stream';
import type { Clock } from '../broker/ports.js';

/** How long the other end may go on sending after it was told that nothing more is wanted, in milliseconds. */
const LINGER_MS = 2_000;

/** And how much: what is on its way through the network is far less. */
const LINGER_BYTES = 67_108_864;

const leaving = new WeakSet<Duplex>();

/** Whether {@link endGently} was called for that socket: nothing that it still says counts. */
export function isLeaving(socket: Duplex): boolean {
  return leaving.has(socket);
}

/**
 * Ends a socket so that the other end gets what was written last: RFC 9112 section 9.6.
 *
 * A socket that is closed while bytes from the other end lie unread resets the connection, and whoever is busy sending
 * (a body that is too long, say) then sees an error in place of our answer. So our side is ended first, and what still
 * comes is read and thrown away until the other end has ended its side, or for two seconds, or for 64 MiB.
 */
export function endGently(socket: Duplex, clock: Clock): void {
  if (socket.destroyed || leaving.has(socket)) return;
  leaving.add(socket);
  const cancel = clock.schedule(LINGER_MS, () => socket.destroy());
  socket.once('close', cancel);
  socket.on('error', () => undefined);
  socket.end();
  if (!socket.isPaused()) {
    discardInput(socket);
    return;
  }
  // Node's HTTP server starts and stops reading behind the socket's back, at these events, until it loses its listeners.
  socket.once('resume', () => discardInput(socket));
  socket.resume();
}

/** Throws away what comes. An HTTP parser that listens must not find any more requests in it. */
function discardInput(socket: Duplex): void {
  let room = LINGER_BYTES;
  socket.removeAllListeners('data');
  socket.removeAllListeners('end');
  socket.on('data', (chunk: Uint8Array) => {
    room -= chunk.length;
    if (room < 0) socket.destroy();
  });
  socket.resume();
}
