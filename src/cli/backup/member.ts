/** A backup as a member of the cluster of a database, for as long as it takes. */

import { randomUUID } from 'node:crypto';
import { acebaseWithClient } from '../../client/own-program.js';
import type { ClientStatus } from '../../client/status.js';
import { IPCError, remedyOf } from '../../errors.js';
import { formatTime } from '../../options.js';
import { silenceAceBase } from '../../platform/acebase-package.js';
import { pause, systemClock, within } from '../../platform/clock.js';
import type { InstalledPackage } from '../../platform/packages.js';
import { messageOf } from '../../system-error.js';
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
  /** Milliseconds in which the cluster must have let this process in, and given it the lock. */
  readonly wait: number;
  /** When it was begun to wait, by the clock of the system. */
  readonly since: number;
  /** Milliseconds after which a lock expires. */
  readonly lockTimeout: number;
  readonly acebase: InstalledPackage;
}

/** What it takes of AceBase. */
interface OpenDatabase {
  readonly api: { readonly storage: LockingStorage };
  ready(): Promise<unknown>;
  close(): Promise<unknown>;
}
interface LockingStorage {
  readonly nodeLocker: {
    lock(path: string, tid: string, forWriting: boolean, comment: string): Promise<HeldLock>;
  };
  /** What asks others for locks. */
  readonly ipc: object;
  readonly txStorage?: LockingStorage;
}

/** How AceBase is loaded. */
export type LoadAceBase = typeof acebaseWithClient<OpenDatabase>;

interface HeldLock {
  release(): Promise<unknown>;
}

/** Milliseconds in which a server that was restarted says that a lock is held that is held; and between two questions. */
const PATIENCE_MS = 15_000;
const AGAIN_MS = 300;

/** Milliseconds in which the server must answer, and those for which this process parts with it. */
const ANSWER_MS = 10_000;
const PARTING_MS = 3_000;

/**
 * Does something while no process of the cluster writes: as a worker that has the lock for writing, of which AceBase has one for all of a
 * file. What others have written is in the files then; what a killed process has committed, and not written yet, too.
 *
 * Where the server is gone, it cannot part with that in an orderly way: the end of the process does it then.
 *
 * @param load loads AceBase with the client in it
 * @throws IPCError `IPC_BACKUP_TIMEOUT`, if the cluster does not let it in, or give it the lock, in time
 * @throws IPCError `IPC_BACKUP_LOST`, if others may have written meanwhile: what was done is worth nothing
 * @throws IPCError `IPC_BACKUP_OLD_ACEBASE`, if this AceBase keeps the transaction log out of the cluster
 * @throws IPCError that of the server, if it refuses this process
 * @throws whatever `act` throws, or AceBase and the server say
 */
export async function whileNobodyWrites<T>(
  access: ClusterAccess,
  act: () => Promise<T>,
  load: LoadAceBase = acebaseWithClient,
): Promise<T> {
  const { database } = access;
  let end: (refusal: IPCError) => void = () => undefined;
  const ended = new Promise<never>((_resolve, reject) => {
    end = reject;
  });
  // Nobody may be waiting for anything then.
  ended.catch(() => undefined);
  const standing: Standing = { lost: undefined, refusal: undefined, patience: 0, ended };
  const speakAgain = silenceAceBase({ errors: true });
  let db: OpenDatabase | undefined;
  try {
    db = open(access, load, (status) => {
      if (status.kind === 'place-lost') standing.lost = status.reason;
      if (status.kind === 'gave-up') {
        standing.refusal = refusalOf(database, status);
        end(standing.refusal);
      }
      // A server that was restarted hears of the locks when this process is back.
      if (status.kind === 'reconnecting') standing.patience = PATIENCE_MS;
    });
    assertJoinsWithLog(access, db);
    return await whileLocked(access, db, standing, act);
  } catch (error) {
    // What AceBase says then is what follows of it.
    if (standing.refusal !== undefined) throw standing.refusal;
    if (standing.lost === undefined || error instanceof IPCError) throw error;
    throw new IPCError('IPC_BACKUP_LOST', `${database}: ${standing.lost}`, { cause: error });
  } finally {
    if (db !== undefined) await part(db.close.bind(db));
    speakAgain();
  }
}

/** What is known of the place of this process in the cluster. */
interface Standing {
  /** Why it has none any more. */
  lost: string | undefined;
  /** Why the server does not let this process in, and will not. */
  refusal: IPCError | undefined;
  /** Milliseconds in which the server must say that a lock is held. */
  patience: number;
  /** Rejects when the server does not let it in any more: nothing that it waits for will come. */
  readonly ended: Promise<never>;
}

