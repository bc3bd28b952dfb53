/** Indexes: they are told of a transaction when it is committed, and made anew where it cannot be known what they were told. */

import { basename } from 'node:path';
import { folderOf, loggerOf, type Storage } from '../acebase.js';
import { closeAfterBuilds, repairIndexBuilds } from '../patches/indexes/index-builds.js';
import { releaseIndexesAfterFailures } from '../patches/indexes/index-locks.js';
import { type IndexNaming, indexFileOf, indexPathOf } from '../patches/indexes/index-names.js';
import { repairIndexRebuilds } from '../patches/indexes/index-rebuilds.js';
import {
  clearMark,
  descriptionOf,
  type IndexDescription,
  lacksSettings,
  type MarkedBuilds,
  markBuilds,
  setMark,
} from './index-marks.js';
import type { Durability } from './logs.js';
import { type Index, type InnerStorage, type Method, type Told, typeOf } from './storage.js';
import type { Transaction } from './transaction.js';
import { UseRecord } from './use-record.js';

/** What a worker asks its master to write to an index. */
interface IndexUpdateRequest extends Told {
  readonly fileName: string;
}

/** What they work with. */
export interface IndexesSettings {
  readonly storage: InnerStorage;
  /** The transaction that writes, if one does. */
  writer(): Transaction | undefined;
  /** Whether no other process has the file open. */
  readonly isLone: boolean;
  /** What is to be outlived. */
  readonly durability: Durability;
  /** How often this process has lost its place. */
  losses(): number;
}

/** The indexes of one storage. */
export class Indexes {
  readonly #storage: InnerStorage;
  readonly #writer: () => Transaction | undefined;
  readonly #isLone: boolean;
  readonly #isKept: boolean;
  readonly #losses: () => number;
  /** For the time after a power cut. */
  readonly #record: UseRecord;
  /** Whether this process keeps it. */
  readonly #isRecorded: boolean;
  readonly #known = new WeakSet<Index>();
  /** Those that this worker has marked, and no master has made anew. */
  readonly #unmade = new Map<
    string,
    { readonly index: IndexDescription; readonly mark: string | undefined }
  >();
  /** Those in doubt that could not be marked, by their files: only the journal knows of them. */
  readonly #unmarked = new Map<string, IndexDescription>();

  constructor({ storage, writer, isLone, durability, losses }: IndexesSettings) {
    this.#storage = storage;
    this.#writer = writer;
    this.#isLone = isLone;
    this.#isKept = durability !== 'off';
    this.#losses = losses;
    this.#isRecorded = durability === 'power' && (isLone || storage.ipc.isMaster);
    this.#record = new UseRecord(folderOf(storage), typeOf(storage));
  }

