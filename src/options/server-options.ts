/** What a user writes in code: every option, with its meaning. A test holds these types equal to the schema. */

import type { MasterOptions } from './masters.js';
import type { TokenInput } from './tokens.js';
import type { Duration, Size } from './units.js';

/**
 * The options of an `AceBaseIPCServer`. All are optional; one with the value undefined counts as left out.
 * docs/OPERATIONS.md has them with their flags and variables, docs/LIMITS.md says what happens at each limit.
 */
export interface ServerOptions {
  /**
   * Name or address to listen on, without a port. `localhost` is 127.0.0.1 and ::1; `0.0.0.0` or `::` is every interface.
   * Beyond loopback, a token is needed, or `allowAnonymous`. Default: `localhost`.
   */
  readonly host?: string | undefined;
  /** TCP port, 0 to 65535; 0 lets the system choose one: `server.address.port` has it then. Default: 9163. */
  readonly port?: number | `${number}` | undefined;
  /**
   * Databases whose masters this server runs, each in a child process of its own, by their names in AceBase: `{ mydb: { path: 'data' } }`. All
   * other processes of such a database are workers. Needs `acebase` 1.18 or later beside the program. Default: none.
   */
  readonly masters?: Readonly<Record<string, MasterOptions>> | undefined;
  /** TLS: a certificate and its key, or a PFX, as paths or as contents. Default: none, so connections are not encrypted. */
  readonly ssl?: SslOptions | undefined;
  /** The token that clients must have: one, a list (all are accepted), or an object of tokens for databases. Default: none. */
  readonly token?: TokenInput | undefined;
  /** Path of a file with the token: one on each line, or JSON as in `token`. Excludes `token`. Default: none. */
  readonly tokenFile?: string | undefined;
  /** Serve without a token on a host that is not loopback. Default: false. */
  readonly allowAnonymous?: boolean | undefined;
  /** The databases that are served. `mydb` covers `mydb`, `mydb_data` and `mydb_transaction`. Default: all. */
  readonly databases?: readonly string[] | undefined;
  /** The token of the endpoints that see all databases. Default: the token, where there is exactly one. */
  readonly adminToken?: string | undefined;
  /** Origins whose web pages may talk to this server, such as `https://app.example.com`. Default: none. */
  readonly allowedOrigins?: readonly string[] | undefined;
  /** Names by which clients may reach a server without a token, besides loopback; with a port or without. Default: none. */
  readonly allowedHosts?: readonly string[] | undefined;
  /**
   * How a message that is too long for a frame reaches a client: over its WebSocket all the same, or by HTTP, which stock
   * clients cannot. Default: `websocket`.
   */
  readonly largeMessages?: 'websocket' | 'http' | undefined;
  /** The longest message that a client may send as a frame, in UTF-16 units. Default: 33,554,432. */
  readonly maxPayload?: Size | undefined;
  /** The longest body of `POST /<database>/send`, in bytes. Default: 96 MiB. */
  readonly maxHttpMessage?: Size | undefined;
  /** Bytes that may wait for one connected peer before it is cut off. Default: 64 MiB. */
  readonly maxBuffered?: Size | undefined;
  /**
   * Bytes that are kept for a worker that is away, or for a master that is absent or settling; above, the worker is gone,
   * and requests are answered with an error. Default: 64 MiB.
   */
  readonly maxMailPerPeer?: Size | undefined;
  /** Bytes that may wait for all peers together; over it, the one that owes most is cut off. Default: 512 MiB. */
  readonly maxTotalBuffered?: Size | undefined;
  /** Requests of one worker, of each kind, that the master has at one time; the others wait for their turn. Default: 100. */
  readonly maxOutstandingRequests?: number | `${number}` | undefined;
  /** Peers of one database. Default: 10,000. */
  readonly maxPeers?: number | `${number}` | undefined;
  /** Databases at one time. Default: 1,000. */
  readonly maxDatabases?: number | `${number}` | undefined;
  /** TCP connections at one time. Default: 20,000. */
  readonly maxConnections?: number | `${number}` | undefined;
  /**
   * Whether the server looks, on Linux, if the process behind a broken connection from the same machine has ended: then its
   * locks go back at once, and not after `reconnectGrace`. Default: true.
   */
  readonly watchProcesses?: boolean | undefined;
  /** Time in which a request must be complete and a handshake done. A stock client crashes after 5 s. Default: 5 s. */
  readonly handshakeTimeout?: Duration | undefined;
  /** Time for which requests to a stock master that just connected are held back, while it opens its files. Default: 2 s. */
  readonly masterSettle?: Duration | undefined;
  /** Time that a request waits while no master is connected, before the server answers with an error. Default: 1 min. */
  readonly masterTimeout?: Duration | undefined;
  /**
   * Time in which a worker whose connection was lost may come back, before others are told that it is gone and its locks are
   * given back. A stock worker that is cut off ends itself within 10.5 s; with less, it may still be writing when somebody else
   * begins to. Default: 11 s.
   */
  readonly reconnectGrace?: Duration | undefined;
  /**
   * Time for which a process with our client may use its locks, and the file, without a word of the server: then it waits for one. At most
   * 8/11 of `reconnectGrace`, after which the server gives the locks to others. Default: 8 s, or 8/11 of `reconnectGrace` if that is less.
   */
  readonly lease?: Duration | undefined;
  /** Time between the pings to a silent peer. Must be less than `heartbeatTimeout`. Default: 10 s. */
  readonly heartbeatInterval?: Duration | undefined;
  /** Time after which a peer that answers no ping is cut off. Must be more than `heartbeatInterval`. Default: 30 s. */
  readonly heartbeatTimeout?: Duration | undefined;
  /** Time that a lock of AceBase lasts. Must equal its `storage.lockTimeout`, which is in seconds. Default: 2 min. */
  readonly lockTimeout?: Duration | undefined;
  /** Time that a read request is kept back at most while a write request waits; 0: not at all. Default: 100 ms. */
  readonly readerDelay?: Duration | undefined;
  /**
   * Time for which `drain()`, and the command at SIGTERM, lets processes finish what they have begun, before they are told
   * to come back; 0: not at all. Default: 1 s.
   */
  readonly drainTimeout?: Duration | undefined;
  /** Time that `stop()` takes at most. Default: 5 s. */
  readonly stopTimeout?: Duration | undefined;
  /** The least important level that is logged. Default: `info`. */
  readonly logLevel?: LogLevel | undefined;
  /** JSON, text for people, or (`auto`) text on a terminal and JSON elsewhere. Default: `auto`. */
  readonly logFormat?: 'auto' | 'json' | 'pretty' | undefined;
}

/** Levels of the log, the least important first; `silent` logs nothing. */
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'silent';

/** Where certificate and key come from. A path and the contents of the same thing exclude each other. Each has no default. */
export interface SslOptions {
  /** Path of the PEM file with the certificate, and those between it and its root. */
  readonly certPath?: string | undefined;
  /** Path of the PEM file with the private key. */
  readonly keyPath?: string | undefined;
  /** Path of a PFX (PKCS #12) file: certificate and key in one. */
  readonly pfxPath?: string | undefined;
  /** The passphrase of the key or the PFX. */
  readonly passphrase?: string | undefined;
  /**
   * Path of a PEM file of authorities. With it, clients must show a certificate that one of them signed: stock ones
   * cannot.
   */
  readonly caPath?: string | undefined;
  /** What `certPath` points to, as contents. */
  readonly cert?: string | Uint8Array | undefined;
  /** What `keyPath` points to, as contents. */
  readonly key?: string | Uint8Array | undefined;
  /** What `pfxPath` points to, as contents: bytes, or base64 text. */
  readonly pfx?: string | Uint8Array | undefined;
  /** What `caPath` points to, as contents. */
  readonly ca?: string | Uint8Array | undefined;
}
