/** The bounds within which the broker works. Each is an option of the server; docs/LIMITS.md lists them. */
export interface Limits {
  /** The longest text, in UTF-16 units, that clients are told to send as a frame. */
  readonly maxPayload: number;
  /** Whether messages above `maxPayload` are pushed as frames, or parked to be picked up over HTTP. */
  readonly largeMessages: 'websocket' | 'http';
  /** Bytes that may wait to be read by one peer before the next message for it ends its connection. */
  readonly maxBuffered: number;
  /** Bytes that are kept for a peer that is away, for a master that is absent or settling, and of requests of one worker that wait for their turn. */
  readonly maxMailPerPeer: number;
  /** Bytes that may wait in all queues together; half of them in kept messages. */
  readonly maxTotalBuffered: number;
  /** Peers of one database. */
  readonly maxPeers: number;
  /** Databases. */
  readonly maxDatabases: number;
  /** Milliseconds that messages are held for a master that has just arrived. */
  readonly masterSettle: number;
  /** Milliseconds in which a worker whose line broke may come back; 0: it is gone at once. */
  readonly reconnectGrace: number;
  /**
   * Milliseconds for which a client may use what it holds without an answer to a ping of its own; 0 if nobody is waited for. Less than
   * `reconnectGrace`: the rest is for the way of what it has just written, and for clocks of different rates.
   */
  readonly lease: number;
  /** Milliseconds that a request waits for a master while none is connected. */
  readonly masterTimeout: number;
  /** Milliseconds between two looks at who is silent. */
  readonly heartbeatInterval: number;
  /** Milliseconds of silence after which a peer is cut off. */
  readonly heartbeatTimeout: number;
  /** Requests of one worker, of each kind, that the master has at one time: further ones wait for their turn. */
  readonly maxOutstandingRequests: number;
  /** Milliseconds after which a lock runs out at the master: AceBase's `storage.lockTimeout`. */
  readonly lockTimeout: number;
  /** Milliseconds for which a read is held back at most while a write waits; 0: never. */
  readonly readerDelay: number;
}

/** What a request that waits for its turn counts beside its message, in bytes: about a third of what Node takes for it. */
export const WAITING_REQUEST_BYTES = 128;

/** Requests of one worker that the master has at one time and that `maxOutstandingRequests` does not count: further ones wait for their turn. */
export const MAX_UNANSWERED_REQUESTS = 10_000;

/** Requests of workers that are gone whose answers are awaited, of one database. What is answered beyond that counts as unasked. */
export const MAX_ABANDONED_REQUESTS = 10_000;

/** Requests that are failed in one turn when no master has come for them in time; the rest follows in the next one. */
export const MAX_FAILED_AT_ONCE = 1_000;

/** Milliseconds from one ping to the next while a master has not granted the root lock that it was asked for. */
export const ASK_PING_MS = 1_000;

/** Milliseconds for which the root lock serves workers before the master gets its turn, if it wants it or cannot say so. */
export const ROOT_TURN_MS = 25;

/** Milliseconds for which the root lock stays here though no worker needs it, within its turn. */
export const ROOT_LINGER_MS = 5;

/** The same, at a master that says when it wants its turn: for so long its transactions may wait if the server is gone. */
export const ROOT_LINGER_IF_TOLD_MS = 1_000;

/** Milliseconds for which a request waits until the holder of such a lock is told to start no further one. */
export const SLICE_WAIT_MS = 10;

/**
 * Milliseconds from one look to the next at a client that has a lease, while others wait for it; so many within `reconnectGrace`, if that is short. And
 * the shortest silence after which it is given up.
 */
export const HOLDER_LOOK_MS = 500;
export const HOLDER_LOOKS = 10;
export const SHORTEST_HOLDER_SILENCE_MS = 1_000;

/** Milliseconds after which a master that answers pings, and not the first request for the root lock, is started afresh. */
export const DEAD_ROOT_MS = 2_000;

/** Milliseconds after which it is said that requests wait and no master is connected. */
export const MASTER_MISSING_WARNING_MS = 10_000;

/** Milliseconds for which a master that was replaced is expected to come back with its old locks: it was stopped, perhaps. */
export const FORMER_MASTER_MS = 60_000;

/** Milliseconds in which a master must grant the lock that tells whether it is an old one. */
export const MASTER_PROOF_MS = 1_000;

/**
 * Milliseconds in which a master that was found to be an old one comes back by itself, and is refused. If it has not
 * noticed by then that it was sent away, it has ended: a stock client bears 10 to 10.5 s of silence.
 */
export const OLD_MASTER_RETURN_MS = 11_000;

/**
 * Milliseconds between the answer for a new index and the next write, and after those that a stock worker takes to read the news of it:
 * it has opened the index then.
 */
export const INDEX_NEWS_MS = 200;

/** Expected echoes of one peer; one that owes more has stopped reading. */
export const MAX_EXPECTED_ECHOES = 10_000;

/** Keys of one database that are replayed. AceBase's key table has 64 KiB, its shortest entry takes three bytes. */
export const MAX_REPLAYED_KEYS = 22_000;

/** From this index on, the key table may be nearly full, and one key more than fits kills a stock master. */
export const LAST_SAFE_KEY_INDEX = 4_000;

/** Milliseconds after a line broke until it is looked whether its process has ended, and between two further looks. */
export const FIRST_PROCESS_CHECK_MS = 20;
export const PROCESS_CHECK_MS = 100;

/** Milliseconds by which a timer may be early: Node rounds. */
export const EARLY_TIMER_MS = 2;

/** Milliseconds by which the time at which a lock runs out may differ from what is expected. */
export const LOCK_EXPIRY_TOLERANCE_MS = 5_000;

/** Bytes of one replayed announcement. AceBase's keys there have up to 15 characters. */
export const MAX_ANNOUNCEMENT_BYTES = 512;

/** Ids of one database that said goodbye and are remembered. */
export const MAX_GONE_IDS = 10_000;

/** Milliseconds that a message waits to be picked up over HTTP [PROTOCOL-4.3]. */
export const PARKING_TIME_MS = 60_000;

/** Milliseconds in which a master must answer a ping when another one connects. Stock clients bear 5,000. */
export const MASTER_ANSWER_MS = 2_000;

/** Milliseconds for which a second master that has not opened the file may wait for the first one to leave [PROTOCOL-9.2]. */
export const MASTER_TURN_MS = 4_000;

/** Milliseconds for which a newcomer that keeps no journal may wait until that of the others is empty [PROTOCOL-16.4]. Stock clients bear 5,000. */
export const JOURNAL_WAIT_MS = 4_000;

/** Milliseconds after which the next index is asked for, though the master has not answered for the last one. */
export const INDEX_CREATION_MS = 60_000;

/** Milliseconds in which a master that said goodbye must have read what was sent to it before. */
export const FAREWELL_MS = 1_000;

/** Milliseconds after which a master is told the keys once more, in case its file was slow to open. */
export const MASTER_SECOND_REPLAY_MS = 2_000;

/** Milliseconds after which a master that is to say when its file is open is taken for ready, though it has not. */
export const MASTER_READY_MS = 60_000;
