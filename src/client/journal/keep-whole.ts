/** Where a storage gets its journal, and what a crash has left is mended before AceBase opens the file. */

import { accessSync, constants, existsSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { IPCError } from '../../errors.js';
import { systemClock } from '../../platform/clock.js';
import { codeOf, isForbidden } from '../../system-error.js';
import { folderOf, type Storage } from '../acebase.js';
import type { ValueClasses } from '../core/codec.js';
import type { FileJournal } from '../core/host.js';
import { DRAFT, logPathsOf } from '../patches/file-layout.js';
import { noJournal } from './forbidden.js';
import { type IndexDescription, takeMarked } from './index-marks.js';
import { JournaledStorage } from './journaled-storage.js';
import type { Durability } from './logs.js';
import { type Recovery, recoverDatabase } from './recovery.js';
import { type InnerStorage, typeOf } from './storage.js';
import { aloneWhile, type Surroundings } from './surroundings.js';
import type { LoggedMutation } from './transaction.js';
import { forgetUse } from './use-record.js';

/**
 * Makes each call that writes all or nothing, in a database that this process has for itself. To be called while AceBase makes the storage,
 * before it opens the file: what a crash has left is mended then, whether the database keeps a journal or not.
 *
 * @param wanted what is to be outlived
 * @param around `isAlone` is asked before each call: whether no other process has the file open that knows nothing of this. `cannotKeep` is called if the folder does not allow a journal.
 *   `classes` are those of its AceBase
 * @throws if mending fails: the file must not be used as it is
 */
export function keepWhole(
  storage: Storage,
  wanted: Durability,
  {
    isAlone,
    cannotKeep,
    classes,
  }: { readonly isAlone: () => boolean; cannotKeep(error: IPCError): void; readonly classes: ValueClasses },
): void {
  const durability = allowed(storage, wanted, cannotKeep);
  let mutation: LoggedMutation | undefined;
  const missing = mend(storage, durability, {
    noted(notes) {
      mutation = notes.mutation;
      return mutation === undefined;
    },
  });
  const isKept = durability !== 'off';
  if (!isKept && missing.length === 0 && mutation === undefined) return;
  const isInForce = (): boolean => isKept && isAlone();
  whenMade(storage, () =>
    journaled(storage, durability, aloneWhile(isInForce, classes)).begin({ missing, mutation }),
  );
}

/** What is around a database of several processes. */
export interface Place extends Surroundings {
  /** Calls each time that this process has lost its place. */
  onPlaceLost(callback: () => void): void;
}

/**
 * The journal of a database file that several processes write to in turns (docs/PROTOCOL.md, section 16). To be made while AceBase makes the
 * storage. One that keeps none looks at that of others: they may have been killed, and be none of the cluster any more.
 */
export class SharedJournal implements FileJournal {
  #isKept: boolean;
  readonly #storage: Storage;
  readonly #durability: Durability;
  readonly #cannotKeep: (error: IPCError) => void;
  readonly #givenUp: ((error: IPCError) => void)[] = [];
  #journaled: JournaledStorage | undefined;
  /** Indexes that are to be made again, by a master. */
  #missing: readonly IndexDescription[] = [];

  /**
   * @param wanted what is to be outlived
   * @param cannotKeep called if the folder does not allow a journal, now or later; none is kept then, and the server hears that when this process connects
   */
  constructor(storage: Storage, wanted: Durability, cannotKeep: (error: IPCError) => void) {
    this.#storage = storage;
    this.#cannotKeep = cannotKeep;
    this.#durability = allowed(storage, wanted, cannotKeep);
    this.#isKept = this.#durability !== 'off';
  }

  get isKept(): boolean {
    return this.#isKept;
  }

  /** None is kept any more. @param error why it cannot be */
  giveUp(error: IPCError): void {
    if (!this.#isKept) return;
    this.#isKept = false;
    this.#cannotKeep(error);
    for (const callback of this.#givenUp) callback(error);
  }

  /** Calls when none is kept any more, with the reason. */
  onGivenUp(callback: (error: IPCError) => void): void {
    this.#givenUp.push(callback);
  }

  /** @param place of this process among the others */
  join(place: Place): void {
    whenMade(this.#storage, () => {
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
    this.#missing = mend(this.#storage, this.#durability, {
      isToBeApplied: ({ isLone }) => isLone,
      noted: () => false,
    });
  }

  /** A master has opened the file. */
  opened(): void {
    this.#journaled?.makeAgain(this.#missing);
    this.#missing = [];
  }

  look(): boolean | Promise<boolean> {
    return this.#journaled?.look() ?? false;
  }

  async empty(): Promise<boolean> {
    return (await this.#journaled?.empty()) === true;
  }

  get isPending(): boolean {
    return this.#journaled?.isPending === true;
  }
}

/** What can be outlived: nothing, if the logs cannot be written. Those of a folder that is to be made yet can. */
function allowed(storage: Storage, wanted: Durability, cannotKeep: (error: IPCError) => void): Durability {
  const folder = folderOf(storage);
  if (wanted === 'off' || !existsSync(folder)) return wanted;
  const { R_OK, W_OK, X_OK } = constants;
  const { data, tables } = logPathsOf(folder, typeOf(storage));
  let path = folder;
  try {
    accessSync(path, W_OK | X_OK);
    for (path of [...data, ...tables]) if (existsSync(path)) accessSync(path, R_OK | W_OK);
    return wanted;
  } catch (error) {
    if (!isForbidden(error)) throw error;
    cannotKeep(noJournal(path, error));
    return 'off';
  }
}

/** Whether a storage can have a journal: it has a file, and writes it through methods that can be replaced. */
export function canKeepJournal({ settings, writeData }: Storage): boolean {
  return writeData !== undefined && Reflect.get(settings, 'readOnly') !== true;
}

function journaled(storage: Storage, durability: Durability, surroundings: Surroundings): JournaledStorage {
  return new JournaledStorage(storage as unknown as InnerStorage, durability, surroundings);
}

/** All members are there when the constructor is over; nothing was done by then. If it has thrown, there is no database. */
function whenMade(storage: Storage, act: () => void): void {
  queueMicrotask(() => {
    // What AceBase sets last.
    if (storage.rootRecord !== undefined) act();
  });
}

/** How old something is that nobody can be making any more, in ms: far longer than a lock lasts. */
const DRAFT_AGE_MS = 3_600_000;

/** Of those who were killed. A worker may be making one. */
function removeDrafts(folder: string): void {
  if (!existsSync(folder)) return;
  const before = systemClock.wallTime() - DRAFT_AGE_MS;
  const drafts = readdirSync(folder).filter((name) => DRAFT.test(name));
  for (const path of drafts.map((name) => join(folder, name))) {
    try {
      if (statSync(path).mtimeMs < before) rmSync(path, { force: true });
    } catch (error) {
      if (!isForbidden(error) && codeOf(error) !== 'ENOENT') throw error;
    }
  }
}

/** @returns indexes that are to be made again */
function mend(
  storage: Storage,
  durability: Durability,
  recovery: Pick<Recovery, 'isToBeApplied' | 'noted'>,
): readonly IndexDescription[] {
  const [folder, type] = [folderOf(storage), typeOf(storage)];
  removeDrafts(folder);
  recoverDatabase({ folder, type, ...recovery });
  if (durability !== 'power') forgetUse(folder, type);
  return takeMarked(folder, type);
}
