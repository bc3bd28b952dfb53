/** Every option, once: its form, default, unit and description. Flags and variables are named after the keys. */

import { isIP } from 'node:net';
import { z } from 'zod';
import { choice, contents, count, described, path, size, text, time } from './fields.js';
import { DATABASE_NAME_RULE, isDatabaseName, parseHost, withoutBrackets } from './names.js';
import { readTokens, TOKEN_ALLOWED, type TokenInput, tokenProblem } from './tokens.js';
import { parseSize } from './units.js';

const KIB = 1_024;
const MIB = 1_024 * KIB;
const TIB = 1_024 * 1_024 * MIB;
const HOUR = 3_600_000;

/** Three bytes for each UTF-16 unit must stay below the 100 MiB that a stock client receives at most. */
const MAX_PAYLOAD_UNITS = 34_952_533;

const listening = { group: 'Listening' } as const;
const access = { group: 'Who may connect' } as const;
const tls = { group: 'TLS' } as const;
const limits = { group: 'Limits' } as const;
const times = { group: 'Times' } as const;

/** An issue for each problem; the printed line says no more than the problem, so no token is in it. */
const token = z.custom<TokenInput>().transform((input, context) => {
  const result = readTokens(input);
  if (result.ok) return result.policy;
  for (const problem of result.problems)
    context.addIssue({ code: 'custom', message: problem, params: { problem } });
  return z.NEVER;
});

const adminToken = z
  .string()
  .trim()
  .superRefine((value, context) => {
    const problem = tokenProblem(value);
    if (problem !== undefined)
      context.addIssue({ code: 'custom', params: { problem: `the token ${problem}` } });
  });

const host = z
  .string()
  .transform((value) => withoutBrackets(value.trim()))
  .refine((value) => isIP(value) !== 0 || /^[a-z0-9_](?:[a-z0-9_.-]{0,252})$/i.test(value));

/** `https://example.com/` is refused: an `Origin` header has no path, so the entry would match nothing. */
function isOrigin(value: string): boolean {
  return URL.canParse(value) && new URL(value).origin.toLowerCase() === value.toLowerCase();
}

const sslSchema = z.strictObject({
  /** Path of the PEM file with the certificate (and those between it and its root). */
  certPath: path({ ...tls, description: 'certificate in PEM form, with those between it and its root' }),
  /** Path of the PEM file with the private key. */
  keyPath: path({ ...tls, description: 'private key of the certificate, in PEM form' }),
  /** Path of a PFX (PKCS #12) file: certificate and key in one. */
  pfxPath: path({ ...tls, description: 'PFX (PKCS #12) file: certificate and key in one' }),
  /** The passphrase of the key or the PFX. */
  passphrase: text({ ...tls, secret: true, description: 'passphrase of the key or the PFX' }),
  /** Path of a PEM file of authorities: with it, clients must show a certificate signed by one of them. */
  caPath: path({
    ...tls,
    description: 'authorities in PEM form: clients must show a certificate signed by one',
  }),
  /** What `certPath` points to, as contents. */
  cert: contents({ ...tls, description: 'what --ssl-cert-path points to, as text' }),
  /** What `keyPath` points to, as contents. */
  key: contents({ ...tls, secret: true, description: 'what --ssl-key-path points to, as text' }),
  /** What `pfxPath` points to, as contents: a Buffer, or base64 text. */
  pfx: contents({
    ...tls,
    secret: true,
    unit: 'base64',
    description: 'what --ssl-pfx-path points to, as base64 text',
  }),
  /** What `caPath` points to, as contents. */
  ca: contents({ ...tls, description: 'what --ssl-ca-path points to, as text' }),
});

