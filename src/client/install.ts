/** Makes the remote peer of AceBase sound, in this process (docs/CLIENT.md). */

import cluster from 'node:cluster';
import { WebSocket } from 'ws';
import packageJson from '../../package.json' with { type: 'json' };
import { ERRORS, IPCError } from '../errors.js';
import { systemClock } from '../platform/clock.js';
import { folderOf, loggerOf, type RemoteIPCPeer, type Storage } from './acebase.js';
import { describe } from './address.js';
import type { Build, IndexClass } from './build.js';
import { buildsIn, findBuilds, missingIn } from './builds.js';
import type { Client } from './core/client.js';
import type { ValueClasses } from './core/codec.js';
import type { IPCLock, LockDetails } from './core/host.js';
import { type JointLease, jointLease, type Lease } from './core/lease.js';
import { clientOf } from './endpoint.js';
import { FolderRecord, refuseFolderInUse } from './folder-record.js';
import {
  buildOf,
  type HandedModule,
  lastPrototype,
  readHandedModules,
  whenIndexIsThere,
  whenRemotePeerIsMade,
} from './handed-module.js';
import { checkInstallOptions, DEFAULT_CACHE_SIZE, type InstallOptions } from './install-options.js';
import { checkRole, isForServer, soundConfig, withPort, withRole } from './ipc-settings.js';
import { canKeepJournal, keepWhole, type Place, SharedJournal } from './journal/keep-whole.js';
import { closeDataBeforeLog } from './patches/closing.js';
import { failEarlyOperations } from './patches/early-operations.js';
import { failAfterFailedWrites } from './patches/failed-files.js';
import { noteFailedWrites } from './patches/failed-writes.js';
import { type FencedFiles, FileFence } from './patches/file-fence.js';
import { closeAfterWrites } from './patches/file-writes.js';
import { repairIndexFiles } from './patches/indexes/index-files.js';
import { releaseIndexesAfterFailures } from './patches/indexes/index-locks.js';
import { repairIndexRebuilds } from './patches/indexes/index-rebuilds.js';
import { failIndexesAfterFailedStreams } from './patches/indexes/index-streams.js';
import { repairQueryCaches } from './patches/indexes/query-caches.js';
import { lookUpWithoutLease, replaceNodeCache } from './patches/node-cache.js';
import {
  closeAllAfterWrites,
  closeNothingUnopened,
  holdAllFiles,
  writeAllInOrder,
} from './patches/node-files.js';
import { fileOf, HeldFiles } from './patches/opening.js';
import { QuickDisk } from './patches/quick-disk.js';
import type { RepairName } from './patches/repairs.js';
import { Transactions } from './patches/transactions.js';
import { countFixesAsProgress } from './patches/tree-growth.js';
import { whenAssigned } from './patches/when-assigned.js';
import { writeInOrder } from './patches/write-order.js';
import { watchForUnpatchedCopies } from './unpatched-copies.js';

export type { TlsOptions } from './acebase.js';
export type { InstallOptions } from './install-options.js';
export type { RepairName } from './patches/repairs.js';
export type { ClientStatus } from './status.js';

/** One build that has this client. */
export interface InstalledBuild {
  /** The folder of the acebase package; `undefined` if the module was handed over. */
  readonly folder: string | undefined;
  readonly version: string | undefined;
  readonly format: 'CommonJS' | 'ESM' | 'handed over';
}

/** What is installed, in the whole process: the module may be loaded twice, as ESM and as CommonJS. */
interface Installation {
  readonly builds: InstalledBuild[];
  readonly undo: (() => void)[];
  /** Classes of remote peers that are patched, and what modules were handed over. */
  readonly known: Set<object>;
  /** Where it is seen that a storage is made. */
  readonly emitters: Set<object>;
  /** Paths of the database files whose storages were made there. */
  readonly files: Set<string>;
  /** Around the files of all databases. */
  readonly fence: FileFence;
  options: InstallOptions;
}

const KEY = Symbol.for('acebase-ipc-server.client');
const place = globalThis as { [KEY]?: Installation | undefined };

/**
 * Puts this client into the acebase packages that this process can load, or into those that are handed over. To be called
 * before the first AceBase is made; databases that are there already stay as they are, and say so. Called again it changes
 * the options, and takes further modules that are handed over.
 *
 * @returns the builds that have it now
 * @throws {IPCError} IPC_CLIENT_NO_ACEBASE, IPC_CLIENT_UNKNOWN_ACEBASE, IPC_CLIENT_BAD_OPTION, IPC_CLIENT_RUNTIME; nothing is
 * changed then
 */
