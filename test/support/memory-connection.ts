/** A WebSocketConnection on a line in memory, for unit tests. */

import {
  type ClosedEvent,
  type ConnectionHandlers,
  WebSocketConnection,
} from '../../src/websocket/connection.js';
import { Lane, Loop, PATIENCE_MS } from '../../src/websocket/lanes.js';
import { clientFrame } from './client-frames.js';
import { MemorySocket } from './memory-line.js';

export const PREAMBLE = Buffer.from('HTTP/1.1 101 Switching Protocols\r\n\r\n');
const NOTHING = new Uint8Array(0);

/** Its clock stands still: no turn is ever over, however slow the machine is. */
export const patientLane = new Lane(new Loop({ later: setImmediate, now: () => 0 }));

/** A frame from the server with a payload of less than 126 bytes. */
export function frame(opcode: number, payload: Uint8Array | string): Buffer {
  const bytes = Buffer.from(payload);
  return Buffer.concat([Buffer.of(0x80 | opcode, bytes.length), bytes]);
}

export function closeFrame(code: number, reason = ''): Buffer {
  return frame(8, Buffer.concat([Buffer.of(code >>> 8, code & 0xff), Buffer.from(reason)]));
}

export function clientClose(code: number, reason = ''): Buffer {
  return clientFrame(8, closeFrame(code, reason).subarray(2));
}

/** A lane whose turn is over as soon as anybody asks. */
export function hastyLane(): Lane {
  let now = 0;
  return new Lane(new Loop({ later: setImmediate, now: () => now++ * 1_000 }));
}

/** One turn of the event loop, its flush included. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
}

/** A connection on a line in memory, what it said, and timers that fire when told. */
export function connect(
  different: Partial<ConnectionHandlers> = {},
  socket = new MemorySocket(),
  head = NOTHING,
  lane = patientLane,
) {
  const messages: string[] = [];
  const pongs: string[] = [];
  const closed: ClosedEvent[] = [];
  const timers = new Set<() => void>();
  const delayed: (() => void)[] = [];
  const connection = new WebSocketConnection(
    socket,
    {
      maxMessageBytes: 1_000_000,
      closeTimeoutMs: 5_000,
      lane,
      schedule(milliseconds, callback) {
        if (milliseconds === PATIENCE_MS) delayed.push(callback);
        else timers.add(callback);
        return () => timers.delete(callback);
      },
    },
    {
      message: (payload) => messages.push(Buffer.from(payload).toString()),
      pong: (payload) => pongs.push(Buffer.from(payload).toString()),
      answerTo: (ping) => ping,
      closed: (event) => closed.push(event),
      ...different,
    },
  );
  connection.begin(PREAMBLE, head);
  const fire = (): void => {
    for (const timer of [...timers]) timer();
  };
  /** What can wait has waited long enough. */
  const hurry = (): void => {
    for (const callback of delayed.splice(0)) callback();
  };
  return { connection, socket, messages, pongs, closed, timers, fire, hurry };
}

/** A connection whose handshake is over and forgotten. */
export async function connected(different: Partial<ConnectionHandlers> = {}, lane = patientLane) {
  const line = connect(different, new MemorySocket(), NOTHING, lane);
  await turn();
  line.socket.writes.length = 0;
  return line;
}
