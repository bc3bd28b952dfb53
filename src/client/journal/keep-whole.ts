/** Where a storage gets its journal, and what a crash has left is mended before AceBase opens the file. */

import { existsSync, rmSync } from 'node:fs';
import type { Storage } from '../acebase.js';
import type { FileJournal } from '../core/host.js';
import { isCutShort, MARKS } from './database-file.js';
import { type IndexDescription, setMark, takeMarked } from './index-marks.js';
import { recover } from './journal.js';
import { type Durability, JournaledStorage, logPathsOf, type Notes } from './journaled-storage.js';
import type { RecordHead } from './redo-log.js';
import { folderOf, type InnerStorage, typeOf } from './storage.js';
import { aloneWhile, type Surroundings } from './surroundings.js';
import type { LoggedMutation } from './transaction.js';
import { forgetUse, UseRecord } from './use-record.js';

/**
 * Makes each call that writes all or nothing, in a database that this process has for itself. To be called while AceBase makes the storage,
 * before it opens the file: what a crash has left is mended then.
 *
 * @param isAlone asked before each call: whether no other process has the file open that knows nothing of this
 * @throws if mending fails: the file must not be used as it is
 */
export function keepWhole(storage: Storage, durability: Durability, isAlone: () => boolean): void {
  let mutation: LoggedMutation | undefined;
  if (isCutShort(pathOf(storage))) rmSync(pathOf(storage));
  const missing = mend(
    storage,
    durability,
    () => true,
    (notes) => {
      mutation = notes.mutation;
      return mutation === undefined;
    },
  );
  whenMade(() => journaled(storage, durability, aloneWhile(isAlone)).begin({ missing, mutation }));
}

/** What is around a database of several processes. */
export interface Place extends Surroundings {
  /** Calls each time that this process has lost its place. */
  onPlaceLost(callback: () => void): void;
}

/**
 * The journal of a database file that several processes write to in turns (docs/PROTOCOL.md, section 16). To be made while AceBase makes the
 * storage.
 */
export class SharedJournal implements FileJournal {
  readonly #storage: Storage;
  readonly #durability: Durability;
  #journaled: JournaledStorage | undefined;
  /** Indexes that are to be made again, by a master. */
  #missing: readonly IndexDescription[] = [];

  constructor(storage: Storage, durability: Durability) {
    this.#storage = storage;
    this.#durability = durability;
  }

  /** @param place of this process among the others */
  join(place: Place): void {
    whenMade(() => {
      const made = journaled(this.#storage, this.#durability, place);
      made.begin({ missing: [], mutation: undefined });
      place.onPlaceLost(() => made.forget());
      this.#journaled = made;
    });
  }

  /**
   * What is a master's is mended before it opens the file: the tables, and which indexes it may read. What a crash has cut short of the data waits for
   * a lock, unless the process had the file for itself.
   */
  prepare(): void {
    this.#missing = mend(
      this.#storage,
      this.#durability,
      ({ isLone }) => isLone,
      () => false,
    );
  }

  /** A master has opened the file. */
  opened(): void {
    this.#journaled?.makeAgain(this.#missing);
    this.#missing = [];
  }

  look(): boolean | Promise<boolean> {
    return this.#journaled?.look() ?? false;
  }

  get isPending(): boolean {
    return this.#journaled?.isPending === true;
  }
}

/** A database is opened that keeps none. */
export function withoutJournal(storage: Storage): void {
  forgetUse(folderOf(storage), typeOf(storage));
}

/** Whether a storage can have a journal: it has a file, and writes it through methods that can be replaced. */
export function canKeepJournal({ settings, writeData }: Storage): boolean {
  return writeData !== undefined && Reflect.get(settings, 'readOnly') !== true;
}

function journaled(storage: Storage, durability: Durability, surroundings: Surroundings): JournaledStorage {
  return new JournaledStorage(storage as unknown as InnerStorage, durability, surroundings);
}

/** All members are there when the constructor is over; nothing was done by then. */
function whenMade(act: () => void): void {
  queueMicrotask(act);
}

function pathOf(storage: Storage): string {
  return `${folderOf(storage)}/${typeOf(storage)}.db`;
}

/** @returns indexes that are to be made again */
function mend(
  storage: Storage,
  durability: Durability,
  isToBeApplied: (head: RecordHead) => boolean,
  noted: (notes: Notes) => boolean,
): readonly IndexDescription[] {
  const { data, tables } = logPathsOf(storage);
  const [path, folder, type] = [pathOf(storage), folderOf(storage), typeOf(storage)];
  // What was logged of a file whose making was cut short says nothing of the one that is made in its place.
  if (!existsSync(path) || isCutShort(path))
    for (const log of [...data, ...tables]) rmSync(log, { force: true });
  if (durability !== 'power') forgetUse(folder, type);
  const inDoubt = durability === 'power' ? new UseRecord(folder, type).afterPowerCut() : undefined;
  const isInDoubt = inDoubt !== undefined;
  recover<never>(path, { logPaths: tables, mark: MARKS.tables }, () => true, undefined, isInDoubt);
  // Who wrote that is gone, whoever it was.
  const isApplied = isInDoubt ? () => true : isToBeApplied;
  const take = (notes: Notes): boolean => {
    for (const index of notes.indexes) setMark(folder, index, false);
    return noted(notes);
  };
  recover<Notes>(path, { logPaths: data, mark: MARKS.data }, isApplied, take, isInDoubt);
  for (const index of inDoubt ?? []) setMark(folder, index, false);
  return takeMarked(folder, type);
}