export function install(options: InstallOptions = {}): readonly InstalledBuild[] {
  return installIn(options, true);
}

/** The same in a program that loads AceBase by `require()` alone: its ES build stays as it is, and is not loaded. */
export function installForRequire(options: InstallOptions): readonly InstalledBuild[] {
  return installIn(options, false);
}

function installIn(options: InstallOptions, mayImport: boolean): readonly InstalledBuild[] {
  // It has a `ws` of its own in the place of every other: no answers of the server that are refusals, no socket.
  if (process.versions['bun'] !== undefined) throw new IPCError('IPC_CLIENT_RUNTIME');
  checkInstallOptions(options);
  const handed = readHandedModules(options.acebase);
  const installation = place[KEY] ?? begin(options, handed.length > 0, mayImport);
  installation.options = options;
  for (const module of handed) {
    if (installation.known.has(module.emitter)) continue;
    installation.known.add(module.emitter);
    installation.undo.push(checkSettings(module), patchWhenUsed(module, installation));
    watchStorages(module.emitter, installation, module.classes);
    installation.builds.push({ folder: undefined, version: undefined, format: 'handed over' });
  }
  return installation.builds;
}

function begin(options: InstallOptions, isHanded: boolean, mayImport: boolean): Installation {
  const builds = isHanded ? buildsIn(options.packages ?? []) : findBuilds(options.packages, mayImport);
  const fence = new FileFence(new QuickDisk(systemClock));
  const installation: Installation = {
    builds: [...builds],
    undo: [],
    known: new Set(),
    emitters: new Set(),
    files: new Set(),
    fence,
    options,
  };
  // Below all that is put on top: what waits there is not under way.
  installation.undo.push(failAfterFailedWrites(), failIndexesAfterFailedStreams(), fence.patch());
  for (const build of builds) {
    installation.undo.push(patch(build, installation));
    watchStorages(lastPrototype(build.remotePeer), installation, build.classes);
  }
  const isKnown = (path: string): boolean => installation.files.has(path);
  installation.undo.push(
    watchForUnpatchedCopies(isKnown, (database) => sayUnpatched(database, installation)),
  );
  place[KEY] = installation;
  return installation;
}

function sayUnpatched(database: string, { options }: Installation): void {
  const error = new IPCError(
    'IPC_CLIENT_UNPATCHED',
    `${database} was opened by a copy of AceBase that the client is not in. ${ERRORS.IPC_CLIENT_UNPATCHED.remedy} See "Bundlers" in docs/CLIENT.md of ${packageJson.name}`,
  );
  process.emitWarning(error);
  options.onStatus?.({ kind: 'unpatched', database, reason: error.message });
}

/** What this process writes there is not crash-safe: its user is to know, and so is the program. */
function sayNoJournal({ name, settings }: Storage, error: IPCError, { options }: Installation): void {
  process.emitWarning(error);
  const database = `${name}_${settings.type ?? 'data'}`;
  options.onStatus?.({ kind: 'no-journal', database, reason: error.message });
}

/**
 * All storages of acebase are noted as they are made, and get a cache of nodes; those that have no IPC server get a journal.
 *
 * @param emitter the prototype that their peers go back to
 * @param classes those of that acebase
 */
function watchStorages(emitter: object | undefined, installation: Installation, classes: ValueClasses): void {
  if (emitter === undefined || installation.emitters.has(emitter)) return;
  installation.emitters.add(emitter);
  const undo = whenAssigned(emitter, 'ipcType', (peer) => {
    const { storage } = peer as Partial<RemoteIPCPeer>;
    const { journal = 'process' } = installation.options;
    if (storage === undefined) return;
    installation.files.add(fileOf(storage));
    if (installation.options.repairs?.['node-cache'] !== false) {
      const maxBytes = (): number => installation.options.cacheSize ?? DEFAULT_CACHE_SIZE;
      replaceNodeCache(storage, { clock: systemClock, maxBytes });
    }
    if (!canKeepJournal(storage)) return;
    const ipc: unknown = Reflect.get(storage.settings, 'ipc');
    if (!isForServer(ipc)) refuseFolderInUse(storage);
    // Whether it is a file that no other process is known to have open.
    if (ipc || !isAlone()) return;
    const cannotKeep = (error: IPCError): void => sayNoJournal(storage, error, installation);
    keepWhole(storage, journal, { isAlone, cannotKeep, classes });
  });
  installation.undo.push(undo);
}

/** Whether this process has no workers of Node's own cluster: AceBase shares its databases with those. */
function isAlone(): boolean {
  return cluster.isPrimary && Object.keys(cluster.workers ?? {}).length === 0;
}

