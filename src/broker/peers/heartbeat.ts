import {
  HOLDER_BEATS,
  type Limits,
  LONGEST_HOLDER_SILENCE_MS,
  SHORTEST_HOLDER_SILENCE_MS,
} from '../limits.js';
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
  /** Nothing came from a peer for `timeout`. @param silence the milliseconds that were counted: never more than have passed */
  silent(peer: Peer, silence: number): void;
  /** A beat is over. */
  beaten(): void;
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

  #beat(): void {
    const { peers, interval, timeout, concerns, silent, beaten } = this.#settings;
    const before = this.#observations;
    this.#observations = new Map();
    for (const peer of [...peers.values()]) {
      if (peer.state !== 'present' || !concerns(peer)) continue;
      const observation = observe(peer, before.get(peer));
      const silence = observation.silentBeats * interval;
      if (silence >= timeout) {
        silent(peer, silence);
        continue;
      }
      this.#observations.set(peer, observation);
      // One that is not pinged for what it has read is so here: how long its way is, somebody may want to know.
      if (silence > 0 || !peer.outbox.isTracked) peer.outbox.ping(peer.nextToken());
    }
    beaten();
    if (peers.size > 0) this.start();
  }
}

function observe({ line, outbox }: Peer, before: Observation | undefined): Observation {
  const bytes = outbox.bytesReceived;
  const isSilent = before?.line === line && before.bytes === bytes;
  return { line, bytes, silentBeats: isSilent ? before.silentBeats + 1 : 0 };
}

/**
 * How long others wait for a client that has a lease before its line is ended: with its time, which begins when it fell silent, that makes
 * `reconnectGrace` for all of it. Its lease ends before, since it counts from the last ping that was answered.
 *
 * @returns milliseconds: from beat to beat, and altogether
 */
export function holderPulse({ reconnectGrace }: Pick<Limits, 'reconnectGrace'>): {
  readonly interval: number;
  readonly timeout: number;
} {
  const share = Math.min(LONGEST_HOLDER_SILENCE_MS, (reconnectGrace * 5) / 11);
  const timeout = Math.max(SHORTEST_HOLDER_SILENCE_MS, share);
  return { interval: timeout / HOLDER_BEATS, timeout };
}
