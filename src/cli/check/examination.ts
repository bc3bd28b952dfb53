/** Looks at all files of a database, and changes none. */

import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Mark, marksIn } from '../../client/journal/index-marks.js';
import { type Outstanding, outstanding } from '../../client/journal/journal.js';
import type { Notes } from '../../client/journal/recovery.js';
import { UseRecord } from '../../client/journal/use-record.js';
import { logPathsOf, MARKS } from '../../client/patches/file-layout.js';
import { isIndexOf } from '../../client/patches/indexes/index-names.js';
import { isCutShort } from '../../client/patches/unfinished-file.js';
import { IPCError } from '../../errors.js';
import { messageOf } from '../../system-error.js';
import type { AceBaseModules } from './acebase-modules.js';
import { DatabaseView } from './database-view.js';
import { leftOvers } from './left-overs.js';
import { isThere } from './permission.js';
import { compareIndex, type IndexReport, NO_DIFFERENCES, readIndex } from './stored-indexes.js';
import { type WalkReport, walk } from './walk.js';

/** Which database. */
export interface DatabasePlace {
  readonly database: string;
  /** The folder that its folder is in. */
  readonly path: string;
}

/** How one of its files is. */
export interface FileReport {
  /** `data` or `transaction`. */
  readonly type: string;
  readonly file: string;
  /** Why nothing of it could be read; `undefined` if it could. */
  readonly unreadable?: string | undefined;
  /** Whether its making was cut short: there is nothing in it. */
  readonly isCutShort: boolean;
  readonly walk?: WalkReport | undefined;
  readonly layout?:
    | { readonly pages: number; readonly pageSize: number; readonly recordSize: number }
    | undefined;
  /** How many bytes it is shorter than its table of free space says. */
  readonly missingBytes: number;
  /** What is in the log, and not in the file. */
  readonly pending: Outstanding<Notes> | undefined;
}

/** How a database is. */
export interface Examination extends DatabasePlace {
  readonly files: readonly FileReport[];
  readonly indexes: readonly IndexReport[];
  /** Indexes that were being made. */
  readonly marks: readonly { readonly file: string; readonly mark: Mark | undefined }[];
  readonly leftOvers: readonly string[];
}

/** The files that have nodes in them; the second one only where AceBase logs transactions. */
export const TYPES = ['data', 'transaction'] as const;

/** The folder of the files of a database. */
export function folderIn({ path, database }: DatabasePlace): string {
  return join(path, `${database}.acebase`);
}

/** The files of it that are there, and have nodes in them. */
export function databaseFiles(place: DatabasePlace): readonly string[] {
  return TYPES.map((type) => join(folderIn(place), `${type}.db`)).filter((file) => isThere(file));
}

/**
 * Looks at a database that nobody writes to. What is in its log is taken as done.
 *
 * @throws IPCError `IPC_CHECK_NO_DATABASE`, `IPC_CHECK_IN_USE` if a file was written to meanwhile
 */
export async function examineDatabase(place: DatabasePlace, modules: AceBaseModules): Promise<Examination> {
  const folder = folderIn(place);
  if (!isThere(join(folder, 'data.db'))) {
    throw new IPCError('IPC_CHECK_NO_DATABASE', `there is no ${join(folder, 'data.db')}`);
  }
  const before = stateOf(place);
  const files: FileReport[] = [];
  let indexes: readonly IndexReport[] = [];
  const marks = marksIn(folder).filter(({ file }) => isIndexOf(file, 'data'));
  for (const type of TYPES) {
    if (!isThere(join(folder, `${type}.db`))) continue;
    const { report, view } = await examineFile(place, modules, type);
    files.push(report);
    if (view === undefined) continue;
    // A mark that was cut short stands for nothing.
    const marked = marks.filter(({ mark }) => mark !== undefined).map(({ file }) => file);
    const untrusted = [...marked, ...notedIn(report.pending)];
    if (type === 'data') indexes = await examineIndexes(modules, view, folder, untrusted);
    view.close();
  }
  if (stateOf(place) !== before)
    throw new IPCError('IPC_CHECK_IN_USE', `somebody wrote to ${folder} meanwhile`);
  return { ...place, files, indexes, marks, leftOvers: leftOvers(folder) };
}

/** Indexes that are told of what is in the log, or made anew. */
function notedIn(pending: Outstanding<Notes> | undefined): readonly string[] {
  return pending?.notes?.indexes.map(({ file }) => file) ?? [];
}

/** Changes if somebody writes to a file. */
function stateOf(place: DatabasePlace): string {
  const states = databaseFiles(place).map((file) => {
    const { size, mtimeNs, ino } = statSync(file, { bigint: true });
    return `${ino}:${size}:${mtimeNs}`;
  });
  return states.join();
}

async function examineFile(
  place: DatabasePlace,
  modules: AceBaseModules,
  type: string,
): Promise<{ report: FileReport; view?: DatabaseView }> {
  const { path, database: name } = place;
  const file = `${type}.db`;
  const at = join(folderIn(place), file);
  const about = { type, file, missingBytes: 0 };
  if (isCutShort(at)) return { report: { ...about, isCutShort: true, pending: undefined } };
  const pending = pendingOf(place, type);
  let view: DatabaseView;
  try {
    view = new DatabaseView({ modules, path, name, type, changes: pending?.changes ?? [] });
  } catch (error) {
    const unreadable = messageOf(error);
    return { report: { ...about, isCutShort: false, pending, unreadable } };
  }
  const { found, told } = view.length;
  const walked = await walk({
    records: view,
    nodeAt: (address) => view.nodeAt(address),
    capacity: view.capacity,
    readsValues: true,
  });
  const missingBytes = Math.max(0, told - found);
  const layout = { ...view.settings, pages: view.FST.pages };
  return { report: { ...about, isCutShort: false, pending, walk: walked, layout, missingBytes }, view };
}

/** What the logs of a file have that is not in it. */
function pendingOf(place: DatabasePlace, type: string): Outstanding<Notes> | undefined {
  const at = join(folderIn(place), `${type}.db`);
  const { data, tables } = logPathsOf(folderIn(place), type);
  const inDoubt = new UseRecord(folderIn(place), type).afterPowerCut()?.inDoubt;
  const ofTables = outstanding<Notes>(at, { logPaths: tables, mark: MARKS.tables }, inDoubt?.tables);
  const ofData = outstanding<Notes>(at, { logPaths: data, mark: MARKS.data }, inDoubt?.data);
  if (ofTables === undefined) return ofData;
  return { changes: [...ofTables.changes, ...(ofData?.changes ?? [])], notes: ofData?.notes };
}

async function examineIndexes(
  modules: AceBaseModules,
  view: DatabaseView,
  folder: string,
  untrusted: readonly string[],
): Promise<IndexReport[]> {
  const reports: IndexReport[] = [];
  for (const file of readdirSync(folder).sort()) {
    if (!isIndexOf(file, 'data') || untrusted.includes(file)) continue;
    try {
      reports.push(await compareIndex(modules, view, await readIndex(modules, view, file)));
    } catch (error) {
      const unreadable = messageOf(error);
      reports.push({
        file,
        path: '',
        key: '',
        type: '',
        entries: 0,
        ...NO_DIFFERENCES,
        unreadable,
      });
    }
  }
  return reports;
}
