/** What the server says of itself in each event `status` of `GET /status/stream`. */
export interface Status {
  readonly server: ServerStatus;
  readonly databases: readonly DatabaseStatus[];
}

export interface ServerStatus {
  readonly version: string;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  /** The server's clock, in milliseconds since 1970: all times of a status are told by it. */
  readonly now: number;
  readonly draining: boolean;
  /** Milliseconds. */
  readonly eventLoopDelayP99: number;
  readonly bufferedBytes: number;
  readonly connections: number;
  /** All that the token opens; at most 100 are listed. */
  readonly databaseCount: number;
}

export interface DatabaseStatus {
  /** As on the wire: `mydb_data`. */
  readonly name: string;
  /** The id of the master. */
  readonly master: string | null;
  /** Milliseconds. */
  readonly masterAbsentFor: number | null;
  /** At most 500 of them. */
  readonly peers: readonly PeerStatus[];
  readonly peerCount: number;
  /** At most 200 each; the counts are of all. */
  readonly locks: {
    readonly held: readonly HeldLock[];
    readonly waiting: readonly WaitingLock[];
    readonly heldCount: number;
    readonly waitingCount: number;
  };
  readonly mail: { readonly messages: number; readonly bytes: number };
  readonly totals: Totals;
  readonly problems: readonly Problem[];
  /** Newest last. */
  readonly timeline: readonly TimelineEntry[];
}

export interface PeerStatus {
  readonly id: string;
  readonly role: 'master' | 'worker';
  readonly state: string;
  readonly client: string | null;
  readonly address: string;
  /** Milliseconds since 1970. */
  readonly connectedAt: number;
  /** Milliseconds. */
  readonly roundTrip: number | null;
  readonly messagesIn: number;
  readonly messagesOut: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly mail: { readonly messages: number; readonly bytes: number };
  /** Bytes. */
  readonly buffered: number;
}

export interface HeldLock {
  readonly id: number;
  readonly holder: string;
  readonly tid: string;
  readonly path: string;
  readonly write: boolean;
  readonly comment: string;
  /** Milliseconds. */
  readonly heldFor: number;
  readonly state: 'held' | 'orphaned' | 'expired';
}

export interface WaitingLock {
  readonly requester: string;
  readonly tid: string;
  readonly path: string;
  readonly write: boolean;
  readonly comment: string;
  /** Milliseconds. */
  readonly waitingFor: number;
}

export interface Totals {
  readonly messagesIn: number;
  readonly messagesOut: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly lockWaitCount: number;
  /** Milliseconds. */
  readonly lockWaitSum: number;
}

export interface Problem {
  readonly code: string;
  /** Milliseconds since 1970. */
  readonly since: number;
  readonly message: string;
  readonly remedy: string;
  readonly severity: 'warning' | 'critical';
}

export interface TimelineEntry {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly kind: string;
  readonly peer: string | null;
  readonly message: string;
}
