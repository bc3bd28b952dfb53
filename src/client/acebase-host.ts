/** AceBase's storage, as the core of the client works with it. */

import { fstat } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { promisify } from 'node:util';
import { IPCError } from '../errors.js';
import { codeOf, isSystemError } from '../system-error.js';
import { folderOf, lockTimeoutOf, loggerOf, type RemoteIPCPeer, type Storage } from './acebase.js';
import type { DatabaseFile, IndexFiles, LockInfo, Log, Message, RootAddress } from './core/host.js';
import type { Lease } from './core/lease.js';
import type { FolderRecord } from './folder-record.js';
import { isMarked } from './journal/index-marks.js';
import type { SharedJournal } from './journal/keep-whole.js';
import { ROOT_ADDRESS_AT, ROOT_ADDRESS_BYTES } from './patches/file-layout.js';
import { type IndexBuilds, repairIndexBuilds } from './patches/indexes/index-builds.js';
import { readIndexesAgain } from './patches/indexes/index-files.js';
import { isIndexOf, withOwnFileName } from './patches/indexes/index-names.js';
import { forgetQueries } from './patches/indexes/query-caches.js';
import type { RepairName } from './patches/repairs.js';

/** What AceBase logs with: it may be set only when the database is complete. */
export function logOf(storage: Storage): Log {
  return {
    warn: (...words) => loggerOf(storage).warn(...words),
    error: (...words) => loggerOf(storage).error(...words),
  };
}

/** The file of a storage. */
export class StorageFile implements DatabaseFile {
  readonly #ipc: RemoteIPCPeer;
  readonly #journal: Pick<SharedJournal, 'prepare' | 'opened'> | undefined;
  readonly #folder: Pick<FolderRecord, 'take'> | undefined;
  readonly written: () => Promise<void> | undefined;

  /** @param written resolves when nothing is being written into the files; returns `undefined` if nothing is */
  constructor(
    ipc: RemoteIPCPeer,
    written: () => Promise<void> | undefined,
    journal: Pick<SharedJournal, 'prepare' | 'opened'> | undefined,
    folder: Pick<FolderRecord, 'take'> | undefined,
  ) {
    this.#ipc = ipc;
    this.written = written;
    this.#journal = journal;
    this.#folder = folder;
  }

