/** Every option, once: its form, default, unit and description. Flags and variables are named after the keys. */

import { isIP } from 'node:net';
import { z } from 'zod';
import {
  choice,
  contents,
  count,
  dependentTime,
  described,
  path,
  size,
  text,
  time,
  units,
} from './fields.js';
import { MASTER_NAME_RULE, type MastersInput, readMasters } from './masters.js';
import { DATABASE_NAME_RULE, isDatabaseName, parseHost, withoutBrackets } from './names.js';
import { readTokens, TOKEN_ALLOWED, type TokenInput, tokenProblem } from './tokens.js';

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
    context.addIssue({ code: 'custom', message: problem, params: { problem, allowed: TOKEN_ALLOWED } });
  return z.NEVER;
});

/** An issue for each problem, which says itself what is allowed. */
const masters = z.custom<MastersInput>().transform((input, context) => {
  const result = readMasters(input);
  if (result.ok) return result.masters;
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
      context.addIssue({
        code: 'custom',
        params: { problem: `the token ${problem}`, allowed: TOKEN_ALLOWED },
      });
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
  certPath: path({ ...tls, description: 'certificate in PEM form, with those between it and its root' }),
  keyPath: path({ ...tls, description: 'private key of the certificate, in PEM form' }),
  pfxPath: path({ ...tls, description: 'PFX (PKCS #12) file: certificate and key in one' }),
  passphrase: text({ ...tls, secret: true, description: 'passphrase of the key or the PFX' }),
  caPath: path({
    ...tls,
    description: 'authorities in PEM form: clients must show a certificate signed by one',
  }),
  cert: contents({ ...tls, description: 'what --ssl-cert-path points to, as text' }),
  key: contents({ ...tls, secret: true, description: 'what --ssl-key-path points to, as text' }),
  pfx: contents({
    ...tls,
    secret: true,
    unit: 'base64',
    description: 'what --ssl-pfx-path points to, as base64 text',
  }),
  ca: contents({ ...tls, description: 'what --ssl-ca-path points to, as text' }),
});

