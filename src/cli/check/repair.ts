/** Repairs what can be repaired without a loss. A copy of all files comes first. */

import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { join } from 'node:path';
import {
  clearMark,
  descriptionOf,
  type IndexDescription,
  marksIn,
  noteSettings,
  takeMarked,
} from '../../client/journal/index-marks.js';
import { type Notes, recoverDatabase } from '../../client/journal/recovery.js';
import { forgetUse } from '../../client/journal/use-record.js';
import { writeFully } from '../../client/patches/file-access.js';
import { FREE_SPACE_AT, RECORDS_AT } from '../../client/patches/file-layout.js';
import { isIndexOf } from '../../client/patches/indexes/index-names.js';
import { isCutShort } from '../../client/patches/unfinished-file.js';
import { syncFile, syncFolder } from '../../platform/disk-sync.js';
import { giveFileToUsersOf } from '../../platform/file-ownership.js';
import { OWNER_FILE } from '../../platform/owner-record.js';
import { messageOf } from '../../system-error.js';
import type { AceBaseModules } from './acebase-modules.js';
import { copyFolder, syncCopy, timedName } from './copy.js';
import { DatabaseView, freeSpaceTable, maximumOfRanges } from './database-view.js';
import { type DatabasePlace, examineDatabase, type FileReport, folderIn, TYPES } from './examination.js';
import { isWholeTree } from './judgement.js';
import { removeLeftOvers } from './left-overs.js';
import { makeIndex, readIndex } from './stored-indexes.js';
import type { FreeRange, WalkReport } from './walk.js';

/** Asked before files are changed. @throws if somebody has them open, or may have the folder */
export type Guard = () => void;

/**
 * Copies the folder of a database beside it.
 *
 * @param time goes into its name, as ISO 8601
 * @returns where the copy is
 * @throws IPCError `IPC_CHECK_NO_ROOM`
 */
export async function copyDatabase(place: DatabasePlace, time: string): Promise<string> {
  const folder = folderIn(place);
  const copy = timedName(folder, time);
  // The record of who repairs it is no part of it.
  const isLeftOut = (name: string): boolean => name.startsWith(OWNER_FILE);
  await copyFolder(folder, copy, { isLeftOut, noRoom: 'IPC_CHECK_NO_ROOM' });
  await syncCopy(copy);
  return copy;
}

/** @returns what was done, in words */
export async function repairDatabase(
  place: DatabasePlace,
  modules: AceBaseModules,
  guard: Guard,
): Promise<readonly string[]> {
  guard();
  const done = recoverLogs(place);
  if (!existsSync(join(folderIn(place), 'data.db'))) return done;
  const { files, indexes } = await examineDatabase(place, modules);
  guard();
  for (const file of files) done.push(...repairSpace(place, file));
  const wrong = indexes.filter(
    ({ missing, extra, unreadable, type }) =>
      type !== '' && (missing + extra > 0 || unreadable !== undefined),
  );
  const data = files.find(({ type }) => type === 'data');
  if (data?.walk !== undefined && isWholeTree(data.walk)) {
    done.push(
      ...(await repairIndexes(
        place,
        modules,
        wrong.map(({ file }) => file),
        guard,
      )),
    );
  }
  guard();
  const removed = removeLeftOvers(folderIn(place));
  if (removed.length > 0) done.push(`removed ${removed.join(', ')}`);
  return done;
}

/** Does what the next process with the client would do as it opens the database. */
function recoverLogs(place: DatabasePlace): string[] {
  const folder = folderIn(place);
  const done: string[] = [];
  for (const type of TYPES) {
    const path = join(folder, `${type}.db`);
    if (isCutShort(path)) {
      rmSync(path);
      done.push(`removed ${type}.db, whose making was cut short: AceBase makes it anew`);
    }
    // AceBase must be running to add a mutation to its transaction log.
    const noted = ({ mutation }: Notes): boolean => mutation === undefined;
    if (recoverDatabase({ folder, type, noted })) done.push(`wrote to ${type}.db what its log had`);
    // All that was in doubt is mended, or marked: whoever writes next may know nothing of it.
    forgetUse(folder, type);
  }
  return done;
}

/** Writes the table of free space anew: whatever no node has is free. */
function repairSpace(place: DatabasePlace, { file, walk, layout, missingBytes }: FileReport): string[] {
  if (walk === undefined || layout === undefined || !isWholeTree(walk)) return [];
  if (walk.leaked === 0 && walk.faults.length === 0 && missingBytes === 0) return [];
  const { pages, pageSize, recordSize } = layout;
  const needed = Math.max(pages, Math.ceil((walk.isUsed.last + 1) / pageSize));
  const handle = openSync(join(folderIn(place), file), constants.O_RDWR);
  try {
    const length = RECORDS_AT + needed * pageSize * recordSize;
    if (fstatSync(handle).size < length) ftruncateSync(handle, length);
    writeFully(handle, freeSpaceTable(needed, freeRanges(walk, needed, pageSize)), FREE_SPACE_AT);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
  return [`wrote the table of free space of ${file} anew`];
}

/** The runs of records that no node has, page by page: the longest ones, if the table has no room for all. */
function freeRanges({ isUsed }: WalkReport, pages: number, pageSize: number): FreeRange[] {
  const ranges: FreeRange[] = [];
  for (let page = 0; page < pages; page++) {
    for (let start = 0; start < pageSize; start++) {
      if (isUsed.at(page * pageSize + start)) continue;
      let end = start + 1;
      while (end < pageSize && !isUsed.at(page * pageSize + end)) end++;
      ranges.push({ page, start, end });
      start = end;
    }
  }
  const most = maximumOfRanges();
  if (ranges.length <= most) return ranges;
  const length = ({ start, end }: FreeRange): number => end - start;
  const longest = new Set(ranges.toSorted((one, other) => length(other) - length(one)).slice(0, most));
  return ranges.filter((range) => longest.has(range));
}

/** Makes indexes anew: these, and those that are marked. */
async function repairIndexes(
  place: DatabasePlace,
  modules: AceBaseModules,
  wrong: readonly string[],
  guard: Guard,
): Promise<string[]> {
  const folder = folderIn(place);
  const cutShort = marksIn(folder).filter(
    ({ file, mark }) => isIndexOf(file, 'data') && mark?.isNew === true,
  );
  const done = cutShort.map(({ file }) => `removed what was left of making ${file}`);
  const { path, database: name } = place;
  const view = new DatabaseView({ modules, path, name, type: 'data', changes: [] });
  try {
    const indexes = [...takeMarked(folder, 'data')];
    for (const file of wrong) indexes.push(descriptionOf(await readIndex(modules, view, file)));
    for (const index of indexes) done.push(await makeAnew(modules, view, folder, index, guard));
  } finally {
    view.close();
  }
  return done;
}

/** Puts a new index in the place of the old one when it is complete. One that cannot be made leaves all as it was. */
async function makeAnew(
  modules: AceBaseModules,
  view: DatabaseView,
  folder: string,
  index: IndexDescription,
  guard: Guard,
): Promise<string> {
  const made = join(folder, `${index.file}.tmp`);
  try {
    await makeIndex(modules, view, index, made);
  } catch (error) {
    return `could not make ${index.file} anew: ${messageOf(error)}`;
  }
  giveFileToUsersOf(folder, made);
  syncFile(made);
  guard();
  renameSync(made, join(folder, index.file));
  syncFolder(folder);
  noteSettings(folder, index, false);
  clearMark(folder, index);
  return `made ${index.file} anew`;
}
