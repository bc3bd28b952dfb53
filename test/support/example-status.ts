import type { ManagedMasterStatus } from '../../src/server/monitoring/master-status.js';
import type { DatabaseStatus, PeerStatus, Status } from '../../src/server/monitoring/status.js';

/** A moment for statuses that tests make up: milliseconds since 1970. */
export const NOW = 1_700_000_000_000;

/** A peer as a status has it. */
export function examplePeer(changes: Partial<PeerStatus> = {}): PeerStatus {
  return {
    id: 'worker01',
    role: 'worker',
    state: 'connected',
    client: null,
    keepsJournal: false,
    address: '10.0.0.1:1000',
    pid: null,
    connectedAt: NOW - 14_000,
    roundTrip: 0.4,
    messagesIn: 1_234,
    messagesOut: 5_678,
    bytesIn: 10,
    bytesOut: 20,
    mail: { messages: 0, bytes: 0 },
    buffered: 0,
    ...changes,
  };
}

/** A database as a status has it: a master, and the given workers. */
export function exampleDatabase(changes: Partial<DatabaseStatus> = {}): DatabaseStatus {
  const master = examplePeer({ id: '[master]', role: 'master', roundTrip: null });
  return {
    name: 'mydb_data',
    master: '[master]',
    masterAbsentFor: null,
    peers: [master, examplePeer()],
    peerCount: 2,
    journal: { inForce: false, without: ['[master]', 'worker01'], withoutCount: 2 },
    locks: { root: null, held: [], waiting: [], heldCount: 0, waitingCount: 0 },
    mail: { messages: 0, bytes: 0 },
    keptBytes: 0,
    totals: { messagesIn: 1, messagesOut: 2, bytesIn: 3, bytesOut: 4, lockWaitCount: 4, lockWaitSum: 10 },
    problems: [],
    timeline: [],
    ...changes,
  };
}

/** A status with these databases. */
export function exampleStatus(...databases: readonly DatabaseStatus[]): Status {
  return {
    server: {
      version: '9.8.7',
      startedAt: NOW - 7_200_000,
      now: NOW,
      draining: false,
      eventLoopDelayP99: 1.5,
      bufferedBytes: 0,
      connections: 1_002,
      maxConnections: 20_000,
      descriptors: { used: 1_030, limit: 65_536 },
      databaseCount: databases.length,
      problems: [],
    },
    databases,
    masters: [],
  };
}

/** A master that the server runs itself, as a status has it: it serves, and has never ended. */
export function exampleMaster(changes: Partial<ManagedMasterStatus> = {}): ManagedMasterStatus {
  return {
    database: 'mydb',
    state: 'serving',
    since: NOW - 60_000,
    pid: 4_711,
    restarts: 0,
    lastReason: null,
    nextStartAt: null,
    rss: 80 * 1_048_576,
    heapUsed: 20 * 1_048_576,
    eventLoopDelayP99: 1.2,
    problems: [],
    ...changes,
  };
}
