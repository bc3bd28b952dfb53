/** A backup as a member of the cluster of a database, for as long as it takes. */

import { randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import { install } from '../../client/install.js';
import type { ClientStatus } from '../../client/status.js';
import { IPCError } from '../../errors.js';
import { systemClock } from '../../platform/clock.js';
import type { InstalledPackage } from '../../platform/packages.js';
import { authorization } from '../doctor/place.js';

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

/** Milliseconds in which a server that was restarted says that a lock is held that is held; and between two questions. */
const PATIENCE_MS = 15_000;
const AGAIN_MS = 300;

/**
 * Does something while no process of the cluster writes: as a worker that has the lock for writing, of which AceBase has one for all of a
 * file. What others have written is in the files then; what a killed process has committed, and not written yet, too.
 *
 * @throws IPCError `IPC_BACKUP_LOST`, if others may have written meanwhile: what was done is worth nothing
 * @throws whatever `act` throws, or AceBase and the server say
 */
export async function whileNobodyWrites<T>(access: ClusterAccess, act: () => Promise<T>): Promise<T> {
  const { database, logsTransactions } = access;
  const mark = `backup ${randomUUID()}`;
  let lost: string | undefined;
  let patience = 0;
  const silence = silenceAceBase();
  const db = open(access, (status) => {
    if (status.kind === 'place-lost') lost = 'the server did not hear from this process for too long';
    if (status.kind === 'gave-up') lost = status.reason;
    // A server that was restarted hears of the locks when this process is back.
    if (status.kind === 'reconnecting') patience = PATIENCE_MS;
  });
  try {
    await db.ready();
    const { storage } = db.api;
    const storages = [storage, ...(logsTransactions && storage.txStorage ? [storage.txStorage] : [])];
    const locks: { release(): Promise<unknown> }[] = [];
    try {
      for (const { nodeLocker } of storages) locks.push(await nodeLocker.lock('', mark, true, mark));
      const result = await act();
      // This process may have been stopped meanwhile, and not have heard yet that others were given its locks.
      const files = storages.length === 2 ? ['data', 'transaction'] : ['data'];
      for (const file of files)
        if (!(await isHeld(access, file, mark, patience))) lost ??= 'the server has given the lock to others';
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

/** Whether a lock has been held since it was granted: the server lists it. */
async function isHeld(
  { database, url, token }: ClusterAccess,
  file: string,
  mark: string,
  patience: number,
): Promise<boolean> {
  const until = systemClock.now() + patience;
  for (;;) {
    try {
      const response = await fetch(`${url}/${database}_${file}/locks`, { headers: authorization(token) });
      if (!response.ok) throw new Error(`the server answered with ${response.status}`);
      const { held } = (await response.json()) as { held: { comment: string; state: string }[] };
      const own = held.find(({ comment }) => comment === mark);
      if (own !== undefined) return own.state === 'held';
    } catch (error) {
      if (systemClock.now() >= until) throw error;
    }
    if (systemClock.now() >= until) return false;
    await new Promise<void>((resolve) => systemClock.schedule(AGAIN_MS, resolve));
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
