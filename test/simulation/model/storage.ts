import type { DatabaseFile, IPCLock } from '../../../src/client/core/host.js';
import type { Belief } from '../checks/beliefs.js';
import type { FileRecord } from './database-file.js';
import { Journal } from './journal.js';
import type { Address, Lock, Message, NotificationData } from './messages.js';
import { StockPeer } from './stock-peer.js';
import { type Task, wait } from './task.js';
import { Transaction } from './transaction.js';

/** A lock in the hands of the worker that got it. */
export interface HeldLock {
  readonly lock: Lock;
  readonly belief: Belief;
  /** The transaction that it serves. */
  readonly tid: string;
  /** With our client: what it gives AceBase. */
  readonly ipcLock?: IPCLock;
}

/**
 * What AceBase's binary storage keeps in each process, and what it does with notifications (`storage/binary/index.js`): the
 * root, the key table, the cache of where nodes are, the list of indexes.
 */
export abstract class Storage extends StockPeer {
  isFileOpen = false;
  keys: (string | undefined)[] = [];
  readonly cache = new Map<string, number>();
  readonly indexes = new Set<string>();
  protected readonly journal = new Journal(this);
  #root: number | string = 0;
  /** Whether the folder may be another master's: from the loss of its place until this one opens the file again. */
  #isFolderLost = false;
  /** What the disk is doing, and who waits for the end of that. */
  #underWay = 0;
  readonly #awaitingDisk: (() => void)[] = [];

  /** The record that it believes to be the root. */
  get root(): number {
    return Number(this.#root);
  }

  override losesPlace(): void {
    this.#isFolderLost = this.isMaster;
  }

  /** Opens the file some time after the process has started; the line may be there before. */
  openFile(milliseconds: number, opened: () => void): void {
    // A master with our client opens it only when it is let in.
    if (this.ours === undefined || !this.isMaster) this.#openFile(milliseconds, opened);
    else
      this.ours.whenSettled(this.ours.client.acceptance.accepted(), () =>
        this.#openFile(milliseconds, opened),
      );
  }

  #openFile(milliseconds: number, opened: () => void): void {
    this.after(milliseconds, () => {
      this.isFileOpen = true;
      this.readTables();
      this.ours?.client.fileOpened();
      opened();
    });
  }

