/** Where options come from: code, flags, the environment, a file. Each becomes a list of given values with a place. */

import { dirname, resolve } from 'node:path';
import { IPCError } from '../errors.js';
import { codeOf, messageOf } from '../system-error.js';
import { parseMastersText, withPathsFrom } from './masters.js';
import { nearestName } from './nearest-name.js';
import { ENVIRONMENT_PREFIX, type OptionRow, optionTable } from './table.js';
import { parseTokenText } from './tokens.js';

/** One value of one option, and where somebody wrote it. */
export interface Given {
  readonly value: unknown;
  /** As in an error: `--max-payload`, `ACEBASE_IPC_SERVER_MAX_PAYLOAD`, `"maxPayload" in /path/config.json`. */
  readonly place: string;
  readonly source: 'flag' | 'environment' | 'file' | 'code';
  /** What was written, where `value` is already made of it. */
  readonly written: unknown;
}

/** What a source gives, by the name of the option; what is wrong with it; and what a user should know. */
export interface Source {
  readonly given: ReadonlyMap<string, Given>;
  readonly unknown: readonly string[];
  readonly invalid: readonly string[];
  readonly warnings: readonly string[];
}

/** Makes one object's keys into a source: code and the file have the same shape. */
function fromObject(
  input: object,
  source: Given['source'],
  placeOf: (name: string) => string,
  change: (row: OptionRow, value: unknown) => unknown,
): Source {
  const given = new Map<string, Given>();
  const unknown: string[] = [];
  const invalid: string[] = [];
  const visit = (values: object, prefix: string) => {
    const known = knownKeys(prefix);
    for (const [key, value] of Object.entries(values)) {
      const name = prefix + key;
      const row = optionTable().find((option) => option.name === name);
      if (value === undefined) continue;
      if (row !== undefined) {
        given.set(name, { value: change(row, value), place: placeOf(name), source, written: value });
      } else if (name !== 'ssl') {
        unknown.push(`${placeOf(name)}: there is no such option${suggestion(key, known)}`);
      } else if (isPlain(value)) visit(value, 'ssl.');
      else
        invalid.push(
          `${placeOf(name)}: ${show(value)} is not allowed. Allowed: an object with certPath and keyPath, or pfxPath`,
        );
    }
  };
  visit(input, '');
  return { given, unknown, invalid, warnings: [] };
}

function knownKeys(prefix: string): string[] {
  const inside = optionTable().filter((row) => row.name.startsWith(prefix));
  return [...new Set(inside.map((row) => row.name.slice(prefix.length).split('.')[0] ?? ''))];
}

