/** `acebase-ipc-server init <pm2|systemd> <database>`: files to start a cluster with. */

import { randomBytes } from 'node:crypto';
import { userInfo } from 'node:os';
import { resolve } from 'node:path';
import { IPCError } from '../../errors.js';
import { type NewFile, writeNewFiles } from './new-files.js';
import { pm2Files, pm2Steps } from './pm2.js';
import { systemdFiles, systemdSteps } from './systemd.js';

/** The supervisors that there are files for. */
export const SUPERVISORS = ['pm2', 'systemd'] as const;

/** What is to be written. */
export interface InitWords {
  readonly supervisor: string;
  readonly database: string;
  /** Where to. */
  readonly folder: string;
  /** Whether files that are there are overwritten, but for the one with the password. */
  readonly force: boolean;
}

/**
 * Writes the files.
 *
 * @returns what it did, and what is to be done now, for people to read
 * @throws IPCError `IPC_OPTION_INVALID`, `IPC_INIT_FILE_EXISTS`; nothing is written then
 */
export function init({ supervisor, database, folder: given, force }: InitWords): string {
  if (!/^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/.test(database)) {
    throw new IPCError(
      'IPC_OPTION_INVALID',
      `database: ${JSON.stringify(database)} is not allowed. Allowed: 1 to 64 letters, digits, _ and -`,
    );
  }
  const folder = resolve(given);
  const { files, steps } = filesFor(supervisor, database, folder);
  const kept = writeNewFiles(files, folder, force);
  const written = files.map(
    ({ name }) => `  ${name}${kept.includes(name) ? ' (was there, and is kept: it holds a password)' : ''}`,
  );
  return [`wrote to ${folder}:`, ...written, '', 'now:', ...steps.map((step) => `  ${step}`)].join('\n');
}

function filesFor(
  supervisor: string,
  database: string,
  folder: string,
): { readonly files: readonly NewFile[]; readonly steps: readonly string[] } {
  if (supervisor === 'pm2') {
    const files = pm2Files(database, folder);
    return { files, steps: pm2Steps(files, database) };
  }
  if (supervisor === 'systemd') {
    const { username: user } = userInfo();
    const password = randomBytes(12).toString('hex');
    const files = systemdFiles(database, { folder, node: process.execPath, user, password });
    const asRoot = `edit User= in ${database}-*.service: the services would run as root`;
    return { files, steps: [...(user === 'root' ? [asRoot] : []), ...systemdSteps(database, folder)] };
  }
  throw new IPCError(
    'IPC_OPTION_INVALID',
    `init: ${JSON.stringify(supervisor)} is not allowed. Allowed: ${SUPERVISORS.join(', ')}`,
  );
}
