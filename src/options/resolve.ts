/** From given values to settings: the highest source wins, the schema checks, and the options are held against each other. */

import { readFileSync } from 'node:fs';
import { IPCError } from '../errors.js';
import { coveredNames, isLoopbackHost } from './names.js';
import { optionsSchema } from './schema.js';
import type { ServerOptions } from './server-options.js';
import type { Settings } from './settings.js';
import {
  fromCode,
  fromEnvironment,
  fromFile,
  fromFlags,
  type Given,
  reasonOf,
  type Source,
  show,
} from './sources.js';
import { ENVIRONMENT_PREFIX, optionTable } from './table.js';
import { allTokens, parseTokenFile, type TokenPolicy } from './tokens.js';
import { formatTime } from './units.js';

/** What the command resolves options from. */
export interface OptionSources {
  /** Given flags, by long flag (`--max-payload`); `--config` is one of them. */
  readonly flags: ReadonlyMap<string, string | boolean>;
  /** The environment, `process.env`. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Reads a text file, or throws as `readFileSync` does. Default: the real file system. */
  readonly readFile?: (path: string) => string;
}

/** Settings, and what the command says about them. */
export interface ResolvedSources {
  readonly settings: Settings;
  /** One line each; those of the settings included. */
  readonly warnings: readonly string[];
  /** Where each option came from, by its name; one that is missing has its default. */
  readonly places: ReadonlyMap<string, string>;
  /** The config file; undefined if there is none. */
  readonly config: string | undefined;
}

const readFromDisk = (path: string) => readFileSync(path, 'utf8');

/**
 * Resolves the options that a program passes to the constructor. Reads the token file, if there is one.
 * @throws IPCError `IPC_OPTION_INVALID`, `IPC_OPTION_UNKNOWN`, `IPC_OPTION_INSECURE`, `IPC_TOKEN_FILE_UNREADABLE`; the
 *   message has a line for each problem
 */
export function resolveOptions(options: ServerOptions = {}): Settings {
  return resolve([fromCode(options)], readFromDisk).settings;
}

/**
 * Resolves the options of the command: a flag goes before a variable, a variable before the config file (`--config`,
 * or `ACEBASE_IPC_SERVER_CONFIG`), and the file before the default.
 * @throws IPCError as `resolveOptions`, and `IPC_CONFIG_UNREADABLE`
 */
export function resolveSources(sources: OptionSources): ResolvedSources {
  const readFile = sources.readFile ?? readFromDisk;
  const given = sources.flags.get('--config') ?? sources.environment[`${ENVIRONMENT_PREFIX}CONFIG`];
  const config = typeof given === 'string' && given !== '' ? given : undefined;
  const file = config === undefined ? [] : [fromFile(config, readFile)];
  const all = [fromFlags(sources.flags), fromEnvironment(sources.environment), ...file];
  return { ...resolve(all, readFile), config };
}

function resolve(
  sources: readonly Source[],
  readFile: (path: string) => string,
): Omit<ResolvedSources, 'config'> {
  // The first source goes before the others, so it is written last.
  const given = new Map(sources.toReversed().flatMap((source) => [...source.given]));
  const unknown = sources.flatMap((source) => source.unknown);
  const parsed = optionsSchema.safeParse(nest(given));
  const invalid = [
    ...sources.flatMap((source) => source.invalid),
    ...(parsed.success
      ? uncoveredMasters(parsed.data, given)
      : parsed.error.issues.map((issue) => describeIssue(issue, given))),
    ...inconsistencies(given),
    ...heartbeatProblem(given),
    ...leaseProblem(given),
  ];
  const lines = [...new Set([...unknown, ...invalid])];
  if (lines.length > 0 || !parsed.success) {
    throw new IPCError(invalid.length > 0 ? 'IPC_OPTION_INVALID' : 'IPC_OPTION_UNKNOWN', lines.join('\n'));
  }
  const { token, tokenFile, adminToken, ssl, ...rest } = parsed.data;
  const tokens =
    token ?? (tokenFile === undefined ? { kind: 'none' as const } : readTokenFile(tokenFile, readFile));
  const bare = {
    ...rest,
    databases: rest.databases,
    masters: rest.masters ?? new Map(),
    // Contents that are all undefined come from `ssl: {}`, which asks for nothing.
    ssl: ssl !== undefined && Object.values(ssl).some((value) => value !== undefined) ? ssl : undefined,
    tokens,
    tokenFile,
    adminToken: adminToken ?? singleToken(tokens),
    lease: rest.lease ?? Math.min(LEASE_MS, longestLease(rest.reconnectGrace)),
  };
  assertSecure(bare, given.get('host')?.place ?? 'host');
  const settings: Settings = { ...bare, warnings: warningsAbout(bare) };
  return {
    settings,
    warnings: [...sources.flatMap((source) => source.warnings), ...settings.warnings],
    places: new Map([...given].map(([name, { place }]) => [name, place])),
  };
}