  /** With our client: only while the lease is held. What was given to the disk before is not under way any more when it lapses. */
  override disk(act: () => void, fail: (error: Error) => void = () => undefined): void {
    const { ours } = this;
    if (ours === undefined) {
      super.disk(act);
      return;
    }
    this.#underWay += 1;
    super.disk(() => {
      ours.client.lease.whenHeld(
        () => this.act(act),
        (error) => this.act(() => fail(error)),
      );
      this.#underWay -= 1;
      if (this.#underWay === 0) for (const written of this.#awaitingDisk.splice(0)) written();
    });
  }

  notify(data: NotificationData): void {
    this.send({ type: 'notification', from: this.id, data });
  }

  /** The root is elsewhere now: everybody is told, and so is the file. */
  updateRoot(
    address: Address,
    written: () => void = () => undefined,
    failed: (error: Error) => void = () => undefined,
  ): void {
    const { recordNr } = address;
    // Compared strictly, as AceBase does: the same number as a text is news.
    if (recordNr === this.#root) {
      written();
      return;
    }
    this.#root = recordNr;
    this.notify({ type: 'root.update', address });
    this.disk(() => {
      this.world.writesFile(this, () => {
        this.world.file.root = Number(recordNr);
      });
      written();
    }, failed);
  }

  protected override notified({ data }: Message & { type: 'notification' }): void {
    switch (data.type) {
      case 'kit.new_key':
        this.keys[data.index] = data.key;
        return;
      case 'root.update':
        // A stock process tells a root on, and writes it; with our client it does not come here.
        if (!this.isFileOpen) {
          this.world.checks.killed(this, 'a root before the file is open');
          throw new Error('the "fd" argument must be of type number');
        }
        this.updateRoot(data.address);
        return;
      case 'cache.update':
        this.cache.set(data.info.path, Number(data.info.address.recordNr));
        return;
      case 'cache.invalidate':
        this.cache.clear();
        return;
      case 'index.created':
        this.indexes.add(data.fileName);
        return;
    }
  }

  protected override lostLine(): void {
    this.cache.clear();
  }

  /** What our client uses of the file, and reads again after a gap. */
  protected readonly storageFile: Omit<DatabaseFile, 'close'> = this.#storageFile();

  #storageFile(): Omit<DatabaseFile, 'close'> {
    const storage = this;
    const { file, indexFiles, limits } = this.world;
    const busy = (): Promise<void> => new Promise((resolve, reject) => void this.disk(resolve, reject));
    const disk = async (): Promise<void> => {
      if (this.#isFolderLost) throw new Error('IPC_CLIENT_LEASE_LOST');
      await busy();
    };
    return {
      lockTimeout: limits.lockTimeout,
      get isOpen() {
        return storage.isFileOpen;
      },
      get root() {
        return addressOf('', storage.root);
      },
      written: () =>
        this.#underWay === 0 ? undefined : new Promise((resolve) => void this.#awaitingDisk.push(resolve)),
      invalidateCaches: () => this.cache.clear(),
      invalidateAllCaches: () => undefined,
      readRoot: async () => {
        await disk();
        return addressOf('', file.root);
      },
      writeRoot: async ({ recordNr }) => {
        this.world.checks.writesRootOver(this);
        await disk();
        this.world.writesFile(this, () => {
          file.root = Number(recordNr);
        });
      },
      setRoot: async (address, isToBeWritten) => {
        if (isToBeWritten) {
          this.world.checks.writesRootOver(this);
          await new Promise<void>((resolve, reject) => this.updateRoot(address, resolve, reject));
        } else this.#root = address.recordNr;
      },
      readKeys: async () => {
        await disk();
        const announced = this.keys;
        this.keys = [...file.keys];
        announced.forEach((key, index) => {
          this.keys[index] ??= key;
        });
      },
      readIndexes: async () => {
        await disk();
        for (const name of indexFiles.keys()) this.indexes.add(name);
      },
      reopen: async () => {
        await busy();
        this.#isFolderLost = false;
        await disk();
        this.readTables();
      },
    };
  }

  /** Reads what a process reads that opens the file. */
  protected readTables(): void {
    const { file, indexFiles } = this.world;
    this.note(() => `opens the file, root ${file.root}, ${file.keys.length} keys`);
    this.#root = file.root;
    this.keys = [...file.keys];
    this.indexes.clear();
    for (const name of indexFiles.keys()) this.indexes.add(name);
  }

  /** A lock for writing was granted. @returns `undefined` if what is written under it is in the file at once */
  protected beginTransaction(): Transaction | undefined {
    return this.ours?.client.journal.isInForce === true ? new Transaction() : undefined;
  }

  /** All of it happens, and others hear of it. */
  protected *commit(transaction: Transaction): Task<void> {
    yield* this.journal.commit(transaction);
    transaction.isCommitted = true;
    this.tellsOfCommit = true;
    for (const notice of transaction.notices) notice();
    this.tellsOfCommit = false;
    for (const effect of transaction.effects) effect();
  }

  /** It has failed: nothing of it has happened, unless the log has it. */
  protected drop(transaction: Transaction | undefined, tid: string): void {
    if (transaction === undefined || transaction.isCommitted) return;
    const { move, allocated, isLogged } = transaction;
    if (move !== undefined && this.#root === move.root) this.#root = move.former;
    this.cache.clear();
    // What may happen yet has its space, and what others have allocated since is theirs.
    const isItsOwn = !isLogged && this.ours?.client.lost.has(tid) !== true;
    if (isItsOwn) for (const record of allocated) this.giveSpaceBack(record);
  }

  /** The root is elsewhere when that transaction is committed. */
  protected moveRoot(transaction: Transaction, root: number, key: string, value: number): void {
    transaction.move = { root, former: this.root, key, value };
    this.#root = root;
    transaction.notices.push(() => this.notify({ type: 'root.update', address: addressOf('', root) }));
  }

  protected abstract giveSpaceBack(record: number): void;

  /** Writes something to the file, under a lock. */
  *write(write: () => void): Task<void> {
    yield* wait<void>((resolve, reject) => {
      this.disk(() => {
        this.world.checks.beliefs.writes(this);
        this.world.writesFile(this, write);
        resolve();
      }, reject);
    });
  }

  /** Reads a record from the disk, or what that transaction will write there. */
  *readRecord(record: number, transaction?: Transaction): Task<FileRecord | undefined> {
    const written = transaction?.records.get(record);
    if (written !== undefined) return written;
    return yield* wait<FileRecord | undefined>((resolve, reject) => {
      this.disk(() => resolve(this.world.file.records.get(record)), reject);
    });
  }

  *writeRecord(record: number, content: FileRecord, transaction?: Transaction): Task<void> {
    if (transaction?.allocated.has(record) === false) {
      transaction.records.set(record, content);
      return;
    }
    yield* this.write(() => {
      if (content.kind === 'value') this.world.checks.writesValue(this, record);
      this.world.file.records.set(record, content);
    });
  }

  /** The key of an entry of the root, by this process's key table. */
  keyOf(name: number | string): string {
    if (typeof name === 'string') return name;
    const key = this.keys[name];
    this.world.checks.values.usesKey(this, name, key);
    return key ?? `lost key ${name}`;
  }
}

/** An address as AceBase has it, for one of the model's records. */
export function addressOf(path: string, recordNr: number): Address {
  return { path, pageNr: 0, recordNr };
}
