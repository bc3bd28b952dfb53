import { stable } from '../../protocol/session.js';
import type { Cancel, Clock, Scope } from '../ports.js';
import type { Peer } from './peer.js';

/** Milliseconds between two looks at what has arrived everywhere. */
const SWEEP_MS = 100;

/** What a delivery works with. */
export interface DeliverySettings extends Pick<Scope, 'limits' | 'incidents' | 'kept'> {
  /** Whether messages for the master must be kept. */
  readonly seat: { readonly isHeld: boolean };
  /** Where they are kept, in order. */
  readonly table: {
    readonly heldBytes: number;
    /** @returns false if there is no room */
    holdMessage(senderId: string, message: Uint8Array): boolean;
  };
}

/**
 * Brings messages to peers, and notes those who do not read theirs. Their connections are ended after the message at
 * hand was passed on to all, never within: so a broadcast is one step, whatever happens to its receivers.
 */
export class Delivery {
  readonly #settings: DeliverySettings;
  readonly #overdue = new Set<Peer>();

  constructor(settings: DeliverySettings) {
    this.#settings = settings;
  }

  /** Sends now. @param canWait whether it may leave a little later, together with the next one */
  send(receiver: Peer, payload: Uint8Array, canWait = false): void {
    if (!receiver.outbox.send(payload, canWait)) this.#overdue.add(receiver);
  }

  /** Sends what was kept for the peer, or is told to it again: bounded by itself, it does not count as slowness. */
  sendOwed(receiver: Peer, payload: Uint8Array): void {
    if (!receiver.outbox.sendOwed(payload)) this.#overdue.add(receiver);
  }

  /** Sends now, or, to a master that settles, behind all that waits for it already. */
  sendInOrder(receiver: Peer, senderId: string, payload: Uint8Array, canWait = false): void {
    if (!receiver.isMaster || !this.#settings.seat.isHeld) this.send(receiver, payload, canWait);
    else if (!this.#settings.table.holdMessage(senderId, payload)) this.reportFullMailbox(senderId);
  }

  /** The peer owes so much that it must have stopped reading. */
  markOverdue(peer: Peer): void {
    this.#overdue.add(peer);
  }

  /** Those whose connections must be ended, warned about. They are forgotten here. */
  takeOverdue(): readonly Peer[] {
    if (this.#overdue.size === 0) return NOBODY;
    const { incidents, limits } = this.#settings;
    const overdue = [...this.#overdue];
    this.#overdue.clear();
    for (const peer of overdue) {
      if (peer.state === 'away') continue;
      const fields = { peer: peer.id, bufferedBytes: peer.outbox.bytes, maxBuffered: limits.maxBuffered };
      incidents.record('too-slow', fields);
    }
    return overdue;
  }

  /** Counts requests to the master that were dropped, since the peer that asked is gone. */
  reportOrphanedRequests(peerId: string, count: number): void {
    this.#settings.incidents.record('orphaned-request', { peer: peerId, count }, count);
  }

  /** Warns that a worker asks too much at one time. */
  reportTooManyRequests(peerId: string): void {
    const { incidents, kept, limits } = this.#settings;
    const fields = { peer: peerId, maxMailPerPeer: limits.maxMailPerPeer, keptBytes: kept.bytes };
    incidents.record('too-many-requests', fields);
  }

  /** Warns that there is no room for more mail. */
  reportFullMailbox(senderId: string): void {
    const { incidents, limits, table } = this.#settings;
    const fields = { from: senderId, mailBytes: table.heldBytes, maxMailPerPeer: limits.maxMailPerPeer };
    incidents.record('mailbox-full', fields);
  }
}

const NOBODY: readonly Peer[] = [];

/**
 * Tells clients which of their messages have arrived everywhere, so that they need not keep them any longer
 * [PROTOCOL-14.7]: a client sends the others again if this server dies.
 *
 * The frames of a database are counted as they come. Whatever holds messages on their way knows up to which count nothing of
 * them is left in it: the outbox of each peer that is there or away, with what is parked for it, and what is held for a master
 * that has not opened its file. The least of these has arrived everywhere. Requests do not count: a client asks again for
 * what was not answered.
 */
export class Stability {
  readonly #clock: Clock;
  readonly #peers: ReadonlyMap<string, Peer>;
  readonly #heldUpTo: () => number;
  #count = 0;
  #cancelSweep: Cancel | undefined;

  /** @param heldUpTo up to how many frames nothing of what came of them is held for a master, but for requests */
  constructor(clock: Clock, peers: ReadonlyMap<string, Peer>, heldUpTo: () => number) {
    this.#clock = clock;
    this.#peers = peers;
    this.#heldUpTo = heldUpTo;
  }

  /** How many frames have come. */
  readonly now = (): number => this.#count;

  /** A frame came, and has not been passed on yet. */
  frameCame(sender: Peer): void {
    this.#count++;
    const { session } = sender;
    if (session === undefined) return;
    session.received++;
    this.#cancelSweep ??= this.#clock.schedule(SWEEP_MS, () => this.#sweep());
  }

  /** Looks no more, whatever comes. */
  stop(): void {
    this.#cancelSweep?.();
    // As if the next look were due already: none is scheduled any more.
    this.#cancelSweep = () => undefined;
  }

  #sweep(): void {
    this.#cancelSweep = undefined;
    let least = Math.min(this.#count, this.#heldUpTo());
    for (const peer of this.#peers.values()) least = Math.min(least, peer.outbox.caughtUpTo);
    let isMoreToCome = false;
    for (const peer of this.#peers.values()) {
      const { session } = peer;
      if (session === undefined) continue;
      session.check ??= { count: session.received, at: this.#count };
      if (session.check.at <= least && session.check.count > session.stable) {
        session.stable = session.check.count;
        peer.outbox.say(stable(session.stable));
      }
      if (session.check.at <= least) session.check = undefined;
      if (session.stable < session.received) isMoreToCome = true;
    }
    if (isMoreToCome) this.#cancelSweep = this.#clock.schedule(SWEEP_MS, () => this.#sweep());
  }
}
