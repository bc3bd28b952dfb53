/** What `install()` takes. */

import { IPCError } from '../errors.js';
import { packageAround } from '../platform/packages.js';
import type { Durability } from './journal/logs.js';
import { REPAIRS, type RepairName } from './patches/repairs.js';
import type { ClientStatus } from './status.js';

/** What to install. */
export interface InstallOptions {
  /** Repairs that are switched off, by `false`. Default: all are on. */
  readonly repairs?: Readonly<Partial<Record<RepairName, boolean>>>;
  /**
   * Bytes that the cache of each database file may take in which AceBase finds where its nodes are: an estimate, at least 65,536.
   * Beyond it, the least recently used nodes are evicted. Default: 67,108,864 (64 MiB).
   */
  readonly cacheSize?: number;
  /**
   * Whether a database stays whole whenever the process ends: each write happens, or does not. `process`: whatever ends the process. `power`:
   * also when the power fails. `off`: as AceBase does. In a cluster it is in force while all processes keep one. Default: `process`.
   */
  readonly journal?: Durability;
  /** Is told when a connection is there, is lost, or is given up. Called again for each database file. */
  readonly onStatus?: (status: ClientStatus) => void;
  /**
   * The module `acebase` itself, for programs that a bundler has put AceBase into: what `import * as acebase` or `require()`
   * gives; several, in an array, where there are several. No other is looked for then.
   */
  readonly acebase?: object;
  /** Folders of further acebase packages, where this process loads such that are not found from where it started. */
  readonly packages?: readonly string[];
}

const NAMES: readonly (keyof InstallOptions)[] = [
  'repairs',
  'cacheSize',
  'journal',
  'onStatus',
  'acebase',
  'packages',
];

/** What `journal` may be. */
const JOURNALS: readonly unknown[] = ['off', 'process', 'power'];

/** What `cacheSize` is if nothing else is said. */
export const DEFAULT_CACHE_SIZE = 67_108_864;

/** About a hundred nodes: AceBase looks for those again that it has just found. */
const LEAST_CACHE_SIZE = 65_536;

/** @throws {IPCError} IPC_CLIENT_BAD_OPTION, which names the option, and what is allowed */
export function checkInstallOptions(options: unknown): void {
  if (!isObject(options)) throw bad('the options are not an object');
  checkNames('option', options, NAMES);
  const { repairs, cacheSize, journal, onStatus, packages } = options;
  if (repairs !== undefined) checkRepairs(repairs);
  if (cacheSize !== undefined && !(Number.isSafeInteger(cacheSize) && Number(cacheSize) >= LEAST_CACHE_SIZE))
    throw bad(`cacheSize is not a whole number of bytes, ${LEAST_CACHE_SIZE} or more`);
  if (journal !== undefined && !JOURNALS.includes(journal))
    throw bad('journal is none of off, process, power');
  if (onStatus !== undefined && typeof onStatus !== 'function') throw bad('onStatus is not a function');
  if (packages !== undefined) checkPackages(packages);
}

function checkRepairs(repairs: unknown): void {
  if (!isObject(repairs)) throw bad('repairs is not an object, such as { locks: false }');
  checkNames('repair', repairs, REPAIRS);
  for (const [name, value] of Object.entries(repairs)) {
    if (typeof value !== 'boolean' && value !== undefined)
      throw bad(`repairs.${name} is neither true nor false`);
  }
}

function checkPackages(packages: unknown): void {
  if (!Array.isArray(packages)) throw bad('packages is not an array of folders');
  for (const folder of packages as readonly unknown[]) {
    if (typeof folder !== 'string' || packageAround(folder, 'acebase') === undefined) {
      throw bad(`packages: ${JSON.stringify(folder)} is not the folder of an acebase package`);
    }
  }
}

function checkNames(what: string, given: object, known: readonly string[]): void {
  const unknown = Object.keys(given).filter((name) => !known.includes(name));
  if (unknown.length > 0)
    throw bad(`there is no ${what} ${unknown.join(', ')}; there are ${known.join(', ')}`);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function bad(detail: string): IPCError {
  return new IPCError('IPC_CLIENT_BAD_OPTION', detail);
}