/** The schema of all options. */
export const optionsSchema = z.strictObject({
  /** Name or address to listen on. `localhost` is 127.0.0.1 and ::1; `0.0.0.0` or `::` is every interface. Default: `localhost`. */
  host: described(host.default('localhost'), {
    ...listening,
    unit: 'host',
    description: 'where to listen; 0.0.0.0 or :: is every interface',
    allowed: 'a host name or an IP address, without a port',
    defaultText: 'localhost',
  }),
  /** TCP port; 0 lets the system choose one. Default: 9163. */
  port: count(
    { min: 0, max: 65_535, default: 9_163 },
    {
      ...listening,
      unit: 'port',
      defaultText: '9163',
      allowed: 'a port from 0 (any free one) to 65535',
      description: 'TCP port; 0 takes any free one',
    },
  ),
  /** TLS: a certificate and its key, or a PFX, as paths or as contents. Default: none, so connections are not encrypted. */
  ssl: sslSchema.optional(),
  /** The token that clients must have: one, a list (all are accepted), or an object of tokens for databases. Default: none. */
  token: described(token.optional(), {
    ...access,
    form: 'token',
    unit: 'token',
    secret: true,
    description: 'token that clients must have; JSON for a list, or for one per database',
    allowed: `${TOKEN_ALLOWED}; or a JSON list of them, or a JSON object of them for databases`,
  }),
  /** Path of a file with the token: one on each line, or JSON as in `token`. Excludes `token`. Default: none. */
  tokenFile: path({
    ...access,
    description: 'file with the token: one on each line, or JSON; # starts a comment line',
  }),
  /** Serve without a token on a host that is not loopback. Default: false. */
  allowAnonymous: described(z.boolean().default(false), {
    ...access,
    form: 'boolean',
    unit: 'true or false',
    description: 'serve beyond loopback without a token, on a network that is trusted',
    allowed: 'true or false',
    defaultText: 'false',
  }),
  /** The databases that are served. `mydb` covers `mydb`, `mydb_data` and `mydb_transaction`. Default: all. */
  databases: described(z.array(z.string().refine(isDatabaseName)).min(1).readonly().optional(), {
    ...access,
    form: 'list',
    unit: 'names',
    description: 'databases that are served; mydb covers its data and transaction files',
    allowed: `a list of names of ${DATABASE_NAME_RULE}`,
    defaultText: 'all',
  }),
  /** The token of the endpoints that see all databases. Default: the token, where there is exactly one. */
  adminToken: described(adminToken.optional(), {
    ...access,
    unit: 'token',
    secret: true,
    description: 'token of the endpoints that see all databases',
    allowed: TOKEN_ALLOWED,
    defaultText: 'the token, if there is one',
  }),
  /** Origins whose web pages may talk to this server, such as `https://app.example.com`. Default: none. */
  allowedOrigins: described(z.array(z.string().refine(isOrigin)).readonly().default([]), {
    ...access,
    form: 'list',
    unit: 'origins',
    description: 'origins whose web pages may connect',
    allowed: 'a list of origins such as https://app.example.com or http://localhost:3000, without a path',
  }),
  /** Names by which clients may reach a server without a token, besides loopback. Default: none. */
  allowedHosts: described(
    z
      .array(z.string().refine((entry) => parseHost(entry) !== undefined))
      .readonly()
      .default([]),
    {
      ...access,
      form: 'list',
      unit: 'hosts',
      description: 'names besides loopback by which a server without a token may be called',
      allowed: 'a list of host names or IP addresses, each with a port or without',
    },
  ),
  /** How messages longer than a stock client takes in one frame reach it. Default: `websocket`. */
  largeMessages: choice(['websocket', 'http'], 'websocket', {
    group: 'Large messages',
    description:
      'how a message too long for a frame reaches a client: websocket, or http for clients that can pick it up (stock ones cannot)',
  }),
  /** The longest message that a client may send as a frame, in UTF-16 units. Default: 33,554,432. */
  maxPayload: count(
    { min: KIB, max: MAX_PAYLOAD_UNITS, default: 32 * MIB },
    {
      ...limits,
      unit: 'UTF-16 units',
      description: 'longest message that a client may send over its WebSocket, in UTF-16 units',
    },
    parseSize,
  ),
  /** The longest body of `POST /<db>/send`, in bytes. Default: 96 MiB. */
  maxHttpMessage: size(
    { min: KIB, max: 100 * MIB, default: 96 * MIB },
    { ...limits, description: 'longest message that a client may send over HTTP' },
  ),
  /** Bytes that may wait for one connected peer before it is cut off. Default: 64 MiB. */
  maxBuffered: size(
    { min: KIB, max: TIB, default: 64 * MIB },
    {
      ...limits,
      description: 'bytes that may wait for one connected peer, which is cut off when it is over that',
    },
  ),
  /**
   * Bytes that are kept for a worker that is away, or for a master that is absent or settling; above, the worker is
   * gone, and requests are answered with an error. Default: 64 MiB.
   */
  maxMailPerPeer: size(
    { min: KIB, max: TIB, default: 64 * MIB },
    {
      ...limits,
      description: 'bytes kept for a peer that is away, or a master that is absent or opens its files',
    },
  ),
  /** Bytes that may wait for all peers together; over it, the one that owes most is cut off. Default: 512 MiB. */
  maxTotalBuffered: size(
    { min: KIB, max: TIB, default: 512 * MIB },
    {
      ...limits,
      description:
        'bytes that may wait for all peers; when they are over that, the largest debtor is cut off',
    },
  ),
  /** Requests of one worker, of each kind, that the master has at one time; the others wait for their turn. Default: 100. */
  maxOutstandingRequests: count(
    { min: 1, max: 1_000_000, default: 100 },
    {
      ...limits,
      unit: 'requests',
      description: 'requests of one worker that the master has at one time; the others wait for their turn',
    },
  ),
  /** Peers of one database. Default: 10,000. */
  maxPeers: count(
    { min: 1, max: 1_000_000, default: 10_000 },
    { ...limits, unit: 'peers', description: 'peers of one database' },
  ),
  /** Databases at one time. Default: 1,000. */
  maxDatabases: count(
    { min: 1, max: 1_000_000, default: 1_000 },
    { ...limits, unit: 'databases', description: 'databases at one time' },
  ),
  /** TCP connections at one time. Default: 20,000. */
  maxConnections: count(
    { min: 1, max: 1_000_000, default: 20_000 },
    { ...limits, unit: 'connections', description: 'connections at one time' },
  ),
  /**
   * Whether the server gives back locks of processes that are gone, and lets a new master grant nothing that
   * contradicts a lock of the last one. Default: true.
   */
  lockRecovery: described(z.boolean().default(true), {
    ...limits,
    form: 'boolean',
    unit: 'true or false',
    description:
      'give back locks of processes that are gone, and fence a new master; --no-lock-recovery turns it off',
    allowed: 'true or false',
    defaultText: 'true',
  }),
  /**
   * Whether the server looks, on Linux, if the process behind a broken connection from the same machine has ended: then
   * its locks go back at once, and not after `reconnectGrace`. Default: true.
   */
  watchProcesses: described(z.boolean().default(true), {
    ...limits,
    form: 'boolean',
    unit: 'true or false',
    description:
      'look if local processes behind broken connections have ended, and then wait no longer; --no-watch-processes turns it off',
    allowed: 'true or false',
    defaultText: 'true',
  }),
  /** Milliseconds in which a request must be complete and a handshake done. A stock client crashes after 5 s. Default: 5 s. */
  handshakeTimeout: time(
    { min: 50, max: 5_000, default: 5_000 },
    { ...times, description: 'time for a handshake to be complete; a stock client crashes after 5 s' },
  ),
  /** Milliseconds for which requests to a stock master that just connected are held back, while it opens its files. Default: 2 s. */
  masterSettle: time(
    { min: 0, max: 60_000, default: 2_000 },
    { ...times, description: 'time for a master to open its files, before it gets requests' },
  ),
  /** Milliseconds that a request waits while no master is connected, before the server answers with an error. Default: 60 s. */
  masterTimeout: time(
    { min: 1_000, max: HOUR, default: 60_000 },
    { ...times, description: 'time that a request waits while no master is connected, before it fails' },
  ),
  /**
   * Milliseconds in which a worker whose line broke may come back, before others are told that it is gone and its locks
   * are given back. A stock worker that is cut off ends itself within 10.5 s; with less, it may be writing yet when
   * somebody else begins to. Default: 11 s.
   */
  reconnectGrace: time(
    { min: 0, max: 600_000, default: 11_000 },
    {
      ...times,
      description: 'time in which a worker may come back, before it is gone and its locks are given back',
    },
  ),
  /** Milliseconds between the pings to a silent peer. Must be less than `heartbeatTimeout`. Default: 10 s. */
  heartbeatInterval: time(
    { min: 100, max: 600_000, default: 10_000 },
    { ...times, description: 'how often a silent peer is pinged; less than heartbeatTimeout' },
  ),
  /** Milliseconds after which a peer that answers no ping is cut off. Must be more than `heartbeatInterval`. Default: 30 s. */
  heartbeatTimeout: time(
    { min: 200, max: HOUR, default: 30_000 },
    { ...times, description: 'time after which a peer that answers no ping is cut off' },
  ),
  /** Milliseconds that a lock of AceBase lasts. Must equal its `storage.lockTimeout`, which is in seconds. Default: 120 s. */
  lockTimeout: time(
    { min: 100, max: 24 * HOUR, default: 120_000 },
    {
      ...times,
      description: "time that a lock lasts; must equal AceBase's storage.lockTimeout, which is in seconds",
    },
  ),
  /** Milliseconds that a read request is kept back at most while a write request waits; 0: not at all. Default: 100 ms. */
  readerDelay: time(
    { min: 0, max: 10_000, default: 100 },
    { ...times, description: 'time that reads are kept back at most while a write waits; 0 is off' },
  ),
  /**
   * Milliseconds for which `drain()`, and the command at SIGTERM, lets processes finish what they have begun, before they
   * are told to come back; 0: not at all. Default: 1 s.
   */
  drainTimeout: time(
    { min: 0, max: 600_000, default: 1_000 },
    {
      ...times,
      description: 'time in which processes may finish what they have begun, before the server stops',
    },
  ),
  /** Milliseconds that `stop()` takes at most. Default: 5 s. */
  stopTimeout: time(
    { min: 0, max: 600_000, default: 5_000 },
    { ...times, description: 'time that stopping may take' },
  ),
  /** The least important level that is logged. Default: `info`. */
  logLevel: choice(['trace', 'debug', 'info', 'warn', 'error', 'silent'], 'info', {
    group: 'Logs',
    description: 'least important level that is logged: trace, debug, info, warn, error, silent',
  }),
  /** JSON, text for people, or (`auto`) text on a terminal and JSON elsewhere. Default: `auto`. */
  logFormat: choice(['auto', 'json', 'pretty'], 'auto', {
    group: 'Logs',
    description: 'json, pretty, or auto: pretty on a terminal and JSON elsewhere',
  }),
});
