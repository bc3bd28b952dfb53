/** Whether this user may use the files of a database: where it may not, they must not pass for missing. */

import { accessSync, constants, statSync } from 'node:fs';
import { IPCError } from '../../errors.js';
import { codeOf, isForbidden } from '../../system-error.js';

/** How the operating system is asked. */
type Access = (path: string, mode: number) => void;

/**
 * Whether a file or a folder is there.
 *
 * @throws IPCError `IPC_CHECK_NOT_PERMITTED`, if this user may not read it, or not look into its folder
 */
export function isThere(path: string, access: Access = accessSync): boolean {
  try {
    access(path, constants.R_OK);
    return true;
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(codeOf(error) ?? '')) return false;
    throw isForbidden(error) ? notPermitted('read', path, error) : error;
  }
}

/** @throws IPCError `IPC_CHECK_NOT_PERMITTED`, if this user may not write to one of them */
export function assertWritable(paths: readonly string[], access: Access = accessSync): void {
  for (const path of paths) {
    try {
      access(path, constants.W_OK);
    } catch (error) {
      throw isForbidden(error) ? notPermitted('write to', path, error) : error;
    }
  }
}

function notPermitted(what: string, path: string, cause: unknown): IPCError {
  const owner = ownerOf(path);
  const whose = owner === undefined ? '' : `; it belongs to user id ${owner}`;
  return new IPCError(
    'IPC_CHECK_NOT_PERMITTED',
    `this user may not ${what} ${path} (${codeOf(cause)})${whose}`,
    {
      cause,
    },
  );
}

/** `undefined` if this user may not see that either. */
function ownerOf(path: string): number | undefined {
  try {
    return statSync(path).uid;
  } catch {
    return undefined;
  }
}
