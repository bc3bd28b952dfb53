/** The database of a managed master, in its process. */

import { statSync } from 'node:fs';
import { join } from 'node:path';
import { acebaseWithClient } from '../client/own-program.js';
import { RECORDS_AT } from '../client/patches/file-layout.js';
import { isCutShort } from '../client/patches/unfinished-file.js';
import type { ClientStatus } from '../client/status.js';
import { IPCError } from '../errors.js';
import { silenceAceBase } from '../platform/acebase-package.js';
import { systemClock } from '../platform/clock.js';
import { claimWhenFree } from '../platform/folder-claim.js';
import { FolderOwner } from '../platform/folder-owner.js';
import { makeFolder } from '../platform/new-folder.js';
import { messageOf } from '../system-error.js';
import type { OpenRequest } from './messages.js';

/** What is used of AceBase. */
interface OpenedDatabase {
  ready(): Promise<void>;
  close(): Promise<void>;
}

/** A database that is open, or is being opened. */
export interface ChildDatabase {
  /** Resolves when it serves workers; rejects if it cannot be opened. */
  ready(): Promise<void>;
  /** Closes it, and gives its folder back. @param mayBeUsed @see FolderOwner.release */
  close(mayBeUsed: boolean): Promise<void>;
}

/** What is heard of it meanwhile. */
export interface DatabaseHandlers {
  /** Somebody else has the folder in use: it is waited for. Told once for each reason, and every minute. */
  waits(reason: string): void;
  /** @see FromChild */
  taken(former: string | undefined): void;
  kept(uptime: number): void;
  /** It is about to be made, or opened. */
  opening(): void;
  /** It cannot go on: the server does not let it, or has given it up; or its folder is somebody else's. */
  failed(error: Error): void;
}

/** How often it is looked whether the folder is free, in milliseconds. */
const CLAIM_MS = 2_000;

/**
 * Takes the folder, and begins to open the database as its master, with the client of this package.
 *
 * @throws {IPCError} IPC_MASTER_NO_FILE, IPC_MASTER_UNKNOWN_ACEBASE, and those of `install()`
 * @throws Error if its folder cannot be made or taken
 */
export async function openDatabase(request: OpenRequest, handlers: DatabaseHandlers): Promise<ChildDatabase> {
  const { settings, server, grace } = request;
  const folder = join(settings.path, `${request.database}.acebase`);
  prepareFolder(folder, settings.create);
  const lost = (reason: string): void => handlers.failed(new Error(reason));
  const { taken, kept } = handlers;
  const owner = new FolderOwner({
    folder,
    // As AceBase names the file of its data.
    database: `${request.database}_data`,
    server,
    isManaged: true,
    grace,
    clock: systemClock,
    taken,
    kept,
    lost,
  });
  // The server ends this process when it is wanted no more.
  await claimWhenFree(() => owner.claim(), {
    every: CLAIM_MS,
    clock: systemClock,
    isWanted: () => true,
    waits: handlers.waits,
  });
  handlers.opening();
  const database = createDatabase(request, handlers);
  const close = async (mayBeUsed: boolean): Promise<void> => {
    await database.close();
    owner.release(mayBeUsed);
  };
  return { ready: () => database.ready(), close };
}

function createDatabase(request: OpenRequest, { failed }: DatabaseHandlers): OpenedDatabase {
  const { database, settings, lockTimeout, door, acebase } = request;
  const { path, create: _create, journal, ...storage } = settings;
  const { AceBase } = acebaseWithClient<OpenedDatabase>(acebase, {
    ...(journal === undefined ? {} : { journal }),
    onStatus: (status) => {
      const error = errorOf(status);
      if (error !== undefined) failed(error);
    },
  });
  const { host, port, secret: token } = door;
  const ipc = { host, port, role: 'master', token };
  // In the log of a server, each restart would have the logo.
  const speakAgain = silenceAceBase();
  try {
    return new AceBase(database, {
      // At `warn` it tells of each end.
      logLevel: 'error',
      storage: { path, lockTimeout: lockTimeout / 1_000, ...storage, ipc },
    });
  } finally {
    speakAgain();
  }
}

/** Where no file is to be made, one must be there, and whole. What is there must be a file: the process would hang at a pipe. */
function prepareFolder(folder: string, create: boolean): void {
  const file = join(folder, 'data.db');
  for (const path of [file, join(folder, 'transaction.db')])
    if (statSync(path, { throwIfNoEntry: false })?.isFile() === false)
      throw new IPCError('IPC_MASTER_NO_FILE', `${path} is not a plain file`);
  const size = statSync(file, { throwIfNoEntry: false })?.size;
  const isNone = size === undefined || isCutShort(file);
  if (!isNone && size < RECORDS_AT)
    throw new IPCError('IPC_MASTER_NO_FILE', `${file} is damaged: its end is missing. Put a backup back`);
  if (create) makeFolder(folder);
  else if (isNone)
    throw new IPCError('IPC_MASTER_NO_FILE', `there is no database file ${file}, and it is not to be made`);
}

/** Why the master must end, if what its client tells means that. */
function errorOf(status: ClientStatus): Error | undefined {
  switch (status.kind) {
    case 'gave-up':
    case 'unpatched':
      return new Error(status.reason);
    case 'place-lost':
      // It could come back; a new process is as quick, and has nothing left of what it was doing.
      return new Error(status.reason);
    default:
      return undefined;
  }
}

/** Why a database could not be opened, or went wrong, in words; and the code of the error, if it is one of ours. @param request which one, once that is known */
export function failureOf(
  error: unknown,
  request: OpenRequest | undefined,
): { readonly code: string | undefined; readonly reason: string } {
  // AceBase throws this word where nobody waits for it.
  if (error === 'unsupported_db') return { code: undefined, reason: unsupported(request) };
  const reason = messageOf(error);
  const code = error instanceof IPCError ? error.code : /^(IPC_[A-Z_]+): /.exec(reason)?.[1];
  return { code, reason };
}

function unsupported(request: OpenRequest | undefined): string {
  const { database = '', settings } = request ?? {};
  const path = settings?.path ?? '';
  const files = settings?.transactions.log ? 'data.db or transaction.db' : 'data.db';
  return `${join(path, `${database}.acebase`, files)} is not a database file that this acebase can read, or its making was cut short: put a backup back, or run acebase-ipc-server check ${database} --path ${path}`;
}
