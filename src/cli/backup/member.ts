/** A backup as a member of the cluster of a database, for as long as it takes. */

import { createRequire } from 'node:module';
import { install } from '../../client/install.js';
import type { ClientStatus } from '../../client/status.js';
import { IPCError } from '../../errors.js';
import { systemClock } from '../../platform/clock.js';
import type { InstalledPackage } from '../../platform/packages.js';

/** Which cluster, and how it is joined. */
export interface ClusterAccess {
  readonly database: string;
  /** The folder that <database>.acebase is in. */
  readonly path: string;
  /** Where the server is. */
  readonly url: string;
  readonly token: string | undefined;
  /** Whether the cluster logs transactions: that has a file and locks of its own. */
  readonly logsTransactions: boolean;
  /** Milliseconds after which a lock expires. */
  readonly lockTimeout: number;
  readonly acebase: InstalledPackage;
}

/** What it takes of AceBase. */
interface AceBaseModule {
  readonly AceBase: new (name: string, options: object) => OpenDatabase;
}
interface OpenDatabase {
  readonly api: { readonly storage: LockingStorage };
  ready(): Promise<unknown>;
  close(): Promise<unknown>;
}
interface LockingStorage {
  readonly nodeLocker: {
    lock(
      path: string,
      tid: string,
      forWriting: boolean,
      comment: string,
    ): Promise<{ release(): Promise<unknown> }>;
  };
  readonly txStorage?: LockingStorage;
}

/** Milliseconds before the end of a lock at which a copy must be done. */
const MARGIN_MS = 20_000;

/**
 * Does something while no process of the cluster writes: as a worker that has the lock for writing, of which AceBase has one for all of a
 * file. What others have written is in the files then; what a killed process has committed, and not written yet, too.
 *
 * @throws IPCError `IPC_BACKUP_LOST`, if others may have written meanwhile: what was done is worth nothing
 * @throws whatever `act` throws, or AceBase and the server say
 */
export async function whileNobodyWrites<T>(access: ClusterAccess, act: () => Promise<T>): Promise<T> {
  const { database, lockTimeout, logsTransactions } = access;
  let lost: string | undefined;
  const silence = silenceAceBase();
  const db = open(access, (status) => {
    if (status.kind === 'place-lost') lost = 'the server did not hear from this process for too long';
    if (status.kind === 'gave-up') lost = status.reason;
  });
  try {
    await db.ready();
    const { storage } = db.api;
    const storages = [storage, ...(logsTransactions && storage.txStorage ? [storage.txStorage] : [])];
    const locks: { release(): Promise<unknown> }[] = [];
    let since = 0;
    try {
      for (const { nodeLocker } of storages) {
        locks.push(await nodeLocker.lock('', `backup-${process.pid}`, true, 'backup'));
        since ||= systemClock.now();
      }
      const result = await act();
      const took = systemClock.now() - since;
      if (took > lockTimeout - MARGIN_MS)
        lost = `copying took ${Math.round(took / 1_000)} s, and a lock lasts ${lockTimeout / 1_000} s`;
      if (lost !== undefined)
        throw new IPCError('IPC_BACKUP_LOST', `${database} may have been written to meanwhile: ${lost}`);
      return result;
    } finally {
      for (const lock of locks.reverse()) await lock.release();
    }
  } catch (error) {
    // What AceBase says then is what follows of it.
    if (lost === undefined || error instanceof IPCError) throw error;
    throw new IPCError('IPC_BACKUP_LOST', `${database}: ${lost}`, { cause: error });
  } finally {
    await db.close();
    silence();
  }
}

function open(access: ClusterAccess, onStatus: (status: ClientStatus) => void): OpenDatabase {
  const { database, path, url, token, logsTransactions, lockTimeout, acebase } = access;
  // A member that keeps no journal would take it away from all others.
  install({ packages: [acebase.folder], journal: 'process', onStatus });
  const { AceBase } = createRequire(acebase.entry)(acebase.entry) as AceBaseModule;
  return new AceBase(database, {
    logLevel: 'error',
    storage: {
      path,
      lockTimeout: lockTimeout / 1_000,
      ...(logsTransactions ? { transactions: { log: true } } : {}),
      ipc: { url, role: 'worker', ...(token === undefined ? {} : { token }) },
    },
  });
}

/** AceBase prints its name, and what it has to say, where the result of this command is to stand. @returns what ends that */
function silenceAceBase(): () => void {
  const { log } = console;
  console.log = () => undefined;
  return () => {
    console.log = log;
  };
}