function patchWhenUsed(module: HandedModule, installation: Installation): () => void {
  return whenRemotePeerIsMade(module.emitter, (remotePeer) => {
    if (installation.known.has(remotePeer)) return;
    const missing = missingIn(remotePeer);
    if (missing !== undefined) {
      const detail = `the acebase that install() was given is not one that this client knows: it has no ${missing}`;
      throw new IPCError('IPC_CLIENT_UNKNOWN_ACEBASE', detail);
    }
    installation.undo.push(patch(buildOf(module, remotePeer), installation));
  });
}

/** Takes it out again, for tests. Databases that were made meanwhile keep it. */
export function uninstall(): void {
  for (const undo of place[KEY]?.undo.reverse() ?? []) undo();
  place[KEY] = undefined;
}

/** The peers that have this client. */
const peers = new WeakMap<RemoteIPCPeer, Client>();

/** Transactions of their storages. */
const transactions = new WeakMap<RemoteIPCPeer, Transactions>();

/** The journals of databases that several processes write to. */
const journals = new WeakMap<Client, SharedJournal>();

/** Whether what they have open may be used. */
const gates = new WeakMap<RemoteIPCPeer, JointLease>();

/** The records of the folders of masters. */
const folders = new WeakMap<RemoteIPCPeer, FolderRecord>();

/** Whether a repair is on. */
type Switches = (repair: RepairName) => boolean;

