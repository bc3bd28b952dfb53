import { HOLDER_LOOK_MS, HOLDER_LOOKS, type Limits, SHORTEST_HOLDER_SILENCE_MS } from '../limits.js';
import type { Cancel, Clock } from '../ports.js';
import type { Peer } from './peer.js';

/** How a heartbeat beats, and for whom. */
export interface HeartbeatSettings {
  readonly clock: Pick<Clock, 'schedule'>;
  readonly peers: ReadonlyMap<string, Peer>;
  /** Milliseconds between two beats. */
  readonly interval: number;
  /** Milliseconds of silence after which a peer is silent. */
  readonly timeout: number;
  /** Whether the silence of that peer, which is present, is looked at. When it is looked at again, its silence begins anew. */
  concerns(peer: Peer): boolean;
  /** Nothing came from a peer for `timeout`. @param silence {@link Heartbeat.silenceOf} */
  silent(peer: Peer, silence: number): void;
  /** A beat is over. */
  beaten?(): void;
}

/** What was known of a line at the last beat. */
interface Observation {
  readonly line: number;
  readonly bytes: number;
  /** How many beats before that one brought nothing. */
  readonly silentBeats: number;
}

/**
 * Finds peers whose line is dead though nobody said so (docs/PROTOCOL.md, section 13.5): who was silent since the last
 * beat is asked for a pong, which every WebSocket client gives by itself.
 *
 * Bytes are looked at, not frames: a large frame that is under way on a slow line is no silence. And beats are counted, not
 * milliseconds: a server that was itself stopped for a while must not blame its peers.
 */
export class Heartbeat {
  readonly #settings: HeartbeatSettings;
  #observations = new Map<Peer, Observation>();
  #cancelNext: Cancel | undefined;

  constructor(settings: HeartbeatSettings) {
    this.#settings = settings;
  }

  /** Beats from now on. */
  start(): void {
    this.#cancelNext ??= this.#settings.clock.schedule(this.#settings.interval, () => {
      this.#cancelNext = undefined;
      this.#beat();
    });
  }

  /** Beats no more. */
  stop(): void {
    this.#cancelNext?.();
    this.#cancelNext = undefined;
    this.#observations.clear();
  }

  /** Milliseconds for which nothing has come from that peer, by the beats that were counted: never more than have passed. */
  silenceOf(peer: Peer): number {
    const seen = this.#observations.get(peer);
    return seen === undefined || hasSpoken(peer, seen) ? 0 : seen.silentBeats * this.#settings.interval;
  }

  #beat(): void {
    const { peers, interval, timeout, concerns, silent, beaten } = this.#settings;
    const before = this.#observations;
    this.#observations = new Map();
    for (const peer of [...peers.values()]) {
      if (peer.state !== 'present' || !concerns(peer)) continue;
      const observation = observe(peer, before.get(peer));
      this.#observations.set(peer, observation);
      const silence = observation.silentBeats * interval;
      if (silence >= timeout) {
        silent(peer, silence);
        continue;
      }
      // One that is not pinged for what it has read is so here: how long its way is, somebody may want to know.
      if (silence > 0 || !peer.outbox.isTracked) peer.outbox.ping(peer.outbox.nextToken());
    }
    beaten?.();
    if (peers.size > 0) this.start();
  }
}

function observe(peer: Peer, before: Observation | undefined): Observation {
  const silentBeats = before === undefined || hasSpoken(peer, before) ? 0 : before.silentBeats + 1;
  return { line: peer.line, bytes: peer.outbox.bytesReceived, silentBeats };
}

/** Whether anything has come since, or on another line. */
function hasSpoken({ line, outbox }: Peer, before: Observation): boolean {
  return before.line !== line || before.bytes !== outbox.bytesReceived;
}

/**
 * When a client that has a lease, and that others wait for, is given up: its time begins when it falls silent. Its line is not ended before. It may be
 * stopped, or busy, and go on; if the line is dead, it comes on another one. Its lease ends before, since that counts from the last ping that was answered.
 *
 * @returns milliseconds: from look to look, and altogether
 */
export function holderPulse({ reconnectGrace }: Pick<Limits, 'reconnectGrace'>): {
  readonly interval: number;
  readonly timeout: number;
} {
  const timeout = Math.max(SHORTEST_HOLDER_SILENCE_MS, reconnectGrace);
  return { interval: Math.min(HOLDER_LOOK_MS, timeout / HOLDER_LOOKS), timeout };
}