/** What the server says, and its code, without what the error adds by itself. */
function refusalOf(database: string, { code, reason }: Extract<ClientStatus, { kind: 'gave-up' }>): IPCError {
  const why = reason
    .replace(`${code}: `, '')
    .replace(remedyOf(code) ?? '', '')
    .trim();
  return new IPCError(code, `${database}: ${why}`);
}

/** AceBase 1.18 opens the transaction log for this process alone: no lock keeps others from writing to it. */
function assertJoinsWithLog(
  { logsTransactions, acebase }: ClusterAccess,
  { api: { storage } }: OpenDatabase,
): void {
  if (!logsTransactions || storage.txStorage?.ipc.constructor === storage.ipc.constructor) return;
  const what = `acebase ${acebase.version} in ${acebase.folder} cannot lock the transaction log of a cluster`;
  throw new IPCError('IPC_BACKUP_OLD_ACEBASE', what);
}

async function whileLocked<T>(
  access: ClusterAccess,
  db: OpenDatabase,
  standing: Standing,
  act: () => Promise<T>,
): Promise<T> {
  const { database, logsTransactions } = access;
  const mark = `backup ${randomUUID()}`;
  const until = access.since + access.wait;
  const inTime = <R>(step: Promise<R>, what: string): Promise<R> => {
    const late = `${database}: ${what} within ${formatTime(access.wait)}`;
    return within(Math.max(until - systemClock.now(), 0), Promise.race([step, standing.ended]), (): never => {
      throw new IPCError('IPC_BACKUP_TIMEOUT', late);
    });
  };
  await inTime(db.ready(), 'the file was not opened');
  const { storage } = db.api;
  const storages = [storage, ...(logsTransactions && storage.txStorage ? [storage.txStorage] : [])];
  const locks: HeldLock[] = [];
  try {
    for (const { nodeLocker } of storages)
      locks.push(await inTime(nodeLocker.lock('', mark, true, mark), 'the lock for writing was not granted'));
    const result = await act();
    // This process may have been stopped meanwhile, and not have heard yet that others were given its locks.
    const files = storages.length === 2 ? ['data', 'transaction'] : ['data'];
    for (const file of files) standing.lost ??= await lossOf(access, file, mark, standing.patience);
    if (standing.refusal !== undefined) throw standing.refusal;
    if (standing.lost !== undefined)
      throw new IPCError(
        'IPC_BACKUP_LOST',
        `${database} may have been written to meanwhile: ${standing.lost}`,
      );
    return result;
  } finally {
    for (const lock of locks.reverse()) await part(() => lock.release());
  }
}

/** Gives something back to a cluster that may not answer any more, or may say that it is not ours: the result stands already. */
async function part(step: () => Promise<unknown>): Promise<void> {
  const nothing = (): void => undefined;
  await within(PARTING_MS, step().catch(nothing), nothing);
}

/** Why a lock was not held, or may not have been, since it was granted; `undefined` if it was: the server lists it. */
async function lossOf(
  { database, url, token }: ClusterAccess,
  file: string,
  mark: string,
  patience: number,
): Promise<string | undefined> {
  const until = systemClock.now() + patience;
  for (;;) {
    let loss = 'the server has given the lock to others';
    try {
      const response = await fetch(`${url}/${database}_${file}/locks`, {
        headers: authorization(token),
        signal: AbortSignal.timeout(ANSWER_MS),
      });
      if (!response.ok) throw new Error(`it answers with ${response.status}`);
      const { held } = (await response.json()) as { held: { comment: string; state: string }[] };
      const own = held.find(({ comment }) => comment === mark);
      if (own !== undefined) return own.state === 'held' ? undefined : 'the lock has expired';
    } catch (error) {
      loss = `the server does not say whether the lock was held (${messageOf(error)})`;
    }
    if (systemClock.now() >= until) return loss;
    await pause(AGAIN_MS);
  }
}

function open(
  access: ClusterAccess,
  load: LoadAceBase,
  onStatus: (status: ClientStatus) => void,
): OpenDatabase {
  const { database, path, url, token, logsTransactions, lockTimeout, acebase } = access;
  // A member that keeps no journal would take it away from all others.
  const { AceBase } = load(acebase, { journal: 'process', onStatus });
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
