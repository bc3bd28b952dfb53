/** The folder of a database that is repaired: no master may have it meanwhile, wherever that runs. */

import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { elapsedSince, type Moment, momentAt } from '../../elapsed.js';
import { IPCError } from '../../errors.js';
import { systemClock } from '../../platform/clock.js';
import { claimWhenFree } from '../../platform/folder-claim.js';
import { certainFor, FolderOwner, NO_ANSWER } from '../../platform/folder-owner.js';
import { ownWords } from '../../platform/local-processes.js';
import { OWNER_FILE } from '../../platform/owner-record.js';
import { codeOf, isForbidden, messageOf } from '../../system-error.js';

/** Milliseconds for which its record need not be renewed: what AceBase does in one turn of the event loop, with a large index, may take long. */
const GRACE_MS = 60_000;

/** How often it is looked whether those who had the folder are gone, in milliseconds. */
const LOOK_MS = 1_000;

/** A folder that this process has. */
export interface TakenFolder {
  /** @throws IPCError `IPC_CHECK_IN_USE`, if others may have it by now */
  assertHeld(): void;
  /** Gives it back. @param isChanged whether what workers know of its files is void: a record stays, which says so to the next server */
  release(isChanged: boolean): void;
}

/**
 * Takes it; waits for those who may have it.
 *
 * @param say is told what it waits for
 * @throws IPCError `IPC_CHECK_IN_USE`, if somebody has it
 */
export async function takeFolder(folder: string, say: (line: string) => void): Promise<TakenFolder> {
  let renewed: Moment | undefined;
  let loss: string | undefined;
  const owner = new FolderOwner({
    folder,
    // No server: nobody connects here.
    server: { id: randomUUID(), process: ownWords() ?? null, urls: [] },
    isManaged: true,
    grace: GRACE_MS,
    workersGrace: 0,
    clock: systemClock,
    taken: () => undefined,
    kept: (uptime) => {
      renewed = momentAt(uptime, systemClock);
    },
    lost: (reason) => {
      loss = reason;
    },
  });
  const obstacle = await claimWhenFree(() => owner.claim(), {
    every: LOOK_MS,
    clock: systemClock,
    waits: (reason) => say(`waiting for ${folder}: ${reason}`),
    failed: (error) => {
      const why = codeOf(error) ?? messageOf(error);
      const remedy = isForbidden(error) ? ': run as the owner of the folder' : '';
      throw new Error(`cannot write ${join(folder, OWNER_FILE)} (${why})${remedy}`);
    },
  });
  if (obstacle !== undefined) throw inUse(folder, obstacle.reason);
  return {
    assertHeld() {
      const isCertain = renewed !== undefined && elapsedSince(systemClock, renewed) < certainFor(GRACE_MS, 0);
      if (loss !== undefined || !isCertain) throw inUse(folder, loss ?? owner.problem ?? NO_ANSWER);
    },
    release: (isChanged) => owner.release(isChanged),
  };
}

function inUse(folder: string, reason: string): IPCError {
  return new IPCError('IPC_CHECK_IN_USE', `${folder} cannot be repaired: ${reason}`);
}