  /** Holds back what they are told. @param missing those that are to be made again */
  hold(missing: readonly IndexDescription[]): void {
    const { indexes, ipc } = this.#storage;
    // A master finds those by `list` that workers have it write to.
    for (const name of ['getAll', 'list'] as const) {
      const find = indexes[name] as (...details: unknown[]) => Index[];
      Object.assign(indexes, {
        [name]: (...details: unknown[]) => {
          const found = find.apply(indexes, details);
          for (const index of found) this.#hold(index);
          return found;
        },
      });
    }
    if (!this.#isLone && !ipc.isMaster) {
      this.#holdRequests();
      this.#tellSettings();
      this.#watchMaster();
      return;
    }
    // With an IPC server, that is done already, unless it was switched off.
    const others = this.#isKept ? repairIndexBuilds(this.#outer, !this.#isLone) : undefined;
    if (this.#isLone && others !== undefined) closeAfterBuilds(this.#outer, others);
    const builds = markBuilds(this.#outer, {
      made: () => this.#note((record) => record.note(this.#all())),
      losses: this.#losses,
    });
    if (!this.#isLone) this.#watchPeers(builds);
    const { load, delete: remove } = indexes;
    const waiting = [...missing];
    indexes.load = async () => {
      await load.call(indexes);
      // Which of them were in use, it does not tell any more.
      if (this.#isRecorded && this.#record.isUnreadable) this.makeAnew(this.#all());
      this.#note((record) => record.begin(this.#file, this.#all()));
      for (const index of waiting.splice(0)) await this.#makeAgain(index);
    };
    indexes.delete = async (fileName) => {
      await remove.call(indexes, fileName);
      this.#note((record) => record.note(this.#all()));
    };
  }

  /** This process has lost its place. */
  forget(): void {
    this.#record.forget();
  }

  /** The database is closed by this process, and nobody else has it open. */
  close(): void {
    if (this.#storage.file !== undefined) this.#record.close(this.#file, this.#all());
  }

  /** A disk that is full is no reason not to open a database. */
  #note(act: (record: UseRecord) => void): void {
    if (!this.#isRecorded) return;
    try {
      act(this.#record);
    } catch (error) {
      const what = 'Cannot record that the database is in use; a power failure would go unnoticed:';
      loggerOf(this.#outer).error(what, error);
    }
  }

  #all(): IndexDescription[] {
    return (this.#storage.indexes.list() as unknown as Index[]).map(descriptionOf);
  }

  /** Tells them what a transaction did. Those that cannot be told are made anew. @returns whether that is certain, whenever this process ends */
  async tell({ indexUpdates }: Transaction): Promise<boolean> {
    const done = await Promise.allSettled(indexUpdates.map(({ update }) => update()));
    const failed = new Map<string, IndexDescription>();
    done.forEach((outcome, place) => {
      const index = indexUpdates[place]?.index;
      if (outcome.status === 'fulfilled' || index === undefined) return;
      loggerOf(this.#outer).error(
        `The index ${index.file} could not be written, and is made anew:`,
        outcome.reason,
      );
      failed.set(index.file, index);
    });
    return this.makeAnew([...failed.values()]);
  }

  /**
   * These may not be as the data is: nobody uses them until they are made anew, which begins when nobody writes. Several processes may find that
   * at one time: it is done by the one that marks them first.
   *
   * @returns whether all are marked
   */
  makeAnew(indexes: readonly IndexDescription[]): boolean {
    let areMarked = true;
    for (const index of indexes) {
      try {
        this.#makeAnew(index);
      } catch (error) {
        areMarked = false;
        this.#unmarked.set(index.file, index);
        loggerOf(this.#outer).error(
          `The index ${index.file} could not be marked; the next write marks it first, or fails:`,
          error,
        );
        // As it is, nobody is to use it.
        this.makeAgain([index]);
      }
    }
    return areMarked;
  }

  /** All that are in doubt are marked when this returns: the journal may be written over. @throws if one cannot be */
  complete(): void {
    for (const index of this.#unmarked.values()) this.#makeAnew(index);
  }

  /** Others have marked those that were not, or find them in the journal. */
  forgetUnmarked(): void {
    this.#unmarked.clear();
  }

  /** @throws if it cannot be marked */
  #makeAnew(index: IndexDescription): void {
    const mark = setMark(folderOf(this.#storage), index, false);
    this.#unmarked.delete(index.file);
    if (mark !== undefined) this.#makeWithoutFile(index, mark);
  }

  /** Their files are gone, or count for nothing. */
  makeAgain(indexes: readonly IndexDescription[]): void {
    for (const index of indexes) this.#makeWithoutFile(index);
  }

  /** @param mark that of this process, if it has marked it: a master that is a stock process knows nothing of marks */
  #makeWithoutFile(index: IndexDescription, mark?: string): void {
    const { ipc } = this.#storage;
    this.#takeOut(index);
    const isMakerThere = this.#isLone || ipc.isMaster || ipc.peers.some(({ id }) => id === ipc.masterPeerId);
    if (isMakerThere) void this.#makeAgain(index, mark);
    else this.#unmade.set(index.file, { index, mark });
  }

  /** One that cannot be made keeps its mark: that is no reason not to use the others, nor the data. */
  async #makeAgain(index: IndexDescription, mark?: string): Promise<void> {
    const { file, path, key, options } = index;
    try {
      await this.#storage.indexes.create(path, key, { ...options, rebuild: true });
      if (mark !== undefined) clearMark(folderOf(this.#storage), index, mark);
    } catch (error) {
      if (!this.#isLone && !this.#storage.ipc.isMaster) this.#unmade.set(file, { index, mark });
      loggerOf(this.#outer).error(
        `The index ${file} could not be made anew; it will be when the database is opened next:`,
        error,
      );
    }
  }

  /** What no master has made for this worker, the next one makes. A stock one has read its file: it is to forget that before. */
  #watchMaster(): void {
    const { ipc } = this.#storage;
    const { addPeer } = ipc;
    ipc.addPeer = (id, ...details) => {
      addPeer.call(ipc, id, ...details);
      if (id !== ipc.masterPeerId) return;
      const unmade = [...this.#unmade.values()];
      this.#unmade.clear();
      for (const { index, mark } of unmade) {
        const data = deletionOf(index, this.#pathOf(index));
        ipc.sendMessage({ type: 'notification', from: ipc.id, to: id, data });
        void this.#makeAgain(index, mark);
      }
    };
  }

  /** One that was killed may have marked an index, and told nobody. */
  #watchPeers(builds: MarkedBuilds): void {
    const { ipc } = this.#storage;
    const { removePeer } = ipc;
    ipc.removePeer = (...details) => {
      removePeer.apply(ipc, details);
      if (ipc._exiting || this.#outer.isReady !== true) return;
      try {
        this.makeAgain(builds.left());
      } catch (error) {
        loggerOf(this.#outer).error('Indexes that a process has left in doubt cannot be made anew:', error);
      }
    };
  }

  #takeOut(index: IndexDescription): void {
    const { indexes, ipc } = this.#storage;
    const known = indexes.list().find(({ fileName }) => basename(fileName) === index.file);
    if (known !== undefined) void indexes.remove(known.fileName);
    const deletion = deletionOf(index, known?.fileName ?? this.#pathOf(index));
    if (!this.#isLone) ipc.sendNotification(deletion);
  }

  #pathOf({ file }: IndexDescription): string {
    return `${folderOf(this.#storage)}/${file}`;
  }

  #hold(index: Index): void {
    if (this.#known.has(index)) return;
    this.#known.add(index);
    watchUpdates(index);
    untold.set(index, () => this.makeAnew([descriptionOf(index)]));
    const { handleRecordUpdate } = index;
    index.handleRecordUpdate = async (...details) => {
      const update = (): Promise<unknown> => whole(() => handleRecordUpdate.apply(index, details));
      const writer = this.#writer();
      if (writer === undefined) return await update();
      writer.indexUpdates.push({ index: descriptionOf(index), update });
      return undefined;
    };
  }

  /** A worker has its master make them anew that were made again without their settings, if it can be told those. */
  #tellSettings(): void {
    const { indexes } = this.#storage;
    const { create } = indexes;
    indexes.create = (spelling, key, options: IndexNaming & { readonly config?: object } = {}) => {
      const path = indexPathOf(spelling);
      const file = indexFileOf(this.#outer, path, key, options);
      const isSayable = !Object.values(options.config ?? {}).some((value) => typeof value === 'function');
      const rebuild = isSayable && lacksSettings(folderOf(this.#storage), file, options);
      return create.call(indexes, path, key, rebuild ? { ...options, rebuild } : options);
    };
  }

  /** A worker has its master write to them. */
  #holdRequests(): void {
    const { ipc, indexes } = this.#storage;
    const { sendRequest } = ipc;
    ipc.sendRequest = async (request) => {
      const writer = request.type === 'index.update' ? this.#writer() : undefined;
      const { fileName } = request as IndexUpdateRequest;
      const index = writer && indexes.list().find((other) => other.fileName === fileName);
      if (writer === undefined || index === undefined) return await sendRequest.call(ipc, request);
      const update = async (): Promise<void> => {
        const { ok, reason } = (await sendRequest.call(ipc, request)) as { ok: boolean; reason?: string };
        if (!ok) throw new Error(reason);
      };
      writer.indexUpdates.push({ index: descriptionOf(index as unknown as Index), update });
      return { ok: true };
    };
  }

  get #file(): number {
    const { file } = this.#storage;
    if (file === undefined) throw new TypeError('the file is not open');
    return file;
  }

  get #outer(): Storage {
    return this.#storage as unknown as Storage;
  }
}

/** @param fileName the path of its file, as the processes know it that are told */
function deletionOf({ path, key }: IndexDescription, fileName: string): Told {
  return { type: 'index.deleted', fileName, path, keys: key } as Told;
}

/** What was put in the place of that method, in the classes of indexes that are watched. */
const watching = new WeakSet<Method>();

/** What is to be done about an index that could not be told what it had taken as told. */
const untold = new WeakMap<object, () => void>();

/** What the index has begun that is being told something. */
let begun: Promise<unknown>[] | undefined;

/** A geographical index does not wait for what it has the class of all indexes write, and does not hear that this fails. Here it does. */
function whole(tell: () => Promise<unknown>): Promise<unknown> {
  const others = begun;
  const its: Promise<unknown>[] = [];
  begun = its;
  try {
    const telling = tell();
    return Promise.all([telling, ...its]);
  } finally {
    begun = others;
  }
}

/** All kinds of indexes go by the method of one class. */
function watchUpdates(index: Index): void {
  let methods: Index = index;
  while (!Object.hasOwn(methods, '_getTree')) methods = Object.getPrototypeOf(methods) as Index;
  repairIndexRebuilds(methods);
  releaseIndexesAfterFailures(methods);
  const { handleRecordUpdate, _processUpdateQueue: processQueue } = methods;
  if (watching.has(handleRecordUpdate)) return;
  methods.handleRecordUpdate = function (this: Index, ...details) {
    const doing = handleRecordUpdate.apply(this, details);
    begun?.push(doing);
    return doing;
  };
  watching.add(methods.handleRecordUpdate);
  // While the tree is made anew, updates are put off, and count as done: if they fail then, AceBase only says so.
  methods._processUpdateQueue = function (this: Index, ...details) {
    for (const update of this._updateQueue ?? []) {
      const { reject } = update;
      update.reject = (reason) => {
        reject(reason);
        untold.get(this)?.();
      };
    }
    return processQueue.apply(this, details);
  };
}
