import { textFrame } from './frames.js';
import { Line, type LineTarget } from './line.js';
import { directed, eventMessage, notificationMessage } from './messages.js';
import { NatsLine, publication } from './nats-line.js';

/** One connection of a load. */
export type WireLine = Pick<Line, 'write' | 'onText' | 'onRead' | 'settled' | 'end'>;

/** How messages travel to the server that is measured. */
export interface Wire {
  open(target: LineTarget): Promise<WireLine>;
  /** The bytes of a message of that length for one peer. */
  directed(from: string, to: string, length: number): Buffer;
  /** The bytes of a message of that length for all other peers. */
  broadcast(from: string, length: number): Buffer;
}

/** How AceBase clients talk. */
const websocket: Wire = {
  open: (target) => Line.open(target),
  directed: (from, to, length) => textFrame(directed(to, eventMessage(from, to, length))),
  broadcast: (from, length) => textFrame(notificationMessage(from, length)),
};

/** The same messages by NATS, each peer with a subject of its own. */
const nats: Wire = {
  open: (target) => NatsLine.open(target),
  directed: (from, to, length) => publication(to, eventMessage(from, to, length)),
  broadcast: (from, length) => publication('all', notificationMessage(from, length)),
};

/** By name. */
export const WIRES = { websocket, nats } as const;

/** A name of {@link WIRES}. */
export type WireName = keyof typeof WIRES;
