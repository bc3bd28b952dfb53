import fs from 'node:fs';
import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { IPCError } from '../../../errors.js';
import { systemClock } from '../../../platform/clock.js';
import { folderOf, loggerOf, type Storage } from '../../acebase.js';
import type { IPCLock } from '../../core/host.js';
import { indexFileOf, indexPathOf } from './index-names.js';
import { watchIndexReads } from './index-reads.js';

/** Milliseconds after a new index was told of until writers begin: all have heard of it. */
const NEWS_MS = 200;

/** The indexes that a process makes. */
export interface IndexBuilds {
  /** Resolves when none is being made; `undefined` if none is. */
  built(): Promise<void> | undefined;
  /** Resolves when none is being made, or waits for that; `undefined` if none does. */
  over(): Promise<void> | undefined;
}

/** By storage. */
const all = new WeakMap<Storage, IndexBuilds>();

/**
 * Has indexes made in such a way that they are as the data is. A lock for reading is held from before one is made until all have heard of it: who writes
 * already ends first, and nobody writes then. A worker that has not heard of an index does not tell it what it writes; and what AceBase is told while it
 * makes one, it adds in the end, though it may have read it: if what was removed is not in it, that of another record with the same value goes.
 * An index is removed again if some of the data could not be read for it, and what is left of one that failed, too.
 * To be called when the storage is complete, in a process that makes indexes itself; once more, nothing is changed.
 *
 * @param hasWorkers whether others have to hear of it
 */
export function repairIndexBuilds(storage: Storage, hasWorkers: boolean): IndexBuilds {
  const known = all.get(storage);
  if (known !== undefined) return known;
  const { indexes, ipc } = storage;
  const { create } = indexes;
  const beginReading = watchIndexReads(storage);
  const [asked, underWay] = [new Set<Promise<unknown>>(), new Set<Promise<unknown>>()];
  const make = async (...details: Parameters<typeof create>): ReturnType<typeof create> => {
    const lock = await lastingLock(storage);
    const reading = beginReading();
    let isMade = false;
    try {
      if (ipc._exiting) throw new Error('The database is being closed, and makes no index');
      const built = await counted(underWay, withoutRemains(storage, details, create.apply(indexes, details)));
      const why = lock.state === 'expired' ? lockLost(details) : reading.failure;
      isMade = why === undefined;
      if (isMade) return built;
      await indexes.delete(built.fileName).catch((error: unknown) => {
        loggerOf(storage).error(`The index ${built.fileName} lacks a part, and cannot be removed:`, error);
      });
      throw why;
    } finally {
      reading.end();
      const end = (): void => void lock.release('index').catch((error: unknown) => warn(storage, error));
      if (isMade && hasWorkers) systemClock.schedule(NEWS_MS, end);
      else end();
    }
  };
  indexes.create = async (spelling, key, options = {}) => {
    const path = indexPathOf(spelling);
    const isToBeUsed = isThere(storage, [path, key, options]) && Reflect.get(options, 'rebuild') !== true;
    return await (isToBeUsed
      ? create.call(indexes, path, key, options)
      : counted(asked, make(path, key, options)));
  };
  const builds = { built: () => overOf(underWay), over: () => overOf(asked) };
  all.set(storage, builds);
  return builds;
}

/** A database that is closed waits for the indexes that are being made: what reads for them is refused then, and they would lack it. */
export function closeAfterBuilds({ ipc }: Storage, { over }: IndexBuilds): void {
  const { exit } = ipc;
  ipc.exit = async (code) => {
    for (let made = over(); made !== undefined; made = over()) await made;
    await exit.call(ipc, code);
  };
}

/** A lock for reading the whole database, which does not expire: how long an index takes depends on the data. */
async function lastingLock(storage: Storage): Promise<IPCLock> {
  const lock = await storage.nodeLocker.lock('', String(storage.createTid()), false, 'index');
  const its = storage.ipc._nodeLocker.list().find(({ id }) => id === lock.id);
  clearTimeout(its?.timeout);
  return lock;
}

/** AceBase takes what is left of making an index that failed for a part of the next one. */
async function withoutRemains<T>(
  storage: Storage,
  [path, key, options]: Parameters<Storage['indexes']['create']>,
  making: Promise<T>,
): Promise<T> {
  try {
    return await making;
  } catch (error) {
    const folder = folderOf(storage);
    const remains = `${indexFileOf(storage, path, key, options)}.build`;
    try {
      const files = (await readdir(folder)).filter((file) => file.startsWith(remains));
      // By way of the fence: a process that has lost its place removes nothing of its successor.
      for (const file of files) await promisify(fs.unlink)(join(folder, file));
    } catch (why) {
      loggerOf(storage).error(`What is left of making ${remains} cannot be removed:`, why);
    }
    throw error;
  }
}

async function counted<T>(promises: Set<Promise<unknown>>, promise: Promise<T>): Promise<T> {
  promises.add(promise);
  try {
    return await promise;
  } finally {
    promises.delete(promise);
  }
}

function overOf(promises: ReadonlySet<Promise<unknown>>): Promise<void> | undefined {
  return promises.size === 0 ? undefined : Promise.allSettled(promises).then(() => undefined);
}

function isThere(storage: Storage, [path, key, options]: Parameters<Storage['indexes']['create']>): boolean {
  const file = indexFileOf(storage, path, key, options);
  return storage.indexes.list().some(({ fileName }) => basename(fileName) === file);
}

function lockLost([path, key]: Parameters<Storage['indexes']['create']>): IPCError {
  const what = `others may have written while the index on "${path}/*/${key}" was made: make it again`;
  return new IPCError('IPC_CLIENT_LEASE_LOST', `IPC_CLIENT_LEASE_LOST: ${what}`);
}

function warn(storage: Storage, error: unknown): void {
  loggerOf(storage).warn('The lock under which an index was made cannot be given back:', error);
}
