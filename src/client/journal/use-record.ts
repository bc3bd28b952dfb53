import { existsSync, fsyncSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { syncFile, syncFolder } from '../../platform/disk-sync.js';
import { machineId } from '../../platform/file-marks.js';
import { isForbidden } from './forbidden.js';
import { type IndexDescription, writeSynced } from './index-marks.js';

/** What stands in the file. */
interface Noted {
  /** The boot during which the database was last in use; `null` if nobody uses it any more, and all is on the disk. */
  readonly run: string | null;
  readonly indexes: readonly IndexDescription[];
}

/** What is taken for noted where that cannot be read: the power was cut, perhaps. */
const UNREADABLE: Noted = { run: '', indexes: [] };

/**
 * The boot during which a database was last in use, and which indexes it has, for the time after a power cut. Then the last commit may be in its
 * places in part, and its mark may be there all the same. And the files of indexes are not synced when they are told of a write,
 * which would take longer than the write itself: all of them are made again.
 */
export class UseRecord {
  readonly #folder: string;
  readonly #path: string;
  #isUsed = false;

  /** @param type what kind of data it is: `data` */
  constructor(folder: string, type: string) {
    this.#folder = folder;
    this.#path = join(folder, `${type}.use.redo`);
  }

  /** The indexes that were in use when the power was cut; `undefined` if it was not since the database was used. */
  afterPowerCut(): readonly IndexDescription[] | undefined {
    const noted = this.#read();
    if (noted === undefined || noted.run === null) return undefined;
    const run = machineId();
    if (noted.run === run && run !== '') return undefined;
    // Others may have removed one that know nothing of this.
    return noted.indexes.filter(({ file }) => existsSync(join(this.#folder, file)));
  }

  /** Whether it is damaged: it does not tell which indexes were in use. */
  get isUnreadable(): boolean {
    return this.#read() === UNREADABLE;
  }

  /** The database is opened, and has these indexes. That is on the disk when this returns. */
  begin(indexes: readonly IndexDescription[]): void {
    this.#isUsed = true;
    this.note(indexes);
  }

  /** It has others now. Nothing is done if this process does not use it. */
  note(indexes: readonly IndexDescription[]): void {
    if (this.#isUsed) this.#write({ run: machineId(), indexes });
  }

  /** Another process uses it, and notes that. */
  forget(): void {
    this.#isUsed = false;
  }

  /**
   * It is used no more, by nobody: it is on the disk, and then that is noted. Nothing is done if this process does not use it.
   *
   * @param database its file
   */
  close(database: number, indexes: readonly IndexDescription[]): void {
    if (!this.#isUsed) return;
    this.#isUsed = false;
    fsyncSync(database);
    const paths = indexes.map(({ file }) => join(this.#folder, file));
    for (const path of paths.filter((it) => existsSync(it))) syncFile(path);
    syncFolder(this.#folder);
    this.#write({ run: null, indexes });
  }

  #read(): Noted | undefined {
    if (!existsSync(this.#path)) return undefined;
    try {
      return JSON.parse(readFileSync(this.#path, 'utf8')) as Noted;
    } catch (error) {
      if (error instanceof SyntaxError) return UNREADABLE;
      throw error;
    }
  }

  #write(noted: Noted): void {
    const draft = `${this.#path}.${process.pid}.tmp`;
    try {
      writeSynced(draft, JSON.stringify(noted));
      renameSync(draft, this.#path);
    } catch (error) {
      rmSync(draft, { force: true });
      throw error;
    }
    syncFolder(this.#folder);
  }
}

/**
 * Nobody notes in which boot the database is used, from now on. Where the folder may not be written, the record stays, and some boot is taken for one
 * that a power cut has ended: indexes are made again then.
 *
 * @param type what kind of data it is
 */
export function forgetUse(folder: string, type: string): void {
  try {
    rmSync(join(folder, `${type}.use.redo`), { force: true });
  } catch (error) {
    if (!isForbidden(error)) throw error;
  }
}
