/** Masters that the server runs itself: what may be said of each, and the ways in which they are written. */

import { resolve } from 'node:path';
import { DATABASE_NAME_RULE, isDatabaseName } from './names.js';
import { nearestName } from './nearest-name.js';

/**
 * How the server runs the master of one database. Those of AceBase's storage settings are given here once: workers must have the
 * same ones, where they concern them.
 */
export interface MasterOptions {
  /** The folder that `<name>.acebase` is in, or is to be made in. Default: `.`, the working directory; in a config file, the folder of that. */
  readonly path?: string | undefined;
  /** Whether the database file is made where there is none. Default: true. */
  readonly create?: boolean | undefined;
  /** As `journal` of the client's `install()`: what the file survives. Default: `process`, as there. */
  readonly journal?: 'off' | 'process' | 'power' | undefined;
  /** AceBase's transaction log. Default: none is kept. */
  readonly transactions?:
    | {
        /** Whether one is kept. Default: false. */
        readonly log?: boolean | undefined;
        /** Days after which an entry is removed; 0: never. Default: 30. */
        readonly maxAge?: number | undefined;
        /** Whether a write does not wait for its entry. Default: false. */
        readonly noWait?: boolean | undefined;
      }
    | undefined;
  /** Whether properties that are `undefined` are removed, and are no error. Default: false. */
  readonly removeVoidProperties?: boolean | undefined;
  /** Bytes up to which a value is stored within its parent, 1 to 64. Of a new file only. Default: 50. */
  readonly maxInlineValueSize?: number | undefined;
  /** Records in a page, 1 to 65,536. Of a new file only. Default: 1,024. */
  readonly pageSize?: number | undefined;
  /** Bytes of a record, 64 to 65,536. Of a new file only. Default: 128. */
  readonly recordSize?: number | undefined;
}

/** What may be given as `masters`. */
export type MastersInput = Readonly<Record<string, MasterOptions>>;

/** The resolved settings of one master. What is undefined is as AceBase, or the client, has it by default. */
export interface MasterSettings {
  /** Absolute. */
  readonly path: string;
  readonly create: boolean;
  readonly journal: 'off' | 'process' | 'power' | undefined;
  readonly transactions: { readonly log: boolean; readonly maxAge: number; readonly noWait: boolean };
  readonly removeVoidProperties: boolean;
  readonly maxInlineValueSize: number | undefined;
  readonly pageSize: number | undefined;
  readonly recordSize: number | undefined;
}

/** The masters, or why they are none: each problem names the database and the setting. */
export type MastersResult =
  | { readonly ok: true; readonly masters: ReadonlyMap<string, MasterSettings> }
  | { readonly ok: false; readonly problems: readonly string[] };

/** The name on the wire has `_transaction` behind it. */
const LONGEST_NAME = 128 - '_transaction'.length;

/** Which names a managed master may have, in words. */
export const MASTER_NAME_RULE = DATABASE_NAME_RULE.replace('128', String(LONGEST_NAME));

/** Stands for text that should be JSON and is not. */
const BROKEN_JSON = Symbol('broken JSON');

/** What one setting may be. */
interface Kind {
  readonly allowed: string;
  fits(value: unknown): boolean;
}

const text: Kind = {
  allowed: 'text that is not empty',
  fits: (value) => typeof value === 'string' && value.trim() !== '',
};
const trueOrFalse: Kind = { allowed: 'true or false', fits: (value) => typeof value === 'boolean' };
const wholeNumber = (least: number, most: number): Kind => ({
  allowed: `a whole number from ${least} to ${most}`,
  fits: (value) => Number.isInteger(value) && Number(value) >= least && Number(value) <= most,
});
const days: Kind = {
  allowed: 'a number of days, 0 or more',
  fits: (value) => typeof value === 'number' && Number.isFinite(value) && value >= 0,
};
const oneOf = (...words: readonly unknown[]): Kind => ({
  allowed: words.join(', '),
  fits: (value) => words.includes(value),
});

const TRANSACTIONS: Readonly<Record<string, Kind>> = { log: trueOrFalse, maxAge: days, noWait: trueOrFalse };

