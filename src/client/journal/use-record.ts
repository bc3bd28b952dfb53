import { closeSync, existsSync, fsyncSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { syncFile, syncFolder } from '../../platform/disk-sync.js';
import { machineId } from '../../platform/file-marks.js';
import { isForbidden } from '../../system-error.js';
import { openToLook } from '../patches/file-access.js';
import { marksOf } from './database-file.js';
import { type IndexDescription, writeSynced } from './index-marks.js';

/** What stands in the file. */
interface Noted {
  /** The boot during which the database was last in use; `null` if nobody uses it any more, and all is on the disk. */
  readonly run: string | null;
  readonly indexes: readonly IndexDescription[];
  /** The marks of the file at a time since when all of it was on the disk, once; `undefined` if there was none. */
  readonly marks?: Marks | undefined;
}

/** What is in the file of the marks of its logs. */
type Marks = ReturnType<typeof marksOf>;

/** What may not be on the disk as it was in the file. */
export interface PowerCut {
  /** The indexes that were in use. */
  readonly indexes: readonly IndexDescription[];
  /**
   * Whether the record of that log may be there in part though its mark is in the file: it was carried out since the database was opened. One from before is on the
   * disk, and others may have written over it since that know nothing of the log.
   */
  readonly inDoubt: Readonly<Record<keyof Marks, boolean>>;
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
  readonly #database: string;
  #isUsed = false;
  #marks: Marks | undefined;

  /** @param type what kind of data it is: `data` */
  constructor(folder: string, type: string) {
    this.#folder = folder;
    this.#path = join(folder, `${type}.use.redo`);
    this.#database = join(folder, `${type}.db`);
  }

  /** What the power cut has left in doubt; `undefined` if there was none since the database was used. */
  afterPowerCut(): PowerCut | undefined {
    const noted = this.#read();
    if (noted === undefined) return undefined;
    const inDoubt = this.#changedSince(noted.marks);
    const run = machineId();
    // Whoever came when it was used no more has noted nothing; what he has committed is in the file.
    const isUsed = noted.run !== null || (noted.marks !== undefined && (inDoubt.data || inDoubt.tables));
    if (!isUsed || (noted.run === run && run !== '')) return undefined;
    // Others may have removed one that know nothing of this.
    const indexes = noted.indexes.filter(({ file }) => existsSync(join(this.#folder, file)));
    return { indexes, inDoubt };
  }

  #changedSince(marks: Marks | undefined): PowerCut['inDoubt'] {
    const file = openToLook(this.#database);
    if (file === undefined) return { data: true, tables: true };
    try {
      const { data, tables } = marksOf(file);
      return { data: data !== marks?.data, tables: tables !== marks?.tables };
    } finally {
      closeSync(file);
    }
  }

  /** Whether it is damaged: it does not tell which indexes were in use. */
  get isUnreadable(): boolean {
    return this.#read() === UNREADABLE;
  }

  /**
   * The database is opened, and has these indexes. That is on the disk when this returns, with all that is in the file.
   *
   * @param database its file
   */
  begin(database: number, indexes: readonly IndexDescription[]): void {
    this.#isUsed = true;
    this.#marks = syncedMarks(database);
    this.note(indexes);
    // AceBase makes that of the database, and the one that it is in.
    const above = dirname(this.#folder);
    for (const folder of [above, dirname(above)]) syncFolderAbove(folder);
  }

  /** It has others now. Nothing is done if this process does not use it. */
  note(indexes: readonly IndexDescription[]): void {
    if (this.#isUsed) this.#write({ run: machineId(), indexes, marks: this.#marks });
  }

  /** Another process uses it, and notes that. */
  forget(): void {
    this.#isUsed = false;
  }

  /**
   * It is used no more, by nobody: it is on the disk, and then that is noted. Where the process that has noted its use went before, so does the last one.
   *
   * @param database its file
   * @param own the indexes, if this process has noted them
   */
  close(database: number, own: readonly IndexDescription[]): void {
    const noted = this.#read();
    const indexes = this.#isUsed ? own : noted?.indexes;
    // Of another boot, not all may have got to the disk that is to be seen.
    const isOfOthers = !this.#isUsed && (noted === UNREADABLE || noted?.run !== machineId());
    this.#isUsed = false;
    if (indexes === undefined || isOfOthers) return;
    const marks = syncedMarks(database);
    const paths = indexes.map(({ file }) => join(this.#folder, file));
    for (const path of paths.filter((it) => existsSync(it))) syncFile(path);
    syncFolder(this.#folder);
    this.#write({ run: null, indexes, marks });
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

function syncFolderAbove(folder: string): void {
  try {
    syncFolder(folder);
  } catch (error) {
    // Where a process may not read it, it has not made a folder either.
    if (!isForbidden(error)) throw error;
  }
}

/** The marks of a file, which is on the disk when this returns, with all that they stand for. */
function syncedMarks(database: number): Marks {
  // A mark comes last.
  const marks = marksOf(database);
  fsyncSync(database);
  return marks;
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
