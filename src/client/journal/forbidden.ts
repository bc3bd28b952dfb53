/** Folders and logs that are not writable. */

import { ERRORS, IPCError } from '../../errors.js';
import { codeOf, messageOf } from '../../system-error.js';

/** Whether something may not be done with a file or a folder, by anybody or by this process. */
export function isForbidden(error: unknown): boolean {
  return ['EACCES', 'EPERM', 'EROFS'].includes(codeOf(error) ?? '');
}

/** Why a database keeps no journal. @param path what is not writable @param error what has come of it */
export function noJournal(path: string, error: unknown): IPCError {
  const { summary, remedy } = ERRORS.IPC_CLIENT_NO_JOURNAL;
  const reason = messageOf(error);
  const text = `IPC_CLIENT_NO_JOURNAL: ${path} (${reason}): ${summary} ${remedy}`;
  return new IPCError('IPC_CLIENT_NO_JOURNAL', text);
}
