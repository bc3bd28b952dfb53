/** `acebase-ipc-server backup`: a copy of the files of a database whose cluster runs. */

import { accessSync, constants } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { basename, join, relative, resolve } from 'node:path';
import { IPCError } from '../../errors.js';
import { coveredNames } from '../../options.js';
import { pause, systemClock } from '../../platform/clock.js';
import { syncFolder } from '../../platform/disk-sync.js';
import { makeFolder } from '../../platform/new-folder.js';
import type { Status } from '../../server/monitoring/status.js';
import { codeOf, messageOf } from '../../system-error.js';
import { type AceBaseModules, acebaseOf, findAceBase } from '../check/acebase-modules.js';
import { type Copied, copyFolder, syncCopy, timedName } from '../check/copy.js';
import { databaseFiles, examineDatabase, folderIn } from '../check/examination.js';
import { judge } from '../check/judgement.js';
import { isNoPart } from '../check/left-overs.js';
import { assertWritable } from '../check/permission.js';
import { isAnythingWrong } from '../doctor/findings.js';
import type { BackupWords } from './command-line.js';
import { type ClusterAccess, whileNobodyWrites } from './member.js';
import { draftOf, type NotRemoved, removeCutShort, removeOldest } from './retention.js';

/** What it works with. */
export interface BackupSurroundings extends Pick<ClusterAccess, 'url' | 'token' | 'lockTimeout'> {
  /** Where AceBase is looked for. */
  readonly folder: string;
  /** How the server is. @throws Error in plain words, if it is not there */
  ask(): Promise<Status>;
  /** As ISO 8601. */
  now(): string;
}

/** What it has done. */
export interface BackupResult extends Copied {
  /** The folder that <database>.acebase is in now. */
  readonly copy: string;
  /** Milliseconds for which writes waited. */
  readonly writesWaited: number;
  /** Whether the files of the copy were looked at, and are sound; false if the acebase that was found cannot do that. */
  readonly isChecked: boolean;
  /** The copies that were removed: their folders. */
  readonly removed: readonly string[];
  /** Those that could not be, and what a backup that was killed has left and could not be removed. */
  readonly notRemoved: readonly NotRemoved[];
}

/** A process that was killed in the midst of something may leave what only its successor mends: then the copy is made once more. */
const ATTEMPTS = 2;

/**
 * Copies a database while its cluster runs.
 *
 * @throws IPCError `IPC_BACKUP_…`, `IPC_CHECK_NO_DATABASE`, `IPC_CHECK_NOT_PERMITTED`, `IPC_CHECK_NO_ACEBASE`; there is no copy then
 */
