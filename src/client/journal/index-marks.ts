/**
 * Marks of indexes that may not be as the data is: one stands beside the file of an index while it is made, and from a crash until it is made
 * again. AceBase reads every index when it opens a database, and one that is half written spoils that.
 */

import { randomUUID } from 'node:crypto';
import { closeSync, existsSync, fsyncSync, openSync, readdirSync, readFileSync, unlinkSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { syncFolder } from '../../platform/disk-sync.js';
import { giveToUsersOf } from '../../platform/file-ownership.js';
import { codeOf } from '../../system-error.js';
import { folderOf, loggerOf, type Storage } from '../acebase.js';
import { lostError } from '../core/lost-transactions.js';
import { writeFully } from '../patches/file-access.js';
import { type IndexNaming, indexFileOf, indexPathOf, isIndexOf } from '../patches/indexes/index-names.js';

/** An index, as AceBase is told to make it. */
export interface IndexDescription {
  /** The name of its file, without its folder. */
  readonly file: string;
  readonly path: string;
  readonly key: string;
  readonly options: object;
}

/** What a mark says. */
export interface Mark extends IndexDescription {
  /** Whether it was being made, and nobody has been told that it is there. */
  readonly isNew: boolean;
  /** Tells it from others of the same index. */
  readonly id?: string;
}

/** The ending of a mark: none that AceBase takes for an index. */
const ENDING = '.redo';

/** The ending of a note that an index was made again without its settings. */
const PLAIN_ENDING = '.plain.redo';

/** An index of AceBase, with what it is made of. */
export interface DescribedIndex {
  readonly fileName: string;
  readonly path: string;
  readonly key: string;
  readonly type: string;
  readonly includeKeys: readonly string[];
  readonly caseSensitive: boolean;
  readonly textLocale: string;
  readonly textLocaleKey?: string;
}

/** How an index that is there would be made. */
export function descriptionOf(index: DescribedIndex): IndexDescription {
  const { fileName, path, key, type, includeKeys: include, caseSensitive, textLocale, textLocaleKey } = index;
  const options = { type, include, caseSensitive, textLocale, textLocaleKey };
  return { file: basename(fileName), path, key, options };
}

/**
 * Marks an index: whoever opens the database before {@link clearMark} makes it again, or removes it if it is new.
 *
 * @returns the id of the mark; `undefined` if it was marked already: whoever did that makes it, when those who write now are done
 */
export function setMark(folder: string, index: IndexDescription, isNew: boolean): string | undefined {
  const path = join(folder, index.file + ENDING);
  if (existsSync(path) && readMark(path) !== undefined) return undefined;
  const id = randomUUID();
  try {
    // Settings may have functions: a part of them is none.
    const options = { ...index.options, config: undefined };
    writeSynced(path, JSON.stringify({ ...index, options, isNew, id } satisfies Mark));
  } catch (error) {
    remove(path);
    throw error;
  }
  syncFolder(folder);
  return id;
}

/** Makes a file, or writes it anew: it is on the disk when this returns. @throws if that fails; a part of it may be there then */
export function writeSynced(path: string, text: string): void {
  const file = openSync(path, 'w');
  try {
    giveToUsersOf(dirname(path), file);
    writeFully(file, Buffer.from(text), 0);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** An index is as the data is. @param id of the only mark that is cleared by that; default: any */
export function clearMark(folder: string, { file }: IndexDescription, id?: string): void {
  const path = join(folder, file + ENDING);
  if (id !== undefined && (!existsSync(path) || readMark(path)?.id !== id)) return;
  remove(path);
  syncFolder(folder);
}

/** The settings of a full-text index (`config`) are in no file: they may have functions. */
interface Settings {
  readonly type?: string;
  readonly config?: unknown;
}

/**
 * Notes with which settings an index was made. If it was made again, and whoever did that knew none, it may have had some: when the program tells them, it is
 * made anew. Other kinds than full-text indexes have none.
 */
export function noteSettings(
  folder: string,
  { file, options }: IndexDescription,
  isNew: boolean,
): { readonly areUnknown: boolean } {
  const { type, config }: Settings = options;
  const path = join(folder, file + PLAIN_ENDING);
  const areUnknown = !isNew && type === 'fulltext' && config === undefined;
  if (areUnknown) writeSynced(path, '');
  else if (existsSync(path)) remove(path);
  else return { areUnknown };
  syncFolder(folder);
  return { areUnknown };
}

/** Whether an index is to be made anew for these options: it was made again without the settings that they have. */
export function lacksSettings(folder: string, file: string, { config }: Settings): boolean {
  return config !== undefined && existsSync(join(folder, file + PLAIN_ENDING));
}

/** The marks that are there. Nothing is changed. @returns with no mark: one that was cut short, which stands for nothing */
export function marksIn(
  folder: string,
): readonly { readonly file: string; readonly mark: Mark | undefined }[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith(`.idx${ENDING}`))
    .map((name) => ({ file: name.slice(0, -ENDING.length), mark: readMark(join(folder, name)) }));
}

/**
 * Removes the files of marked indexes, with all that was left of making them; before AceBase looks which there are.
 *
 * @param type what kind of data is opened: others may have their indexes in the same folder
 * @returns those that are to be made again
 */
export function takeMarked(folder: string, type: string): readonly IndexDescription[] {
  if (!existsSync(folder)) return [];
  const files = readdirSync(folder);
  const missing: IndexDescription[] = [];
  for (const { file, mark } of marksIn(folder)) {
    if (!isIndexOf(file, type)) continue;
    const markFile = file + ENDING;
    if (mark !== undefined) removeIndex(folder, file, files);
    if (mark === undefined || mark.isNew) remove(join(folder, markFile));
    else missing.push({ ...mark, file });
  }
  return missing;
}

/** The file of an index, and what AceBase makes beside it. */
function removeIndex(folder: string, file: string, files: readonly string[]): void {
  for (const other of files) {
    if (other === file || (other.startsWith(`${file}.`) && !other.endsWith(ENDING)))
      remove(join(folder, other));
  }
}

/** One that was cut short is none: what it stands for had not begun. */
function readMark(path: string): Mark | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Mark;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function remove(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
}

/** Whether an index is marked: its file counts for nothing. */
export function isMarked(folder: string, file: string): boolean {
  return existsSync(join(folder, file + ENDING));
}

/** The indexes that this process is making. */
export interface MarkedBuilds {
  /** Those whose mark says that they count for nothing, and which nobody makes here. */
  left(): readonly IndexDescription[];
}

/**
 * Marks each index while it is made, or made anew. Who wants one that is being made waits for that; one that is marked is none, and is made.
 * To be called when the file is open.
 *
 * @param made called when one is there, before anybody is told
 * @param losses how often this process has lost its place: then the files are those of its successor
 */
export function markBuilds(
  storage: Storage,
  { made, losses }: { readonly made: () => void; readonly losses: () => number },
): MarkedBuilds {
  const { indexes, settings } = storage;
  const folder = folderOf(storage);
  const { type = 'data' } = settings;
  const { create } = indexes;
  const underWay = new Map<string, Promise<unknown>>();
  /** The settings of indexes, as the program has told them, by their files. */
  const settingsOf = new Map<string, unknown>();
  const make = async (
    index: IndexDescription,
    { isNew, isInDoubt }: { isNew: boolean; isInDoubt: boolean },
  ): ReturnType<typeof create> => {
    const { file, path, key } = index;
    const config: unknown =
      Reflect.get(index.options, 'config') ?? (isNew ? undefined : settingsOf.get(file));
    const options = config === undefined ? index.options : { ...index.options, config };
    settingsOf.set(file, config);
    setMark(folder, index, isNew);
    const before = losses();
    const former = indexes.list().find(({ fileName }) => basename(fileName) === file);
    if (isInDoubt && former !== undefined) await indexes.remove(former.fileName);
    let built: Awaited<ReturnType<typeof create>>;
    try {
      built = await create.call(indexes, path, key, options);
    } catch (error) {
      // One that was there, and could not be made anew, keeps its mark.
      if (isNew && losses() === before) {
        removeIndex(folder, file, readdirSync(folder));
        clearMark(folder, index);
      }
      throw error;
    }
    if (losses() !== before) throw lostError('the lock under which it was made');
    made();
    if (noteSettings(folder, { ...index, options }, isNew).areUnknown) {
      const what = 'was made again without a config: the first create() with one makes it anew.';
      loggerOf(storage).warn(`The full-text index ${file} ${what}`);
    }
    clearMark(folder, index);
    return built;
  };
  indexes.create = async (spelling, key, given: IndexNaming & Settings = {}) => {
    const path = indexPathOf(spelling);
    const file = indexFileOf(storage, path, key, given);
    const options = lacksSettings(folder, file, given) ? { ...given, rebuild: true } : given;
    const other = underWay.get(file);
    if (other !== undefined) {
      await other.catch(() => undefined);
      return await indexes.create(path, key, options);
    }
    const isThere = existsSync(join(folder, file));
    const isInDoubt = isMarked(folder, file);
    if (isThere && !isInDoubt && options.rebuild !== true) {
      if (options.config !== undefined) settingsOf.set(file, options.config);
      return await create.call(indexes, path, key, options);
    }
    const isNew = !isThere && !isInDoubt;
    const making = make({ file, path, key, options }, { isNew, isInDoubt });
    underWay.set(file, making);
    try {
      return await making;
    } finally {
      underWay.delete(file);
    }
  };
  return {
    left: () =>
      marksIn(folder).flatMap(({ file, mark }) =>
        mark === undefined || mark.isNew || underWay.has(file) || !isIndexOf(file, type)
          ? []
          : [{ ...mark, file }],
      ),
  };
}