/** The shape that the schema reads. Only known names get here, so no key can be `__proto__`. */
function nest(given: ReadonlyMap<string, Given>): object {
  const options: Record<string, unknown> = {};
  const ssl: Record<string, unknown> = {};
  for (const { name, path } of optionTable()) {
    const entry = given.get(name);
    if (entry === undefined) continue;
    if (path.length === 1) options[name] = entry.value;
    else ssl[path.at(-1) ?? ''] = entry.value;
  }
  return Object.keys(ssl).length > 0 ? { ...options, ssl } : options;
}

interface Issue {
  readonly path: readonly PropertyKey[];
  readonly params?: Readonly<Record<string, unknown>> | undefined;
}

/** One line: which option, where it came from, what was given, what is allowed. */
function describeIssue(issue: Issue, given: ReadonlyMap<string, Given>): string {
  // A path goes on into lists; the option is the longest beginning of it that is a name.
  const row = optionTable().find(({ path }) => path.every((key, depth) => issue.path[depth] === key));
  const entry = row === undefined ? undefined : given.get(row.name);
  if (row === undefined || entry === undefined) return `${issue.path.join('.')}: the value is not allowed`;
  const problem = issue.params?.['problem'];
  const allowed = issue.params?.['allowed'];
  if (typeof problem === 'string')
    return `${entry.place}: ${problem}${typeof allowed === 'string' ? `. Allowed: ${allowed}` : ''}`;
  // Of a list, only the entry that is wrong is shown.
  const index = issue.path[row.path.length];
  const written =
    Array.isArray(entry.value) && typeof index === 'number' ? entry.value[index] : entry.written;
  return `${entry.place}: ${row.secret ? 'the value (not shown)' : show(written)} is not allowed. Allowed: ${row.allowed}`;
}

const EXCLUSIVE = [
  ['token', 'tokenFile'],
  ['ssl.certPath', 'ssl.cert'],
  ['ssl.keyPath', 'ssl.key'],
  ['ssl.pfxPath', 'ssl.pfx'],
  ['ssl.caPath', 'ssl.ca'],
] as const;

/** Options that do not go together, one line each. */
function inconsistencies(given: ReadonlyMap<string, Given>): string[] {
  const lines: string[] = [];
  const first = (...names: string[]) =>
    names.map((name) => given.get(name)?.place).find((place) => place !== undefined);
  const exclude = (one: string | undefined, other: string | undefined) => {
    if (one !== undefined && other !== undefined)
      lines.push(`${one}: cannot be given together with ${other}. Allowed: one of the two`);
  };
  for (const [one, other] of EXCLUSIVE) exclude(first(one), first(other));
  const cert = first('ssl.certPath', 'ssl.cert');
  const key = first('ssl.keyPath', 'ssl.key');
  const pfx = first('ssl.pfxPath', 'ssl.pfx');
  exclude(pfx, cert);
  if (cert === undefined) exclude(pfx, key);
  if (pfx !== undefined) return lines;
  if (cert !== undefined && key === undefined)
    lines.push(
      `${cert}: the certificate needs its private key. Set ${asGiven('ssl.keyPath', cert)} or ${asGiven('ssl.key', cert)} as well`,
    );
  if (key !== undefined && cert === undefined)
    lines.push(
      `${key}: the private key needs its certificate. Set ${asGiven('ssl.certPath', key)} or ${asGiven('ssl.cert', key)} as well`,
    );
  const useless = first('ssl.caPath', 'ssl.ca', 'ssl.passphrase');
  if (cert === undefined && key === undefined && useless !== undefined) {
    lines.push(
      `${useless}: there is no certificate to use it with. Set ${asGiven('ssl.certPath', useless)} and ${asGiven('ssl.keyPath', useless)}, or ${asGiven('ssl.pfxPath', useless)}, as well`,
    );
  }
  return lines;
}

/** Masters of databases that `databases` keeps everybody from: one line each. */
function uncoveredMasters(
  { databases, masters }: { [name in 'databases' | 'masters']?: Settings[name] | undefined },
  given: ReadonlyMap<string, Given>,
): string[] {
  if (databases === undefined || masters === undefined) return [];
  const served = new Set(databases.flatMap(coveredNames));
  const place = given.get('databases')?.place;
  return [...masters.keys()]
    .filter((name) => !served.has(`${name}_data`))
    .map((name) => `${place}: ${name} is missing, whose master this server runs. Allowed: a list with it`);
}