export async function backUp(words: BackupWords, surroundings: BackupSurroundings): Promise<BackupResult> {
  const { database, keep, wait } = words;
  const to = resolve(words.to);
  const place = { database, path: resolve(words.path) };
  if (databaseFiles(place).length === 0)
    throw new IPCError('IPC_CHECK_NO_DATABASE', `there is no ${join(folderIn(place), 'data.db')}`);
  // As any process of the cluster, it opens the files for writing, and a log beside them.
  assertWritable([folderIn(place), ...databaseFiles(place)]);
  if (isWithin(to, folderIn(place)))
    throw new IPCError('IPC_BACKUP_FOLDER', `${to} is in the folder that is to be copied`);
  assertTakesCopies(to);
  const acebase = acebaseOf(surroundings.folder);
  const { url, token, lockTimeout } = surroundings;
  const since = systemClock.now();
  const logsTransactions = await whenThereIsAMaster(surroundings.ask, database, since + wait);
  const access = { ...place, url, token, wait, since, lockTimeout, logsTransactions, acebase };
  const modules = modulesIn(surroundings.folder);
  const name = join(to, database);
  const now = surroundings.now();
  const draft = draftOf(name, now);
  const cutShort = await removeCutShort(to, database);
  try {
    for (let attempt = 1; ; attempt++) {
      await rm(draft, { recursive: true, force: true });
      const copied = await copyOnce(access, draft);
      const problem = modules && (await problemOf({ database, path: draft }, modules));
      if (problem !== undefined && attempt === ATTEMPTS) throw new IPCError('IPC_BACKUP_UNSOUND', problem);
      if (problem !== undefined) continue;
      await syncCopy(join(draft, basename(folderIn(place))));
      const copy = await named(draft, () => timedName(name, now));
      syncFolder(to);
      const isChecked = modules !== undefined;
      const { removed, notRemoved } = await removeOldest({ copy, isChecked }, database, keep);
      return {
        copy,
        ...copied,
        isChecked,
        removed,
        notRemoved: [...cutShort.notRemoved, ...notRemoved],
      };
    }
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

/** The result for people. */
export function describeBackup({
  copy,
  files,
  bytes,
  writesWaited,
  isChecked,
  removed,
}: BackupResult): string {
  const size = bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
  const lines = [
    `copied ${files} files, ${size}, to ${copy}; writes waited for ${writesWaited} ms`,
    isChecked
      ? 'checked the copy: it is sound'
      : 'the copy was not checked, and no older one was removed: that needs acebase 1.29.11 or later in the working directory',
    ...removed.map((folder) => `removed ${folder}`),
  ];
  return lines.join('\n');
}

/** What could not be removed, for people; `undefined` if there is nothing of that kind. The copy is whole and sound nevertheless. */
export function describeNotRemoved({ notRemoved }: BackupResult): string | undefined {
  if (notRemoved.length === 0) return undefined;
  return notRemoved.map(({ folder, reason }) => `could not remove ${folder}: ${reason}`).join('\n');
}

async function copyOnce(
  access: ClusterAccess,
  draft: string,
): Promise<Copied & { readonly writesWaited: number }> {
  const source = folderIn(access);
  return whileNobodyWrites(access, async () => {
    const since = systemClock.now();
    const copied = await copyFolder(source, join(draft, basename(source)), {
      isLeftOut: isNoPart,
      noRoom: 'IPC_BACKUP_NO_ROOM',
    });
    return { ...copied, writesWaited: Math.round(systemClock.now() - since) };
  });
}

/** How often it is looked whether a master is connected, in milliseconds. */
const LOOK_MS = 500;

/**
 * Waits for the master of a cluster: one that was restarted is away for a moment.
 *
 * @param ask how the server is
 * @param until when it waits no more, by the clock of the system
 * @returns whether the cluster logs transactions
 * @throws IPCError `IPC_BACKUP_NO_CLUSTER`; or what the server is asked with throws
 */
export async function whenThereIsAMaster(
  ask: BackupSurroundings['ask'],
  database: string,
  until: number,
): Promise<boolean> {
  let wasThere = false;
  for (;;) {
    const { databases } = await ask();
    const [, data, log] = coveredNames(database).map((name) => databases.find((it) => it.name === name));
    const isThere = data?.master != null;
    if (isThere && log?.master != null) return true;
    const isOver = systemClock.now() >= until;
    // A master that logs transactions connects for its data, and a moment later for its log.
    if (isThere && log === undefined && (wasThere || isOver)) return false;
    if (isOver)
      throw new IPCError('IPC_BACKUP_NO_CLUSTER', `no master of ${database} is connected to the server`);
    wasThere = isThere;
    await pause(LOOK_MS);
  }
}

/** Makes the folder for the copies. Before anything is locked: writes are not to wait for nothing. @throws IPCError `IPC_BACKUP_FOLDER` */
function assertTakesCopies(folder: string): void {
  try {
    makeFolder(folder);
    accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (cause) {
    throw new IPCError('IPC_BACKUP_FOLDER', messageOf(cause), { cause });
  }
}

/** What the copy is looked at with; `undefined` if the acebase that is there cannot do that. */
function modulesIn(folder: string): AceBaseModules | undefined {
  try {
    return findAceBase(folder);
  } catch (error) {
    if (error instanceof IPCError && error.code === 'IPC_CHECK_UNKNOWN_ACEBASE') return undefined;
    throw error;
  }
}

/** What is wrong with a copy, in words; `undefined` if nothing is. */
async function problemOf(
  place: { database: string; path: string },
  modules: AceBaseModules,
): Promise<string | undefined> {
  const findings = judge(await examineDatabase(place, modules));
  if (!isAnythingWrong(findings)) return undefined;
  return findings
    .filter(({ status }) => status === 'error')
    .map(({ message }) => message)
    .join('; ');
}

/** Gives a copy its name. @param next a name that nothing has @returns it */
async function named(draft: string, next: () => string): Promise<string> {
  for (;;) {
    const copy = next();
    try {
      await rename(draft, copy);
      return copy;
    } catch (error) {
      // Another one has got it in this moment.
      if (!['ENOTEMPTY', 'EEXIST'].includes(codeOf(error) ?? '')) throw error;
    }
  }
}

function isWithin(path: string, folder: string): boolean {
  const way = relative(folder, path);
  return way === '' || !(way.startsWith('..') || resolve(way) === way);
}
