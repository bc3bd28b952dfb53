/** What must be alike in a worker and in the master that its server runs: the server says how that one is [PROTOCOL-14.14]. */

import { IPCError } from '../errors.js';
import type { ManagedMasterFacts } from '../protocol/session.js';
import { lockTimeoutOf, loggerOf, type RemoteIPCPeer } from './acebase.js';
import { isRoleLeftOut } from './ipc-settings.js';

/**
 * Judges the settings of a worker, when its server welcomes it first.
 *
 * @param facts of the master that the server runs; `undefined` if it runs none
 * @returns why this process cannot take part; `undefined` if it can. What it can live with is only logged
 */
export function judgeManaged(
  { config, storage, dbname }: RemoteIPCPeer,
  facts: ManagedMasterFacts | undefined,
): IPCError | undefined {
  const { type = 'data', transactions } = storage.settings;
  // With the data, its transaction log is judged.
  if (type !== 'data') return undefined;
  if (facts === undefined)
    return isRoleLeftOut(config)
      ? new IPCError(
          'IPC_CLIENT_NO_ROLE',
          `storage.ipc has no role, and the server does not run the master of ${storage.name}. Start it with --master ${storage.name}, or give role: 'master' to one process and 'worker' to all others`,
        )
      : undefined;
  const keepsLog = transactions?.log === true;
  if (keepsLog !== facts.log)
    return new IPCError(
      'IPC_CLIENT_STORAGE_DIFFERS',
      `storage.transactions.log is ${keepsLog} here, and ${facts.log} at the master that the server runs: give both the same`,
    );
  const lockTimeout = lockTimeoutOf(storage);
  if (lockTimeout !== facts.lockTimeout)
    loggerOf(storage).error(
      `storage.lockTimeout of ${dbname} is ${lockTimeout / 1_000} here, and ${facts.lockTimeout / 1_000} at the master that the server runs: set lockTimeout of the server, or this one, so that both are the same`,
    );
  return undefined;
}
