/** Finds the acebase packages that this process can load, and looks whether they are as this client knows them. */

import { existsSync, realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import { isAbsolute, join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { IPCError } from '../errors.js';
import { findPackage, type InstalledPackage, packageAround } from '../platform/packages.js';
import type { Build, RemotePeerMethods } from './build.js';
import type { ValueClasses } from './core/codec.js';
import type { EarlyMethods } from './patches/early-operations.js';
import type { FileMethods } from './patches/file-writes.js';
import type { IndexFileMethods, ReadIndexFile } from './patches/indexes/index-files.js';
import type { IndexMethods } from './patches/indexes/query-caches.js';
import type { OpeningMethods } from './patches/opening.js';
import type { TreeMethods } from './patches/tree-growth.js';
import type { PlacedWrites } from './patches/write-order.js';

/** A build of a package. */
export interface FoundBuild extends Build {
  readonly folder: string;
  readonly version: string;
  readonly format: 'CommonJS' | 'ESM';
}

const LEAST_MINOR = 18;

const LAYOUTS = [
  { root: 'dist/cjs', format: 'CommonJS' },
  { root: 'dist/esm', format: 'ESM' },
  { root: 'src', format: 'CommonJS' },
] as const;

/**
 * The builds that this process can load: those of the program, and of `acebase-server` as the program has it. Packages are
 * found as the program's own `require()` finds them.
 *
 * @param folders of further acebase packages
 * @param mayImport whether it may load ES builds
 * @throws {IPCError} IPC_CLIENT_NO_ACEBASE, IPC_CLIENT_UNKNOWN_ACEBASE
 */
export function findBuilds(folders: readonly string[] = [], mayImport = true): FoundBuild[] {
  const builds = buildsOf([...packagesIn(folders), ...findPackages()], mayImport);
  if (builds.length === 0) throw new IPCError('IPC_CLIENT_NO_ACEBASE');
  return builds;
}

/**
 * The builds in these folders.
 *
 * @throws {IPCError} IPC_CLIENT_UNKNOWN_ACEBASE
 */
export function buildsIn(folders: readonly string[]): FoundBuild[] {
  return buildsOf(packagesIn(folders));
}

function packagesIn(folders: readonly string[]): (InstalledPackage | undefined)[] {
  return folders.map((folder) => packageAround(folder, 'acebase'));
}

function buildsOf(packages: readonly (InstalledPackage | undefined)[], mayImport = true): FoundBuild[] {
  const byFolder = new Map<string, InstalledPackage>();
  for (const found of packages) if (found !== undefined) byFolder.set(found.folder, found);
  return [...byFolder.values()].flatMap((found) => buildsOfPackage(found, mayImport));
}

function findPackages(): (InstalledPackage | undefined)[] {
  const starts = startsOfSearch();
  const servers = starts.map((start) => findPackage('acebase-server', start));
  return [
    ...starts.map((start) => findPackage('acebase', start)),
    ...servers.map((server) => server && findPackage('acebase', server.entry)),
  ];
}

/** Where modules of the program may be: its main module, as Node.js, pm2 and test runners tell it, and the working folder. */
function startsOfSearch(): string[] {
  const folder = join(process.cwd(), sep);
  const { main } = createRequire(folder);
  const program = [process.argv[1], process.env['pm_exec_path']].map(realPath);
  // Where a bundler put this module into another one, this may be missing.
  const here = ownPath();
  return [main?.filename, ...program, folder, here].filter(
    (path): path is string => path !== undefined && isAbsolute(path),
  );
}

function ownPath(): string | undefined {
  const url = import.meta.url as string | undefined;
  return url?.startsWith('file:') ? fileURLToPath(url) : undefined;
}

/** Node.js looks for packages from where the program is, and not from a link to it. */
function realPath(path: string | undefined): string | undefined {
  try {
    return path === undefined ? undefined : realpathSync(path);
  } catch {
    return path;
  }
}

function buildsOfPackage({ folder, version }: InstalledPackage, mayImport: boolean): FoundBuild[] {
  const [major, minor] = version.split('.').map(Number);
  if (major !== 1 || (minor ?? 0) < LEAST_MINOR)
    throw unknownBuild(folder, version, 'this version is not known');
  const layouts = LAYOUTS.filter(({ root }) => existsSync(join(folder, root, 'ipc/remote.js')));
  if (layouts.length === 0) throw unknownBuild(folder, version, 'it has no ipc/remote.js');
  return layouts.flatMap(({ root, format }) => {
    if (format === 'ESM' && !mayImport && layouts.length > 1) return [];
    try {
      return [loadBuild(folder, version, root, format)];
    } catch (error) {
      // Not everywhere can require() load ES modules: jest cannot, nor loaders such as Yarn's. The program may have no use
      // for them there; if it has, unpatched-copies.ts tells.
      if (format === 'ESM' && layouts.length > 1 && !(error instanceof IPCError)) return [];
      throw error;
    }
  });
}

function loadBuild(folder: string, version: string, root: string, format: FoundBuild['format']): FoundBuild {
  const at = (path: string): string => join(folder, root, path);
  const load = createRequire(at('ipc/remote.js'));
  const must = <T>(value: T | undefined, what: string): T => {
    if (value === undefined) throw unknownBuild(folder, version, `${root} has no ${what}`);
    return value;
  };
  const loaded = (path: string): Record<string, unknown> => load(at(path)) as Record<string, unknown>;
  const prototypeOf = (modules: Record<string, unknown>, name: string): Record<string, unknown> => {
    const found = modules[name];
    return must(typeof found === 'function' ? (found.prototype as Record<string, unknown>) : undefined, name);
  };
  const remotePeer = prototypeOf(loaded('ipc/remote.js'), 'RemoteIPCPeer');
  const missing = missingIn(remotePeer);
  if (missing !== undefined) throw unknownBuild(folder, version, `${root} has no ${missing}`);
  const base = loaded('ipc/ipc.js');
  const dataIndex = loaded(
    existsSync(at('data-index/data-index.js')) ? 'data-index/index.js' : 'data-index.js',
  );
  const indexClass = must(dataIndex['DataIndex'] as ReadIndexClass | undefined, 'DataIndex');
  for (const name of ['handleRecordUpdate', '_processUpdateQueue', 'query', '_getTree']) {
    must(Object.hasOwn(indexClass.prototype, name) || undefined, `DataIndex.${name}`);
  }
  const files = must(
    loaded('promise-fs/index.js')['pfs'] as (FileMethods & OpeningMethods & PlacedWrites) | undefined,
    'pfs',
  );
  for (const name of ['write', 'ftruncate', 'close', 'open', 'mkdir'] as const)
    must(files[name], `pfs.${name}`);
  const core = load('acebase-core') as ValueClasses & { ID: { generate(): string } };
  must(core.PathReference, 'PathReference in acebase-core');
  const settings = ['storage/storage-settings.js', 'storage.js', 'storage/index.js'].find((path) =>
    existsSync(at(path)),
  );
  return {
    folder,
    version,
    format,
    remotePeer: remotePeer as unknown as RemotePeerMethods,
    lock: remotePeer['lock'] as Build['lock'],
    ExitingError: (base['AceBaseIPCPeerExitingError'] as Build['ExitingError'] | undefined) ?? Error,
    // Other kinds of indexes go by the methods of this one.
    indexClass: {
      methods: indexClass.prototype,
      readFromFile: (storage, fileName) => indexClass.readFromFile(storage, fileName),
    },
    trees: existsSync(at(TREES)) ? treesIn(loaded(TREES)) : undefined,
    files,
    storageSettings: settings === undefined ? undefined : settingsPrototype(loaded(settings)),
    classes: core,
    createId: () => core.ID.generate(),
    whenDatabaseIsMade: (found) =>
      found({
        database: prototypeOf(loaded('acebase-local.js'), 'AceBase') as unknown as EarlyMethods['database'],
        api: prototypeOf(loaded('api-local.js'), 'LocalApi') as unknown as EarlyMethods['api'],
      }),
  };
}

/** What a class of remote peers lacks of what this client knows them by; `undefined` if nothing. */
export function missingIn(remotePeer: object): string | undefined {
  const own = ['connect', 'sendMessage', 'fetch'].find((name) => !Object.hasOwn(remotePeer, name));
  const inherited = [
    'lock',
    'request',
    'sendRequest',
    'handleMessage',
    'addPeer',
    'removePeer',
    'exit',
    'emit',
  ];
  const method = own ?? inherited.find((name) => typeof Reflect.get(remotePeer, name) !== 'function');
  if (method !== undefined) return `RemoteIPCPeer.${method}`;
  return Reflect.get(remotePeer, 'version') === '1.0.0' ? undefined : 'IPC version 1.0.0';
}

interface ReadIndexClass {
  readonly prototype: IndexMethods & IndexFileMethods;
  readFromFile: ReadIndexFile;
}

/** Where AceBase has its trees; another place in old versions. */
const TREES = 'btree/binary-tree.js';

function treesIn(modules: Record<string, unknown>): TreeMethods | undefined {
  const found = modules['BinaryBPlusTree'];
  const trees = typeof found === 'function' ? (found.prototype as object) : {};
  return Object.hasOwn(trees, 'transaction') ? (trees as TreeMethods) : undefined;
}

function settingsPrototype(modules: Record<string, unknown>): object | undefined {
  const found = modules['StorageSettings'];
  return typeof found === 'function' ? (found.prototype as object) : undefined;
}

function unknownBuild(folder: string, version: string, problem: string): IPCError {
  return new IPCError(
    'IPC_CLIENT_UNKNOWN_ACEBASE',
    `acebase ${version} in ${folder} is not one that this client knows: ${problem}. It knows acebase 1.${LEAST_MINOR} to 1.29`,
  );
}