function isPlain(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function suggestion(name: string, known: readonly string[]): string {
  const nearest = nearestName(name, known);
  return nearest === undefined ? '' : `; did you mean ${nearest}?`;
}

/** The options that were passed to the constructor. */
export function fromCode(options: unknown): Source {
  if (!isPlain(options))
    throw new IPCError('IPC_OPTION_INVALID', `options: ${show(options)} is not allowed. Allowed: an object`);
  return fromObject(
    options,
    'code',
    (name) => `options.${name}`,
    (_row, value) => value,
  );
}

/**
 * The config file. Its paths are relative to its own folder, so that it can be moved together with what it names.
 * @throws IPCError `IPC_CONFIG_UNREADABLE`
 */
export function fromFile(file: string, readFile: (path: string) => string): Source {
  const input = parseConfig(file, readText(file, readFile));
  if (!isPlain(input))
    throw new IPCError(
      'IPC_CONFIG_UNREADABLE',
      `the config file ${file} holds ${show(input)}, not a JSON object of options`,
    );
  const folder = dirname(file);
  return fromObject(
    input,
    'file',
    (name) => `"${name}" in ${file}`,
    (row, value) => {
      if (row.form === 'masters') return withPathsFrom(folder, value);
      return row.form === 'path' && typeof value === 'string' && value !== ''
        ? resolve(folder, value)
        : value;
    },
  );
}

function readText(file: string, readFile: (path: string) => string): string {
  try {
    return readFile(file).replace(/^\uFEFF/, '');
  } catch (error) {
    throw new IPCError(
      'IPC_CONFIG_UNREADABLE',
      `the config file ${file} cannot be read: ${reasonOf(error)}`,
      { cause: error },
    );
  }
}

function parseConfig(file: string, contents: string): unknown {
  try {
    return JSON.parse(contents);
  } catch (error) {
    // The engine's message may quote the file, secrets included: only its first words and the position are passed on,
    // and the error itself is not kept as the cause.
    const message = error instanceof Error ? error.message : '';
    const reason = /^(Unexpected token|[^"]*?(?= in JSON| at position|,|$))/.exec(message)?.[0] ?? '';
    throw new IPCError(
      'IPC_CONFIG_UNREADABLE',
      `the config file ${file} is not JSON: ${reason}${positionIn(contents, message)}`,
    );
  }
}

function positionIn(contents: string, message: string): string {
  const position = /position (\d+)/.exec(message)?.[1];
  if (position === undefined) return '';
  const before = contents.slice(0, Number(position)).split('\n');
  return ` at line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1}`;
}

/** Why the system did not do it, in words: `no such file`. */
export function reasonOf(error: unknown): string {
  const code = codeOf(error);
  if (code === 'ENOENT') return 'there is no such file';
  if (code === 'EACCES' || code === 'EPERM') return 'this user may not read it';
  if (code === 'EISDIR') return 'it is a folder';
  return messageOf(error);
}

/** Parsed flags, by long flag: text, or a boolean. */
export function fromFlags(flags: ReadonlyMap<string, string | boolean>): Source {
  const given = new Map<string, Given>();
  const warnings: string[] = [];
  for (const row of optionTable()) {
    const text = flags.get(row.flag);
    if (text === undefined) continue;
    given.set(row.name, { value: fromText(row, text), place: row.flag, source: 'flag', written: text });
    if (row.secret) {
      const instead = row.name === 'token' ? `--token-file or ${row.environment}` : row.environment;
      warnings.push(
        `${row.flag} is visible to every user of this machine in the process list; use ${instead} instead`,
      );
    }
  }
  return { given, unknown: [], invalid: [], warnings };
}

/** The environment. Empty variables count as unset; unknown ones of our prefix give warnings. */
export function fromEnvironment(environment: Readonly<Record<string, string | undefined>>): Source {
  const given = new Map<string, Given>();
  const warnings: string[] = [];
  const rows = new Map(optionTable().map((row) => [row.environment, row]));
  const known = [...rows.keys(), `${ENVIRONMENT_PREFIX}CONFIG`];
  for (const [name, text] of Object.entries(environment)) {
    if (!name.startsWith(ENVIRONMENT_PREFIX) || text === undefined || text === '') continue;
    const row = rows.get(name);
    if (isServiceLink(name, text)) {
      if (row !== undefined)
        warnings.push(
          `${name} looks like the address that Kubernetes sets for a service of that name, and is ignored; use --port or the config file, or set enableServiceLinks: false`,
        );
    } else if (row !== undefined) {
      given.set(row.name, { value: fromText(row, text), place: name, source: 'environment', written: text });
    } else if (name !== `${ENVIRONMENT_PREFIX}CONFIG`) {
      warnings.push(`${name} is not a variable of this server and has no effect${suggestion(name, known)}`);
    }
  }
  return { given, unknown: [], invalid: [], warnings };
}

/**
 * Kubernetes gives every container variables for each service: for one that is named acebase-ipc-server they have our
 * prefix, and `ACEBASE_IPC_SERVER_PORT` is then `tcp://10.0.0.1:9163`.
 */
function isServiceLink(name: string, text: string): boolean {
  const rest = name.slice(ENVIRONMENT_PREFIX.length);
  return (
    (rest === 'PORT' && /^(tcp|udp|sctp):\/\//.test(text)) || /^(SERVICE_(HOST|PORT)|PORT_\d+_)/.test(rest)
  );
}

function fromText(row: OptionRow, text: string | boolean): unknown {
  if (typeof text === 'boolean') return text;
  if (row.form === 'token') return parseTokenText(text);
  if (row.form === 'masters') return parseMastersText(text);
  if (row.form === 'list')
    return text
      .split(',')
      .map((entry) => entry.trim())
      .filter((entry) => entry !== '');
  if (row.form !== 'boolean') return text;
  const word = text.trim().toLowerCase();
  if (word === 'true' || word === '1') return true;
  return word === 'false' || word === '0' ? false : text;
}

/** How a value is quoted in a message: JSON in one short line. */
export function show(value: unknown): string {
  if (typeof value === 'function' || typeof value === 'symbol' || typeof value === 'bigint')
    return `a ${typeof value}`;
  if (typeof value === 'number') return String(value);
  const written = JSON.stringify(value) ?? 'undefined';
  return written.length > 80 ? `${written.slice(0, 77)}…` : written;
}
