import { closeSync, existsSync, fdatasyncSync } from 'node:fs';
import { applyChanges, hasAll, hasWritten, isInBetween, Mark, openToMend } from './database-file.js';
import { RedoLog, type WrittenPlace } from './redo-log.js';
import type { Change } from './write-buffer.js';

/** What a journal works with. */
export interface JournalSettings {
  /** The database, open for writing. */
  readonly file: number;
  /** The path of the log; it is made if it is not there. */
  readonly logPath: string;
  /** Whether what is committed is to outlive a loss of power. */
  readonly isSynced: boolean;
}

/** What is committed in one piece. */
export interface Commit<Notes> {
  /** What is changed in the file. */
  readonly changes: readonly Change[];
  /** What they lead to, and was written before. */
  readonly written?: readonly WrittenPlace[];
  /** What is to be done when that is there, and again after a crash: as long as {@link Journal.done} was not called. */
  readonly notes?: Notes | undefined;
}

/**
 * The redo log of one database file, and that file. Each commit is written to the log, then to its places, and then leaves its number in the file: a mark. So the
 * log of an earlier one is of no use to anybody, and need not be cleared.
 */
export class Journal<Notes> {
  readonly #log: RedoLog;
  readonly #settings: JournalSettings;
  readonly #mark: Mark;
  #failure: { readonly error: unknown } | undefined;
  /** Whether the record in the log has notes, and not all was done. */
  #hasNotes = false;

  constructor(settings: JournalSettings) {
    this.#settings = settings;
    this.#log = new RedoLog(settings.logPath, settings.isSynced);
    this.#mark = new Mark(settings.file);
  }

  /** Why nothing can be committed any more; `undefined` if it can. */
  get failure(): unknown {
    return this.#failure?.error;
  }

  /**
   * Writes all of it to the file, or nothing, whenever the process ends.
   *
   * @throws if that fails: nothing was written then, unless {@link Journal.failure} is set: who opens the database next finds all of it, or nothing
   */
  commit({ changes, written, notes }: Commit<Notes>): void {
    const { file, isSynced } = this.#settings;
    // The last commit must be in its places before the log is written over, and what this one leads to.
    if (isSynced) fdatasyncSync(file);
    const all = [...changes, this.#mark.next()];
    try {
      this.#log.append({ changes: all, written, notes });
      this.#hasNotes = notes !== undefined;
    } catch (error) {
      // What is not complete never happened.
      this.#orFail(() => {
        if (this.#log.read() === undefined) this.#log.isEmpty();
        else this.#log.clear();
      });
      throw error;
    }
    this.#orFail(() => applyChanges(file, all));
    this.#mark.isWritten();
  }

  /** All was done that was noted. */
  done(): void {
    const { file, isSynced } = this.#settings;
    if (isSynced) this.#orFail(() => fdatasyncSync(file));
    this.#orFail(() => this.#log.clear());
    this.#hasNotes = false;
  }

  /** Leaves no record behind: an older file may be put in the place of this one. */
  close(): void {
    if (this.#failure === undefined && !this.#hasNotes) this.done();
    this.#log.close();
  }

  #orFail(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#failure = { error };
      throw error;
    }
  }
}

/**
 * Writes again what a crash has cut short; before anybody reads the file. What the log has of another file than this one, or of one that was written
 * since by who knows nothing of it, is left alone.
 *
 * @param noted called with what is still to be done; if it returns false, that is not done yet, and the record stays until {@link Journal.done}
 */
export function recover<Notes>(path: string, logPath: string, noted: (notes: Notes) => boolean): void {
  if (!existsSync(logPath)) return;
  const log = new RedoLog(logPath, true);
  try {
    const record = log.read();
    const file = record === undefined ? undefined : openToMend(path);
    if (record === undefined || file === undefined) return;
    try {
      const { changes, written = [], notes } = record;
      const mark = changes.at(-1) as Change;
      // The mark comes last: where it is, all is.
      const isDone = hasAll(file, [mark]);
      if (!isDone && isInBetween(file, changes) && hasWritten(file, written)) {
        applyChanges(file, changes);
        fdatasyncSync(file);
      } else if (!isDone) return;
      if (notes === undefined || noted(notes as Notes)) log.clear();
    } finally {
      closeSync(file);
    }
  } finally {
    log.close();
  }
}
