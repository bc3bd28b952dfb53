import type { Limits } from '../limits.js';
import type { Cancel, Clock } from '../ports.js';
import type { Peer } from './peer.js';

/** What a heartbeat asks of its database. */
export interface HeartbeatHost {
  /** A peer answered nothing for `heartbeatTimeout`. */
  silent(peer: Peer): void;
  /** A beat is over. */
  beaten(): void;
}

/**
 * Finds peers whose line is dead though nobody said so (docs/PROTOCOL.md, section 13): who was silent since the last
 * beat is asked for a pong, which every WebSocket client gives by itself.
 *
 * Beats are counted, not milliseconds: a server that was itself stopped for a while must not blame its peers.
 */
export class Heartbeat {
  readonly #clock: Clock;
  readonly #limits: Limits;
  readonly #peers: ReadonlyMap<string, Peer>;
  readonly #host: HeartbeatHost;
  #cancelNext: Cancel | undefined;

  constructor(clock: Clock, limits: Limits, peers: ReadonlyMap<string, Peer>, host: HeartbeatHost) {
    this.#clock = clock;
    this.#limits = limits;
    this.#peers = peers;
    this.#host = host;
  }

  /** Beats from now on. */
  start(): void {
    this.#cancelNext ??= this.#clock.schedule(this.#limits.heartbeatInterval, () => {
      this.#cancelNext = undefined;
      this.#beat();
    });
  }

  /** Beats no more. */
  stop(): void {
    this.#cancelNext?.();
    this.#cancelNext = undefined;
  }

  #beat(): void {
    const { heartbeatInterval, heartbeatTimeout } = this.#limits;
    for (const peer of [...this.#peers.values()]) {
      if (peer.state !== 'present') continue;
      peer.silentBeats = peer.wasHeard ? 0 : peer.silentBeats + 1;
      peer.wasHeard = false;
      if (peer.silentBeats * heartbeatInterval >= heartbeatTimeout) this.#host.silent(peer);
      // One that is not pinged for what it has read is so here: how long its way is, somebody may want to know.
      else if (peer.silentBeats > 0 || !peer.outbox.isTracked) peer.outbox.ping(peer.nextToken());
    }
    this.#host.beaten();
    if (this.#peers.size > 0) this.start();
  }
}