  get #storage(): Storage {
    return this.#ipc.storage;
  }

  get lockTimeout(): number {
    return lockTimeoutOf(this.#storage);
  }

  get isOpen(): boolean {
    return this.#storage.file !== undefined && this.#storage.isReady !== false;
  }

  invalidateCaches(): void {
    this.#storage.invalidateCache?.(true, '', true, 'ipc_news_missed');
  }

  invalidateAllCaches(): void {
    this.#storage.invalidateCache?.(false, '', true, 'ipc_write_failed');
  }

  get root(): RootAddress | undefined {
    const { rootRecord } = this.#storage;
    if (rootRecord?.exists !== true) return undefined;
    return { path: '', pageNr: rootRecord.pageNr, recordNr: rootRecord.recordNr };
  }

  async readRoot(): Promise<RootAddress | undefined> {
    const { readData, rootRecord } = this.#storage;
    if (readData === undefined || rootRecord === undefined) return undefined;
    const header = Buffer.alloc(ROOT_ADDRESS_BYTES);
    await readData.call(this.#storage, ROOT_ADDRESS_AT, header);
    return { path: '', pageNr: header.readUInt32BE(0), recordNr: header.readUInt16BE(4) };
  }

  async writeRoot({ pageNr, recordNr }: RootAddress): Promise<void> {
    const header = Buffer.alloc(ROOT_ADDRESS_BYTES);
    header.writeUInt32BE(pageNr, 0);
    header.writeUInt16BE(Number(recordNr), 4);
    await this.#storage.writeData?.(ROOT_ADDRESS_AT, header);
  }

  async setRoot(address: RootAddress, isToBeWritten: boolean): Promise<void> {
    await this.#storage.rootRecord?.update(address, !isToBeWritten);
  }

  async readKeys(): Promise<void> {
    const { KIT } = this.#storage;
    if (KIT === undefined) return;
    // Reading puts another array in its place: this one has what the master announces meanwhile, and may be about to write.
    const known = KIT.keys;
    await KIT.load();
    known.forEach((key, index) => {
      KIT.keys[index] ??= key;
    });
  }

  async readIndexes(): Promise<void> {
    const { indexes, settings } = this.#storage;
    const type = settings.type ?? 'data';
    try {
      const folder = folderOf(this.#storage);
      const names = await readdir(folder);
      const files = new Set(names.filter((file) => isIndexOf(file, type) && !isMarked(folder, file)));
      const known = new Set(indexes.list().map(({ fileName }) => basename(fileName)));
      for (const file of files) if (!known.has(file)) await indexes.add(`${folder}/${file}`);
      // The master's own list has those that it is making.
      if (this.#ipc.isMaster) return;
      for (const { fileName } of indexes.list()) {
        if (!files.has(basename(fileName))) await indexes.remove(fileName);
      }
    } catch (error) {
      // Who does not know an index would not write to it. One that is damaged is left out, as AceBase does when it opens the database.
      const isGone = codeOf(error) === 'ENOENT';
      if ((isSystemError(error) && !isGone) || error instanceof IPCError) throw error;
      loggerOf(this.#storage).error('The list of indexes cannot be read again:', error);
    }
  }

  async reopen(): Promise<void> {
    await this.#folder?.take();
    await this.#assertIsNamed();
    const { KIT, FST, indexes } = this.#storage;
    this.#journal?.prepare();
    this.invalidateCaches();
    const root = await this.readRoot();
    if (root !== undefined) await this.setRoot(root, false);
    await KIT?.load();
    await FST?.load();
    // They may have been made anew, beside what is open.
    for (const index of indexes.list()) index.close?.().catch(() => undefined);
    await indexes.load();
    this.#journal?.opened();
  }

  /** Whoever starts anew opens the file that has the name now. */
  async #assertIsNamed(): Promise<void> {
    const { file, fileName } = this.#storage;
    if (file === undefined || fileName === undefined) return;
    const [open, named] = await Promise.all([promisify(fstat)(file), stat(fileName)]);
    if (open.ino !== named.ino || open.dev !== named.dev) throw new Error('another file has its name by now');
  }

  close(): void {
    void this.#storage.close();
  }
}

/** Ends a lock of a master as AceBase ends one that has expired; one that is waited for is refused. */
export function revoke({ _nodeLocker: locker }: RemoteIPCPeer, { lock, request }: LockInfo): void {
  for (const its of [...locker.list()]) {
    if (lock !== null && its.id === lock.id) its.state = 'expired';
    if (lock !== null || its.state !== 'pending' || its.tid !== request.tid) continue;
    locker._rejectLock(its, new Error('who asked for it has no place any more'));
  }
  locker._processLockQueue();
}

/**
 * AceBase's master writes a new key into its table and waits for nothing; if that fails, it ends the process. One that has lost its place
 * reads the table again. One that has waited for its lease in vain waits again: the key is in use, and is to be in the file.
 *
 * @param leases all that it needs to use the file
 */
export function tolerateLostKeys({ KIT, ipc }: Storage, leases: readonly Pick<Lease, 'isLost'>[]): void {
  if (KIT?.write === undefined || !ipc.isMaster) return;
  const { write } = KIT;
  KIT.write = async (): Promise<void> => {
    try {
      await write.call(KIT);
    } catch (error) {
      if (leases.some(({ isLost }) => isLost)) return;
      if (!isForWantOfLease(error)) throw error;
      await KIT.write?.();
    }
  };
}

function isForWantOfLease(error: unknown): boolean {
  return error instanceof IPCError && error.code === 'IPC_CLIENT_LEASE_LOST';
}

/** The indexes of a storage, with the repairs that are on. */
export function indexFilesOf(ipc: RemoteIPCPeer, has: (repair: RepairName) => boolean): IndexFiles {
  const { storage } = ipc;
  let builds: IndexBuilds | undefined;
  // All members are there when the constructor is over; nobody has made an index by then.
  queueMicrotask(() => {
    readIndexesAgain(storage);
    if (ipc.isMaster && has('index-builds')) builds = repairIndexBuilds(storage, true);
  });
  return {
    localized: (message) => (has('index-names') ? withOwnFileName(message, storage) : message),
    isUnknown({ data }) {
      const fileName: unknown = Reflect.get(Object(data), 'fileName');
      return !storage.indexes.list().some((index) => index.fileName === fileName);
    },
    changed(message) {
      if (has('query-caches')) forgetQueries(storage, filesOf(message));
    },
    built: () => builds?.built(),
    over: () => builds?.over(),
    announced() {
      const { _annoucedIndexes: announced } = storage;
      return announced !== undefined && announced.size > 0
        ? Promise.allSettled(announced.values())
        : undefined;
    },
  };
}

function filesOf({ data }: Message): string[] {
  const files = typeof data === 'object' && data !== null ? Reflect.get(data, 'files') : undefined;
  return Array.isArray(files) ? files.map((file) => basename(String(file))) : [];
}
