/** Folders and logs that are not writable. */

import { ERRORS, IPCError } from '../../errors.js';
import { messageOf } from '../../system-error.js';

/** Why a database keeps no journal. @param path what is not writable @param error what has come of it */
export function noJournal(path: string, error: unknown): IPCError {
  const { summary, remedy } = ERRORS.IPC_CLIENT_NO_JOURNAL;
  const reason = messageOf(error);
  const text = `IPC_CLIENT_NO_JOURNAL: ${path} (${reason}): ${summary} ${remedy}`;
  return new IPCError('IPC_CLIENT_NO_JOURNAL', text);
}