/** The schema of all options. What each means to a program is said in server-options.ts. */
export const optionsSchema = z.strictObject({
  host: described(host.default('localhost'), {
    ...listening,
    unit: 'host',
    description: 'where to listen; 0.0.0.0 or :: is every interface',
    allowed: 'a host name or an IP address, without a port',
    defaultText: 'localhost',
  }),
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
  masters: described(masters.optional(), {
    group: 'Masters',
    form: 'masters',
    unit: 'name',
    flag: '--master',
    description:
      'database whose master this server runs; may be repeated, and --path behind it names its folder',
    allowed: `names of databases, ${MASTER_NAME_RULE}, each with its settings`,
  }),
  ssl: sslSchema.optional(),
  token: described(token.optional(), {
    ...access,
    form: 'token',
    unit: 'token',
    secret: true,
    description: 'token that clients must have; JSON for a list, or for one per database',
    allowed: `${TOKEN_ALLOWED}; or a JSON list of them, or a JSON object of them for databases`,
  }),
  tokenFile: path({
    ...access,
    description: 'file with the token: one on each line, or JSON; # starts a comment line',
  }),
  allowAnonymous: described(z.boolean().default(false), {
    ...access,
    form: 'boolean',
    unit: 'true or false',
    description: 'serve beyond loopback without a token, on a network that is trusted',
    allowed: 'true or false',
    defaultText: 'false',
  }),
  databases: described(z.array(z.string().refine(isDatabaseName)).min(1).readonly().optional(), {
    ...access,
    form: 'list',
    unit: 'names',
    description: 'databases that are served; mydb covers its data and transaction files',
    allowed: `a list of names of ${DATABASE_NAME_RULE}`,
    defaultText: 'all',
  }),
  adminToken: described(adminToken.optional(), {
    ...access,
    unit: 'token',
    secret: true,
    description: 'token of the endpoints that see all databases',
    allowed: TOKEN_ALLOWED,
    defaultText: 'the token, where there is exactly one',
  }),
  allowedOrigins: described(z.array(z.string().refine(isOrigin)).readonly().default([]), {
    ...access,
    form: 'list',
    unit: 'origins',
    description: 'origins whose web pages may connect',
    allowed: 'a list of origins such as https://app.example.com or http://localhost:3000, without a path',
  }),
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
  largeMessages: choice(['websocket', 'http'], 'websocket', {
    group: 'Large messages',
    description:
      'how a message too long for a frame reaches a client: websocket, or http for clients that can pick it up (stock ones cannot)',
  }),
  maxPayload: units(
    { min: KIB, max: MAX_PAYLOAD_UNITS, default: 32 * MIB },
    {
      ...limits,
      unit: 'UTF-16 units',
      description: 'longest message that a client may send over its WebSocket, in UTF-16 units',
    },
  ),
  maxHttpMessage: size(
    { min: KIB, max: 100 * MIB, default: 96 * MIB },
    { ...limits, description: 'longest message that a client may send over HTTP' },
  ),
  maxBuffered: size(
    { min: KIB, max: TIB, default: 64 * MIB },
    {
      ...limits,
      description: 'bytes that may wait for one connected peer, which is cut off when it is over that',
    },
  ),
  maxMailPerPeer: size(
    { min: KIB, max: TIB, default: 64 * MIB },
    {
      ...limits,
      description: 'bytes queued for a disconnected peer, or for a master that is absent or opens its files',
    },
  ),
  maxTotalBuffered: size(
    { min: KIB, max: TIB, default: 512 * MIB },
    {
      ...limits,
      description:
        'bytes that may wait for all peers; when they are over that, the peer with the most queued bytes is disconnected',
    },
  ),
  maxOutstandingRequests: count(
    { min: 1, max: 1_000_000, default: 100 },
    {
      ...limits,
      unit: 'requests',
      description: 'requests of one worker that the master has at one time; the others wait for their turn',
    },
  ),
  maxPeers: count(
    { min: 1, max: 1_000_000, default: 10_000 },
    { ...limits, unit: 'peers', description: 'peers of one database' },
  ),
  maxDatabases: count(
    { min: 1, max: 1_000_000, default: 1_000 },
    { ...limits, unit: 'databases', description: 'databases at one time' },
  ),
  maxConnections: count(
    { min: 1, max: 1_000_000, default: 20_000 },
    { ...limits, unit: 'connections', description: 'connections at one time' },
  ),
  watchProcesses: described(z.boolean().default(true), {
    ...limits,
    form: 'boolean',
    unit: 'true or false',
    description:
      'look if local processes behind broken connections have ended, and then wait no longer; --no-watch-processes turns it off',
    allowed: 'true or false',
    defaultText: 'true',
  }),
  handshakeTimeout: time(
    { min: 50, max: 5_000, default: 5_000 },
    { ...times, description: 'time for a handshake to be complete; a stock client crashes after 5 s' },
  ),
  masterSettle: time(
    { min: 0, max: 60_000, default: 2_000 },
    { ...times, description: 'time for a master to open its files, before it gets requests' },
  ),
  masterTimeout: time(
    { min: 1_000, max: HOUR, default: 60_000 },
    { ...times, description: 'time that a request waits while no master is connected, before it fails' },
  ),
  reconnectGrace: time(
    { min: 0, max: 600_000, default: 11_000 },
    {
      ...times,
      description: 'time in which a worker may come back, before it is gone and its locks are given back',
    },
  ),
  lease: dependentTime(
    { min: 100, max: 600_000 },
    {
      ...times,
      defaultText: '8 s',
      description: 'time for which the client may use its locks without a word of the server',
    },
  ),
  heartbeatInterval: time(
    { min: 100, max: 600_000, default: 10_000 },
    { ...times, description: 'how often a silent peer is pinged; less than heartbeatTimeout' },
  ),
  heartbeatTimeout: time(
    { min: 200, max: HOUR, default: 30_000 },
    { ...times, description: 'time after which a peer that answers no ping is cut off' },
  ),
  lockTimeout: time(
    { min: 100, max: 24 * HOUR, default: 120_000 },
    {
      ...times,
      description: "time that a lock lasts; must equal AceBase's storage.lockTimeout, which is in seconds",
    },
  ),
  readerDelay: time(
    { min: 0, max: 10_000, default: 100 },
    { ...times, description: 'time that reads are kept back at most while a write waits; 0 is off' },
  ),
  drainTimeout: time(
    { min: 0, max: 600_000, default: 1_000 },
    {
      ...times,
      description: 'time in which processes may finish what they have begun, before the server stops',
    },
  ),
  stopTimeout: time(
    { min: 0, max: 600_000, default: 5_000 },
    { ...times, description: 'time that stopping may take' },
  ),
  logLevel: choice(['trace', 'debug', 'info', 'warn', 'error', 'silent'], 'info', {
    group: 'Logs',
    description: 'least important level that is logged: trace, debug, info, warn, error, silent',
  }),
  logFormat: choice(['auto', 'json', 'pretty'], 'auto', {
    group: 'Logs',
    description: 'json, pretty, or auto: pretty on a terminal and JSON elsewhere',
  }),
});
