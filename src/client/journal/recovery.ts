/** What a crash has left in the logs of a database file is carried out before the file is opened. */

import { existsSync, readdirSync, rmSync } from 'node:fs';
import { logPathsOf, MARKS } from '../patches/file-layout.js';
import { isIndexOf } from '../patches/indexes/index-names.js';
import { isCutShort, putAway } from '../patches/unfinished-file.js';
import { type IndexDescription, setMark } from './index-marks.js';
import { recover } from './journal.js';
import type { RecordHead } from './redo-log.js';
import type { LoggedMutation } from './transaction.js';
import { UseRecord } from './use-record.js';

/** What is to be done when a transaction is in the file, and again after a crash. */
export interface Notes {
  /** Indexes that are told of it. */
  readonly indexes: readonly IndexDescription[];
  /** What goes into the log of transactions. */
  readonly mutation?: LoggedMutation | undefined;
}

/** A database file, and what is to be done about it. */
export interface Recovery {
  /** The folder of the database. */
  readonly folder: string;
  /** What kind of data the file has: `data`. */
  readonly type: string;
  /**
   * Whether a transaction that was cut short is to be completed now. After a power cut, each is: who wrote it is gone, whoever it was. Default: each.
   */
  isToBeApplied?(head: RecordHead): boolean;
  /** Called with what is still to be done, when its indexes are marked. @returns false if the rest of it is not done yet: the log keeps it */
  noted(notes: Notes): boolean;
}

/** What was logged of a file that is gone, and its indexes, say nothing of the one that is made in its place; they would look as if that had been whole. */
function removeCompany(folder: string, type: string): void {
  if (!existsSync(folder)) return;
  const { data, tables } = logPathsOf(folder, type);
  const indexes = readdirSync(folder).filter((name) => isIndexOf(name, type));
  for (const path of [...data, ...tables, ...indexes.map((name) => `${folder}/${name}`)])
    rmSync(path, { force: true });
}

/**
 * Completes what a crash has cut short, and marks the indexes that may not be as the data is. After a power cut, these are all. To be called when no other
 * process has the file open, or with a `isToBeApplied` that leaves alone what others may be writing.
 *
 * @returns whether the file was changed
 * @throws if that fails: the file must not be used as it is
 */
export function recoverDatabase({ folder, type, isToBeApplied, noted }: Recovery): boolean {
  const path = `${folder}/${type}.db`;
  const { data, tables } = logPathsOf(folder, type);
  if (isCutShort(path)) putAway(path);
  if (!existsSync(path)) removeCompany(folder, type);
  const cut = new UseRecord(folder, type).afterPowerCut();
  const all = (): boolean => true;
  const isApplied = cut === undefined ? (isToBeApplied ?? all) : all;
  const take = (notes: Notes): boolean => {
    for (const index of notes.indexes) setMark(folder, index, false);
    return noted(notes);
  };
  const areTablesChanged = recover<never>(
    path,
    { logPaths: tables, mark: MARKS.tables },
    all,
    all,
    cut?.inDoubt.tables,
  );
  const isDataChanged = recover<Notes>(
    path,
    { logPaths: data, mark: MARKS.data },
    isApplied,
    take,
    cut?.inDoubt.data,
  );
  for (const index of cut?.indexes ?? []) setMark(folder, index, false);
  return areTablesChanged || isDataChanged;
}
