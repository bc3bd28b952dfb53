/** What a load is, and what comes of it. */

import type { Passed } from './flood.js';

/** One of the loads, and how much of it. */
export type LoadSpec =
  /** One peer to one other. */
  | { readonly kind: 'directed'; readonly bytes: number; readonly inFlight: number }
  /** One peer to all others. */
  | {
      readonly kind: 'broadcast';
      readonly bytes: number;
      readonly inFlight: number;
      readonly receivers: number;
    }
  /** Workers that lock and unlock at one master, each with as many requests under way. */
  | {
      readonly kind: 'locks';
      readonly workers: number;
      readonly inFlightEach: number;
      readonly database?: string;
    }
  /** Peers of many databases, each of which writes to its neighbour. */
  | {
      readonly kind: 'pairs';
      readonly databases: number;
      readonly peersEach: number;
      readonly bytes: number;
      readonly inFlight: number;
    }
  /** Peers that are only there. */
  | { readonly kind: 'idle'; readonly peers: number; readonly databases: number }
  /** Peers that all come at once, and all go and come back at once. */
  | {
      readonly kind: 'storm';
      readonly peers: number;
      readonly databases: number;
      readonly messagesPerSecond: number;
    }
  /** One peer to one other, at a fixed rate. */
  | { readonly kind: 'rate'; readonly bytes: number; readonly bytesPerSecond: number };

/** A part of a load, and how long it took. */
export interface Phase {
  readonly what: string;
  readonly seconds: number;
}

/** What a load did. */
export interface LoadResult extends Passed {
  /** How long single round trips took, in milliseconds; only of loads with one under way. */
  readonly roundTrips?: readonly number[];
  /** Only of loads that have parts. */
  readonly phases?: readonly Phase[];
}

/** A load whose connections are open. */
export interface Load {
  /** Runs for that long. Rejects if anything was lost. */
  run(milliseconds: number): Promise<LoadResult>;
  /** Ends all connections. */
  end(): void;
}
