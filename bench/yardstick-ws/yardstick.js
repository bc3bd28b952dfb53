/**
 * The yardstick: the plainest decent router on `ws`, with the same protocol around messages. Writes are corked once for
 * each turn of the event loop. It checks nothing, remembers nothing, and knows no locks.
 */

// @ts-check
import { once } from 'node:events';
import { WebSocketServer } from 'ws';

/** @typedef {import('ws').WebSocket & { _socket?: import('node:net').Socket }} Peer */

/** Starts it. @returns {Promise<number>} the port */
export async function startYardstick() {
  /** @type {Map<string, Map<string, Peer>>} */
  const databases = new Map();
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false });
  server.on('connection', (/** @type {Peer} */ socket, { url = '' }) => {
    const [, database = '', id = ''] = /^\/([^/]*)\/connect\?.*\bid=([^&]*)/.exec(url) ?? [];
    const peers = databases.get(database) ?? new Map();
    databases.set(database, peers);
    const others = (/** @type {Buffer | string} */ data) => {
      for (const peer of peers.values()) if (peer !== socket) send(peer, data);
    };
    peers.set(id, socket);
    send(socket, 'welcome:{"maxPayload":33554432}');
    others(`connect:${id}`);
    socket.on('message', (/** @type {Buffer} */ data) => {
      if (data[0] === 0x7b) others(data);
      else if (data.length === 4) send(socket, 'pong');
      else {
        const end = data.indexOf(';');
        const receiver = peers.get(data.toString('latin1', 3, end));
        if (receiver !== undefined) send(receiver, data.subarray(end + 1));
      }
    });
    socket.on('close', () => {
      peers.delete(id);
      others(`disconnect:${id}`);
    });
  });
  await once(server, 'listening');
  return /** @type {import('node:net').AddressInfo} */ (server.address()).port;
}

/** @type {Set<import('node:net').Socket>} */
const corked = new Set();

/** @param {Peer} peer @param {Buffer | string} data */
function send(peer, data) {
  const { _socket: socket } = peer;
  if (socket !== undefined && !corked.has(socket)) {
    if (corked.size === 0) setImmediate(uncorkAll);
    corked.add(socket);
    socket.cork();
  }
  peer.send(data, { binary: false });
}

function uncorkAll() {
  for (const socket of corked) socket.uncork();
  corked.clear();
}
