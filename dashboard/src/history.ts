import type { DatabaseStatus, PeerStatus, Status, Totals } from './status.js';

/** How far back the plots reach, in milliseconds. */
export const WINDOW_MS = 5 * 60 * 1_000;

/** Samples of one database; with one in a second, there are fewer. */
const MAX_SAMPLES = 600;

/** Two statuses that are further apart are not joined by a line. */
const GAP_MS = 10_000;

/** What went on between two statuses. `null`: nothing is known, or nobody waited. */
export interface Sample {
  /** Milliseconds since 1970, by the server's clock. */
  readonly at: number;
  /** Messages that came from the peers, per second. */
  readonly in: number | null;
  /** Messages that went to the peers, per second. */
  readonly out: number | null;
  /** How long those waited that got a lock, in milliseconds, on average. */
  readonly lockWait: number | null;
}

/** Messages per second of one peer. */
export interface PeerRate {
  readonly in: number;
  readonly out: number;
}

interface Track {
  at: number;
  totals: Totals;
  peers: ReadonlyMap<string, PeerStatus>;
  rates: ReadonlyMap<string, PeerRate>;
  samples: readonly Sample[];
}

/** What the statuses so far tell of the last minutes. The server counts; rates are made here. */
export class History {
  readonly #tracks = new Map<string, Track>();
  #startedAt = 0;

  /** Takes a status into account. What is not in it any more is forgotten. */
  add({ server, databases }: Status): void {
    // Another process counts from zero.
    if (server.startedAt !== this.#startedAt) for (const track of this.#tracks.values()) track.at = 0;
    this.#startedAt = server.startedAt;
    const names = new Set(databases.map(({ name }) => name));
    for (const name of this.#tracks.keys()) if (!names.has(name)) this.#tracks.delete(name);
    for (const database of databases) {
      this.#tracks.set(database.name, follow(this.#tracks.get(database.name), database, server.now));
    }
  }

  /** Oldest first, at most as far back as {@link WINDOW_MS}. */
  samples(database: string): readonly Sample[] {
    return this.#tracks.get(database)?.samples ?? [];
  }

  /** What the last two statuses say; `undefined` for a peer that was in the last one only. */
  rateOf(database: string, peer: string): PeerRate | undefined {
    return this.#tracks.get(database)?.rates.get(peer);
  }
}

function follow(before: Track | undefined, database: DatabaseStatus, now: number): Track {
  const peers = new Map(database.peers.map((peer) => [peer.id, peer]));
  const { totals } = database;
  const elapsed = before === undefined ? Number.POSITIVE_INFINITY : now - before.at;
  const isGap = elapsed <= 0 || elapsed > GAP_MS;
  const rates = new Map<string, PeerRate>();
  if (before !== undefined && !isGap) {
    for (const peer of database.peers) {
      const rate = peerRate(before.peers.get(peer.id), peer, elapsed);
      if (rate !== undefined) rates.set(peer.id, rate);
    }
  }
  const sample =
    before === undefined || isGap
      ? { at: now, in: null, out: null, lockWait: null }
      : sampleOf(before.totals, totals, now, elapsed);
  const recent = (before?.samples ?? []).filter(({ at }) => at >= now - WINDOW_MS && at < now);
  return { at: now, totals, peers, rates, samples: [...recent, sample].slice(-MAX_SAMPLES) };
}

function sampleOf(before: Totals, after: Totals, at: number, elapsed: number): Sample {
  const waits = after.lockWaitCount - before.lockWaitCount;
  const waited = after.lockWaitSum - before.lockWaitSum;
  return {
    at,
    in: perSecond(before.messagesIn, after.messagesIn, elapsed),
    out: perSecond(before.messagesOut, after.messagesOut, elapsed),
    lockWait: waits > 0 && waited >= 0 ? waited / waits : null,
  };
}

/** A peer that came again counts from zero. */
function peerRate(before: PeerStatus | undefined, after: PeerStatus, elapsed: number): PeerRate | undefined {
  if (before === undefined || before.connectedAt !== after.connectedAt) return undefined;
  const inbound = perSecond(before.messagesIn, after.messagesIn, elapsed);
  const outbound = perSecond(before.messagesOut, after.messagesOut, elapsed);
  return inbound === null || outbound === null ? undefined : { in: inbound, out: outbound };
}

function perSecond(before: number, after: number, elapsed: number): number | null {
  return after < before ? null : ((after - before) * 1_000) / elapsed;
}
