import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { folderOf, type Storage } from '../acebase.js';
import { isCutShort } from './unfinished-file.js';

/** How AceBase begins to open a database file, or to create one: it makes the folder first. */
export interface OpeningMethods {
  open(path: string, ...rest: unknown[]): Promise<unknown>;
  mkdir(path: string, ...rest: unknown[]): Promise<unknown>;
  /** How a worker waits for the file. */
  exists?(path: string): Promise<boolean>;
}

/** A file that must not be opened yet. */
export class HeldFile {
  readonly folder: string;
  readonly file: string;
  /** Resolves when it may be opened; never, if it may not. */
  readonly accepted: Promise<void>;
  /** Whether AceBase finds none in a moment, and will make it. */
  readonly #isToBeCreated: boolean;

  constructor(storage: Storage, accepted: Promise<void>) {
    this.folder = folderOf(storage);
    this.file = fileOf(storage);
    this.accepted = accepted;
    this.#isToBeCreated = !isThere(this.file);
  }

  /** Whether it is to be made, though one is there: the making of that was cut short. */
  get isHidden(): boolean {
    return this.#isToBeCreated;
  }

  /** Whether it was made meanwhile: AceBase would overwrite it. */
  get hasAppeared(): boolean {
    return this.#isToBeCreated && isThere(this.file);
  }
}

/**
 * Holds the opening of database files. AceBase opens its file, or creates it, in the constructor of the storage, a moment after
 * it has made its peer and before that is connected. The first opening of the file is held, and each making of its folder: all
 * else follows from them. The log of transactions makes the folder, too, and is no part of the cluster in acebase 1.18.
 */
export class HeldFiles {
  #held: readonly HeldFile[] = [];
  /** Files of workers, which they wait for until the master has made them. */
  readonly #awaited = new Set<string>();

  /** A worker that finds a file half made would end. It is shown that there is none yet, and looks again in a second. */
  hideWhileMade(storage: Storage): void {
    this.#awaited.add(fileOf(storage));
  }

  /**
   * The storage that is being made is to open its file only when `accepted` resolves.
   *
   * @param refused resolves if it is never to do that: another storage of this process may have the file
   */
  hold(storage: Storage, accepted: Promise<void>, refused: Promise<unknown>): HeldFile {
    const held = new HeldFile(storage, accepted);
    this.#held = [...this.#held, held];
    void Promise.race([accepted, refused]).then(() => this.#forget(held));
    return held;
  }

  /** A file is about to be opened. @returns what to wait for, if anything */
  opening(path: unknown): Promise<void> | undefined {
    const held = this.#held.findLast(({ file }) => file === path);
    // Once: another database in this process may have the same file open, as a worker.
    if (held !== undefined) this.#forget(held);
    return held?.accepted;
  }

  /** A folder is about to be made. @returns what to wait for, if anything */
  making(path: unknown): Promise<void> | undefined {
    const held = this.#held.filter(({ folder }) => folder === path);
    if (held.length === 0) return undefined;
    return Promise.all(held.map(({ accepted }) => accepted)).then(() => undefined);
  }

  /** AceBase looks in the constructor of its storage whether the file is there. @returns what undoes it */
  hideUnfinished(): () => void {
    const { existsSync } = fs;
    fs.existsSync = (path) =>
      existsSync(path) &&
      !this.#isBeingMade(path) &&
      !this.#held.some((held) => held.file === path && held.isHidden);
    syncBuiltinESMExports();
    return () => {
      fs.existsSync = existsSync;
      syncBuiltinESMExports();
    };
  }

  #isBeingMade(path: unknown): boolean {
    return typeof path === 'string' && this.#awaited.has(path) && isCutShort(path);
  }

  /** Puts itself between AceBase and its files. @returns what undoes it */
  patch(files: OpeningMethods): () => void {
    const { open, mkdir, exists } = files;
    if (exists !== undefined)
      files.exists = async (path) => (await exists.call(files, path)) && !this.#isBeingMade(path);
    files.open = async (path, ...rest) => {
      await this.opening(path);
      return await open.call(files, path, ...rest);
    };
    files.mkdir = async (path, ...rest) => {
      await this.making(path);
      return await mkdir.call(files, path, ...rest);
    };
    return () => {
      files.open = open;
      files.mkdir = mkdir;
      if (exists !== undefined) files.exists = exists;
    };
  }

  #forget(held: HeldFile): void {
    this.#held = this.#held.filter((other) => other !== held);
  }
}

/** The path of a database file, as AceBase puts it together. */
export function fileOf(storage: Storage): string {
  return `${folderOf(storage)}/${storage.settings.type ?? 'data'}.db`;
}

/** Whether a database file is there, and can be opened. */
function isThere(file: string): boolean {
  return fs.statSync(file, { throwIfNoEntry: false }) !== undefined && !isCutShort(file);
}