const SETTINGS: Readonly<Record<keyof MasterOptions, Kind>> = {
  path: text,
  create: trueOrFalse,
  journal: oneOf('off', 'process', 'power'),
  transactions: { allowed: 'an object such as { "log": true }', fits: isPlain },
  removeVoidProperties: trueOrFalse,
  maxInlineValueSize: wholeNumber(1, 64),
  pageSize: wholeNumber(1, 65_536),
  recordSize: wholeNumber(64, 65_536),
};

/** Checks a `masters` option, fills in defaults, and makes paths absolute: those that are not start at the working directory. */
export function readMasters(input: unknown): MastersResult {
  if (input === BROKEN_JSON) return { ok: false, problems: ['the text starts like JSON, and is not JSON'] };
  if (!isPlain(input)) {
    const problem = 'the value is not an object of settings by names of databases, such as { "mydb": {} }';
    return { ok: false, problems: [problem] };
  }
  const entries = Object.entries(input);
  const problems = entries.flatMap(([name, given]) => problemsOf(name, given));
  if (problems.length > 0) return { ok: false, problems };
  const masters = entries.map(([name, given]) => [name, resolved(given as MasterOptions)] as const);
  return { ok: true, masters: new Map(masters) };
}

function problemsOf(name: string, given: unknown): string[] {
  if (!isDatabaseName(name) || name.length > LONGEST_NAME)
    return [`${JSON.stringify(name)} cannot be the name of a database. Allowed: ${MASTER_NAME_RULE}`];
  if (!isPlain(given)) return [`the settings of ${name} are not an object, such as { "path": "data" }`];
  const { transactions } = given as MasterOptions;
  return [
    ...settingProblems(name, given, SETTINGS),
    ...(isPlain(transactions) ? settingProblems(`${name}.transactions`, transactions, TRANSACTIONS) : []),
  ];
}

function settingProblems(where: string, given: object, kinds: Readonly<Record<string, Kind>>): string[] {
  return Object.entries(given).flatMap(([key, value]) => {
    const kind = Object.hasOwn(kinds, key) ? kinds[key] : undefined;
    if (kind === undefined) {
      const nearest = nearestName(key, Object.keys(kinds));
      const hint =
        nearest === undefined ? `there are ${Object.keys(kinds).join(', ')}` : `did you mean ${nearest}?`;
      return [`${where}.${key}: there is no such setting; ${hint}`];
    }
    if (value === undefined || kind.fits(value)) return [];
    return [
      `${where}.${key}: ${JSON.stringify(value) ?? typeof value} is not allowed. Allowed: ${kind.allowed}`,
    ];
  });
}

function resolved({ path = '.', create = true, transactions, ...rest }: MasterOptions): MasterSettings {
  const { log = false, maxAge = 30, noWait = false } = transactions ?? {};
  return {
    path: resolve(path),
    create,
    journal: rest.journal,
    transactions: { log, maxAge, noWait },
    removeVoidProperties: rest.removeVoidProperties ?? false,
    maxInlineValueSize: rest.maxInlineValueSize,
    pageSize: rest.pageSize,
    recordSize: rest.recordSize,
  };
}

/**
 * Masters from the environment or a flag: JSON if it starts with `{`, else a list of names, separated by commas.
 * @returns what `readMasters` takes; text that should be JSON and is not makes it fail
 */
export function parseMastersText(given: string): unknown {
  const trimmed = given.trim();
  if (!trimmed.startsWith('{')) {
    const names = trimmed.split(',').map((name) => name.trim());
    return Object.fromEntries(names.filter((name) => name !== '').map((name) => [name, {}]));
  }
  try {
    return JSON.parse(trimmed);
  } catch {
    return BROKEN_JSON;
  }
}

/** The same masters, with the paths that are not absolute, and those that are left out, starting at a folder. Anything else is left as it is. */
export function withPathsFrom(folder: string, given: unknown): unknown {
  if (!isPlain(given)) return given;
  const entries = Object.entries(given).map(([name, settings]: [string, unknown]) => {
    if (!isPlain(settings)) return [name, settings];
    const { path = '.' } = settings as { readonly path?: unknown };
    return [
      name,
      typeof path === 'string' && path !== '' ? { ...settings, path: resolve(folder, path) } : settings,
    ];
  });
  return Object.fromEntries(entries);
}

function isPlain(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
