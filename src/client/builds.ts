/** Finds the acebase packages that this process can load, and looks whether they are as this client knows them. */

import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { IPCError } from '../errors.js';
import type { IPCLock, LockDetails, RemoteIPCPeer } from './acebase.js';
import type { ValueClasses } from './codec.js';
import type { FileMethods } from './file-writes.js';
import type { IndexFileMethods, ReadIndexFile } from './index-files.js';
import type { IndexMethods } from './query-caches.js';

/** What is replaced in AceBase's class of remote peers. */
export type RemotePeerMethods = Pick<
  RemoteIPCPeer,
  'connect' | 'sendMessage' | 'sendRequest' | 'lock' | 'cancelRemoteSubscription' | 'exit'
>;

/** One build of one acebase package: its modules are loaded once in a process, whoever imports them. */
export interface Build {
  readonly folder: string;
  readonly version: string;
  readonly format: 'CommonJS' | 'ESM';
  readonly remotePeer: RemotePeerMethods;
  /** AceBase's own way to get a lock, of the class above. */
  readonly lock: (this: RemoteIPCPeer, details: LockDetails) => Promise<IPCLock>;
  readonly ExitingError: new (message: string) => Error;
  readonly indexMethods: readonly (IndexMethods & IndexFileMethods)[];
  readonly readIndexFile: ReadIndexFile;
  readonly files: FileMethods;
  readonly storageSettings: object | undefined;
  readonly classes: ValueClasses;
  createId(): string;
  /** Loads `ws` as AceBase does. */
  loadWebSocket(): unknown;
}

const LEAST_MINOR = 18;

const LAYOUTS = [
  { root: 'dist/cjs', format: 'CommonJS' },
  { root: 'dist/esm', format: 'ESM' },
  { root: 'src', format: 'CommonJS' },
] as const;

/**
 * The builds that this process can load: those of the program, of `acebase-server`, and of this package's neighbours.
 *
 * @param folders of further acebase packages
 * @throws {IPCError} IPC_CLIENT_NO_ACEBASE, IPC_CLIENT_UNKNOWN_ACEBASE
 */
export function findBuilds(folders: readonly string[] = []): Build[] {
  const packages = new Set([...folders, ...findPackages()].map((folder) => realpathSync(folder)));
  if (packages.size === 0) throw new IPCError('IPC_CLIENT_NO_ACEBASE');
  return [...packages].flatMap((folder) => buildsOf(folder));
}

function findPackages(): string[] {
  const { main } = createRequire(import.meta.url);
  const starts = [process.cwd(), process.argv[1], main?.filename, fileURLToPath(import.meta.url)]
    .filter((path) => path !== undefined)
    .map((path) => join(path, 'from-here.js'));
  const own = starts.flatMap((start) => packageFrom(start, 'acebase'));
  const servers = starts.flatMap((start) => packageFrom(start, 'acebase-server'));
  return [...own, ...servers.flatMap((server) => packageFrom(join(server, 'from-here.js'), 'acebase'))];
}

/** The folder of a package, as a module at `start` would find it. */
function packageFrom(start: string, name: string): string[] {
  for (let folder = dirname(start); ; folder = dirname(folder)) {
    const found = join(folder, 'node_modules', name);
    if (existsSync(join(found, 'package.json'))) return [found];
    if (folder === dirname(folder)) return [];
  }
}

function buildsOf(folder: string): Build[] {
  const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string };
  const [major, minor] = version.split('.').map(Number);
  if (major !== 1 || (minor ?? 0) < LEAST_MINOR)
    throw unknownBuild(folder, version, 'this version is not known');
  const layouts = LAYOUTS.filter(({ root }) => existsSync(join(folder, root, 'ipc/remote.js')));
  if (layouts.length === 0) throw unknownBuild(folder, version, 'it has no ipc/remote.js');
  return layouts.map(({ root, format }) => loadBuild(folder, version, root, format));
}

function loadBuild(folder: string, version: string, root: string, format: Build['format']): Build {
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
  for (const name of ['connect', 'sendMessage', 'fetch']) mustHave(Object.hasOwn(remotePeer, name), name);
  for (const name of [
    'lock',
    'request',
    'sendRequest',
    'handleMessage',
    'addPeer',
    'removePeer',
    'exit',
    'emit',
  ]) {
    mustHave(typeof remotePeer[name] === 'function', name);
  }
  function mustHave(condition: boolean, name: string): void {
    must(condition || undefined, `RemoteIPCPeer.${name}`);
  }
  if (remotePeer['version'] !== '1.0.0') throw unknownBuild(folder, version, 'it speaks another IPC version');
  const base = loaded('ipc/ipc.js');
  const dataIndex = loaded(
    existsSync(at('data-index/data-index.js')) ? 'data-index/index.js' : 'data-index.js',
  );
  const indexClass = must(
    dataIndex['DataIndex'] as (ReadIndexClass & { prototype: object }) | undefined,
    'DataIndex',
  );
  const indexes = Object.values(dataIndex).flatMap((value) =>
    typeof value === 'function' && (value === indexClass || value.prototype instanceof indexClass)
      ? [value.prototype as IndexMethods & IndexFileMethods]
      : [],
  );
  for (const name of ['handleRecordUpdate', '_processUpdateQueue', 'query', '_getTree']) {
    must(Object.hasOwn(indexClass.prototype, name) || undefined, `DataIndex.${name}`);
  }
  const files = must(loaded('promise-fs/index.js')['pfs'] as FileMethods | undefined, 'pfs');
  for (const name of ['write', 'close'] as const) must(files[name], `pfs.${name}`);
  const core = load('acebase-core') as ValueClasses & { ID: { generate(): string } };
  must(core.Transport?.serialize2, 'Transport.serialize2 in acebase-core');
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
    indexMethods: indexes,
    readIndexFile: (storage, fileName) => indexClass.readFromFile(storage, fileName),
    files,
    storageSettings: settings === undefined ? undefined : settingsPrototype(loaded(settings)),
    classes: core,
    createId: () => core.ID.generate(),
    loadWebSocket: () => load('ws') as unknown,
  };
}

interface ReadIndexClass {
  new (...rest: never[]): object;
  readFromFile: ReadIndexFile;
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