/** @returns what undoes it */
function patch(build: Build, installation: Installation): () => void {
  const { remotePeer } = build;
  installation.known.add(remotePeer);
  const original = { ...remotePeer, lock: build.lock };
  const { connect, sendMessage, sendRequest, cancelRemoteSubscription, exit } = remotePeer;
  const has: Switches = (repair) => installation.options.repairs?.[repair] !== false;
  const own = Object.fromEntries(
    (['connect', 'sendMessage', 'sendRequest', 'lock', 'cancelRemoteSubscription', 'exit'] as const).map(
      (name) => [name, Object.getOwnPropertyDescriptor(remotePeer, name)],
    ),
  );
  const heldFiles = new HeldFiles();
  /** The data storage that was made last: it makes that of its transaction log within its constructor. */
  let data: Storage | undefined;
  let folderOfData: FolderRecord | undefined;
  const undo: (() => void)[] = [];
  let isComplete = false;
  const complete = (): void => {
    if (isComplete) return;
    isComplete = true;
    build.whenDatabaseIsMade((methods) => {
      undo.push(failEarlyOperations(methods, (ipc) => peers.get(ipc)?.acceptance));
    });
  };
  const repairIndexes = (indexClass: IndexClass | undefined): void => {
    if (indexClass === undefined || installation.known.has(indexClass.methods)) return;
    installation.known.add(indexClass.methods);
    installation.undo.push(...repairsOfIndexes(indexClass, has));
  };
  remotePeer.connect = function (this: RemoteIPCPeer, connectOptions) {
    // A database that was made before is AceBase's own: it connects anew.
    if (Reflect.get(this, 'ws') !== undefined) return connect.call(this, connectOptions);
    this.config = soundConfig(this.config);
    complete();
    const { type = 'data' } = this.storage.settings;
    if (type === 'data') data = this.storage;
    const dataPeer = type === 'transaction' && data !== undefined ? peers.get(data.ipc) : undefined;
    let leave = (): void => undefined;
    const { journal: durability = 'process' } = installation.options;
    const cannotKeep = (error: IPCError): void => sayNoJournal(this.storage, error, installation);
    // What is written to the data without one is added to the log of transactions once: AceBase goes on if that fails, for want of a journal perhaps.
    const dataJournal = dataPeer && journals.get(dataPeer);
    const wanted = dataJournal?.isKept === false ? 'off' : durability;
    const journal = canKeepJournal(this.storage)
      ? new SharedJournal(this.storage, wanted, cannotKeep)
      : undefined;
    const ownFolder =
      this.isMaster && type === 'data'
        ? new FolderRecord(this.storage, describe(this.config), this.dbname, {
            isInTouch: () => peer.lease.isHeld,
            lost: (reason) => peer.giveUpPlace(reason),
          })
        : undefined;
    // Its transaction log is in the same one.
    const folder = dataPeer === undefined ? ownFolder : folderOfData;
    const peer = clientOf(this, {
      journal,
      folder,
      classes: build.classes,
      WebSocket,
      client: `${packageJson.name}/${packageJson.version}`,
      createId: build.createId,
      exitingError: (message) => new build.ExitingError(message),
      masterLock: (details) => original.lock.call(this, details),
      has,
      dataPeer,
      onStatus: (status) => installation.options.onStatus?.(status),
      written: () => installation.fence.written(files),
      leases: () => leases,
      left: () => leave(),
    });
    peers.set(this, peer);
    if (type === 'data') folderOfData = ownFolder;
    if (ownFolder !== undefined) {
      folders.set(this, ownFolder);
      peer.onPlaceLost(() => ownFolder.placeIsLost());
    }
    transactions.set(this, new Transactions(this.storage, peer.lost));
    noteFailedWrites(this.storage, peer);
    const leases = [peer.lease];
    if (dataPeer !== undefined) leases.push(dataPeer.lease);
    if (folder !== undefined) leases.push(folder.lease);
    const files = fencedFilesOf(this.storage, leases);
    leave = installation.fence.add(files);
    const gate = jointLease(leases);
    gates.set(this, gate);
    lookUpWithoutLease(this.storage, gate);
    if (journal !== undefined) {
      journals.set(peer, journal);
      // It comes back as a peer that keeps none.
      journal.onGivenUp(() => peer.giveUpPlace());
      dataJournal?.onGivenUp((error) => journal.giveUp(error));
      const unwritable = (error: IPCError): void => journal.giveUp(error);
      journal.join(placeOf(peer, { leases, gate, classes: build.classes, unwritable }));
    }
    if (!this.isMaster) heldFiles.hideWhileMade(this.storage);
    else {
      const prepared = whenPrepared(peer, folder, journal);
      peer.heldFile = heldFiles.hold(this.storage, prepared, peer.acceptance.refused);
    }
    if (build.files === undefined) closeNothingUnopened(this);
    if (has('closing')) closeDataBeforeLog(this.storage);
    if (build.indexClass === undefined) whenIndexIsThere(this.storage, repairIndexes);
    return peer.connect();
  };
  remotePeer.sendMessage = function (this: RemoteIPCPeer, message) {
    const peer = peers.get(this);
    if (peer !== undefined) return peer.send(message);
    sayTooLate(this);
    sendMessage.call(this, message);
  };
  remotePeer.sendRequest = function (this: RemoteIPCPeer, data) {
    return peers.get(this)?.ask(data) ?? sendRequest.call(this, data);
  };
  remotePeer.lock = function (this: RemoteIPCPeer, details) {
    transactions.get(this)?.asksForLock(details);
    return peers.get(this)?.lock(details) ?? original.lock.call(this, details);
  };
  remotePeer.exit = function (this: RemoteIPCPeer, code) {
    const peer = peers.get(this);
    folders.get(this)?.stopWaiting();
    const preparation = this._exiting ? undefined : peer?.prepareToExit();
    const leave = (): Promise<void> => exit.call(this, code).then(() => peer?.goodbye);
    // At once where it can be: the process may end before the next turn.
    return preparation?.then(leave) ?? leave();
  };
  remotePeer.cancelRemoteSubscription = function (this: RemoteIPCPeer, peerId, details) {
    if (!peers.has(this)) return cancelRemoteSubscription.call(this, peerId, details);
    const isIt = (sub: RemoteIPCPeer['remoteSubscriptions'][number]): boolean =>
      sub.for === peerId && sub.path === details.path && sub.event === details.event;
    const found = this.remoteSubscriptions.find(isIt);
    if (found !== undefined) this.storage.subscriptions.remove(details.path, details.event, found.callback);
  };
  undo.push(
    () => {
      for (const [name, descriptor] of Object.entries(own)) {
        if (descriptor === undefined) Reflect.deleteProperty(remotePeer, name);
        else Object.defineProperty(remotePeer, name, descriptor);
      }
    },
    checkSettings(build),
    heldFiles.hideUnfinished(),
    ...patchFiles(build.files, heldFiles, () => has('file-writes')),
  );
  repairIndexes(build.indexClass);
  if (build.trees !== undefined) undo.push(countFixesAsProgress(build.trees));
  return () => {
    for (const each of undo.reverse()) each();
  };
}

/** Resolves when a master may open its file: it is let in, and what was its own to mend is mended. Never, if it is to give up. */
function whenPrepared(
  peer: Client,
  folder: FolderRecord | undefined,
  journal: SharedJournal | undefined,
): Promise<void> {
  return new Promise((resolve) => {
    const prepare = async (): Promise<void> => {
      await peer.acceptance.accepted();
      try {
        await folder?.take();
        journal?.prepare();
        resolve();
      } catch (error) {
        peer.cannotOpen(error);
      }
    };
    void prepare();
  });
}