/** What an option is called where another one was given: a flag, a variable, or its name. */
function asGiven(name: string, place: string): string {
  const row = optionTable().find((other) => other.name === name);
  if (row === undefined) return name;
  if (place.startsWith('--')) return row.flag;
  return place.startsWith(ENVIRONMENT_PREFIX) ? row.environment : name;
}

/** A peer could not answer a ping in time that is only sent when it is over. */
function heartbeatProblem(given: ReadonlyMap<string, Given>): string[] {
  const { heartbeatInterval, heartbeatTimeout } = optionsSchema.shape;
  const ownInterval = given.get('heartbeatInterval');
  const ownTimeout = given.get('heartbeatTimeout');
  const interval = heartbeatInterval.safeParse(ownInterval?.value);
  const timeout = heartbeatTimeout.safeParse(ownTimeout?.value);
  if (!interval.success || !timeout.success || timeout.data > interval.data) return [];
  if (ownTimeout !== undefined) {
    return [
      `${ownTimeout.place}: ${show(ownTimeout.written)} is not allowed, since heartbeatInterval is ${formatTime(interval.data)}. Allowed: more than that, or a shorter heartbeatInterval`,
    ];
  }
  // The defaults fit each other, so one of the two was given.
  return [
    `${ownInterval?.place}: ${show(ownInterval?.written)} is not allowed, since heartbeatTimeout is ${formatTime(timeout.data)}. Allowed: less than that, or a longer heartbeatTimeout`,
  ];
}

/** The longest lease by default, and which share of `reconnectGrace` any lease may be. */
const LEASE_MS = 8_000;
const LEASE_SHARE = 8 / 11;

/** Milliseconds; the rest of the grace is for the way of what was just written, and for clocks of different rates. */
function longestLease(reconnectGrace: number): number {
  return Math.floor(reconnectGrace * LEASE_SHARE);
}

/** Others would get what a process has locked while it may go on using it. */
function leaseProblem(given: ReadonlyMap<string, Given>): string[] {
  const own = given.get('lease');
  const lease = optionsSchema.shape.lease.safeParse(own?.value);
  const grace = optionsSchema.shape.reconnectGrace.safeParse(given.get('reconnectGrace')?.value);
  if (own === undefined || lease.data === undefined || !grace.success) return [];
  const longest = longestLease(grace.data);
  if (lease.data <= longest) return [];
  return [
    `${own.place}: ${show(own.written)} is not allowed, since reconnectGrace is ${formatTime(grace.data)}. Allowed: 8/11 of that, ${formatTime(longest)}, at most, or a longer reconnectGrace`,
  ];
}

function readTokenFile(file: string, readFile: (path: string) => string): TokenPolicy {
  let contents: string;
  try {
    contents = readFile(file);
  } catch (error) {
    throw new IPCError(
      'IPC_TOKEN_FILE_UNREADABLE',
      `the token file ${file} cannot be read: ${reasonOf(error)}`,
      { cause: error },
    );
  }
  const result = parseTokenFile(contents);
  if (result.ok) return result.policy;
  throw new IPCError(
    'IPC_TOKEN_FILE_UNREADABLE',
    result.problems.map((problem) => `the token file ${file}: ${problem}`).join('\n'),
  );
}

function singleToken(policy: TokenPolicy): string | undefined {
  return policy.kind === 'shared' && policy.tokens.length === 1 ? policy.tokens[0] : undefined;
}

type Bare = Omit<Settings, 'warnings'>;

/**
 * Makes sure that not everybody may join who reaches the host.
 *
 * @param place where the host was given, for the message
 * @throws IPCError `IPC_OPTION_INSECURE`
 */
export function assertSecure(
  settings: Pick<Settings, 'host' | 'tokens' | 'allowAnonymous'>,
  place: string,
): void {
  if (settings.tokens.kind !== 'none' || settings.allowAnonymous || isLoopbackHost(settings.host)) return;
  throw new IPCError(
    'IPC_OPTION_INSECURE',
    `${place}: ${show(settings.host)} is not loopback, and no token is set, so anyone who reaches it could join`,
  );
}

const SHORT_TOKEN_LENGTH = 16;

function warningsAbout(settings: Bare): string[] {
  const warnings: string[] = [];
  const tokens = [
    ...allTokens(settings.tokens),
    ...(settings.adminToken === undefined ? [] : [settings.adminToken]),
  ];
  if (!isLoopbackHost(settings.host) && tokens.some((token) => token.length < SHORT_TOKEN_LENGTH)) {
    warnings.push(
      `a token has fewer than ${SHORT_TOKEN_LENGTH} characters and can be guessed by anyone who reaches ${settings.host}; openssl rand -hex 24 makes a good one`,
    );
  }
  if (settings.allowAnonymous && settings.tokens.kind !== 'none') {
    warnings.push('allowAnonymous has no effect, because a token is set');
  }
  return warnings;
}