/**
 * Where a peer stands among those that have the file open.
 *
 * @param around `leases` are all that it needs to use the file; `gate` is open while it has them
 */
function placeOf(
  peer: Client,
  {
    leases,
    ...around
  }: Pick<Place, 'gate' | 'classes' | 'unwritable'> & { readonly leases: readonly Lease[] },
): Place {
  return {
    ...around,
    isLone: false,
    get isInForce() {
      return peer.journal.isInForce;
    },
    get losses() {
      return leases.reduce((sum, { losses }) => sum + losses, 0);
    },
    outcomeUnknown: () => peer.giveUpPlace(),
    writeFailed: (tid) => peer.writeFailed(tid),
    onPlaceLost: (callback) => peer.onPlaceLost(callback),
  };
}

/** The files of a storage, which may be used while all of these leases are held. */
function fencedFilesOf(storage: Storage, leases: readonly Lease[]): FencedFiles {
  return { folder: folderOf(storage), descriptor: () => storage.file, leases };
}

/** Peers that were made before this client was installed, and have said so. */
const early = new WeakSet<RemoteIPCPeer>();

function sayTooLate(ipc: RemoteIPCPeer): void {
  if (early.has(ipc)) return;
  early.add(ipc);
  loggerOf(ipc.storage).error(
    `This AceBase was made before install() of ${packageJson.name}/client was called: it keeps its own connection. Call install() before the first new AceBase(…)`,
  );
}

/** @returns what undoes it */
function patchFiles(files: Build['files'], held: HeldFiles, isOn: () => boolean): (() => void)[] {
  if (files === undefined) return [writeAllInOrder(isOn), closeAllAfterWrites(isOn), holdAllFiles(held)];
  return [writeInOrder(files, isOn), closeAfterWrites(files, isOn), held.patch(files)];
}

/** The transaction in which the user's code has the lock for writing: it waits for what that code reads. */
function writerOf({ ipc }: Storage): LockDetails['tid'] | undefined {
  const lost = peers.get(ipc)?.lost;
  const writer = ipc._locks.find(
    ({ granted, request, lock }) =>
      granted &&
      request.write &&
      lost?.isInUserCode(request.tid) === true &&
      (lock?.expires ?? 0) > systemClock.wallTime(),
  );
  return writer?.tid;
}

/** @param writer the transaction under whose lock it is read; `undefined`: one of its own */
async function lockToRead(
  storage: Storage,
  writer: LockDetails['tid'] | undefined,
): Promise<Pick<IPCLock, 'release'>> {
  const end = writer === undefined ? undefined : transactions.get(storage.ipc)?.readBegins(writer);
  try {
    const tid = String(writer ?? storage.createTid());
    const lock = await storage.nodeLocker.lock('', tid, false, 'reads an index');
    const release: IPCLock['release'] = (comment) => {
      end?.();
      return lock.release(comment);
    };
    return { release };
  } catch (error) {
    end?.();
    throw error;
  }
}

function repairsOfIndexes({ methods, readFromFile }: IndexClass, has: Switches): (() => void)[] {
  const peerOf = ({ ipc }: Storage): Client | undefined => peers.get(ipc);
  const isMember = (storage: Storage): boolean => has('index-files') && peerOf(storage) !== undefined;
  const isCurrent = ({ ipc }: Storage): boolean => gates.get(ipc)?.isOpen !== false;
  const changed = (storage: Storage, file: string): void => {
    if (has('query-caches') && storage.ipc.isMaster) peerOf(storage)?.indexUpdated(file);
  };
  // Below the others, which know an index by what it is.
  const undoBelow = [repairIndexRebuilds(methods), releaseIndexesAfterFailures(methods)];
  const reading = repairIndexFiles(methods, readFromFile, {
    isMember,
    writer: writerOf,
    readLock: lockToRead,
  });
  return [
    ...undoBelow,
    reading.undo,
    repairQueryCaches(methods, { changed, isCurrent, whole: reading.whole }),
  ];
}

/** AceBase wants a port. Where `ipc.url` says everything, it needs none. And a role is one of two, by default that of a worker. */
function checkSettings({ storageSettings }: Pick<Build, 'storageSettings'>): () => void {
  if (storageSettings === undefined) return () => undefined;
  Object.defineProperty(storageSettings, 'ipc', {
    configurable: true,
    set(this: object, value: unknown) {
      checkRole(value);
      Object.defineProperty(this, 'ipc', {
        value: withRole(withPort(value)),
        writable: true,
        enumerable: true,
        configurable: true,
      });
    },
  });
  return () => Reflect.deleteProperty(storageSettings, 'ipc');
}
