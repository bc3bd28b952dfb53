/** `acebase-ipc-server init <pm2|systemd> <database>`: files to start a cluster with. */

import { randomBytes } from 'node:crypto';
import { userInfo } from 'node:os';
import { resolve } from 'node:path';
import { IPCError } from '../../errors.js';
import { type NewFile, writeNewFiles } from './new-files.js';
import { type Pm2Words, pm2Files, pm2Steps } from './pm2.js';
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
  /** Whether the server gets a certificate and a token; for pm2 only. */
  readonly tls: boolean;
}

/**
 * Writes the files.
 *
 * @returns what it did, and what is to be done now, for people to read
 * @throws IPCError `IPC_OPTION_INVALID`, `IPC_INIT_FILE_EXISTS`; nothing is written then
 */
export function init({ supervisor, database, folder: given, force, tls }: InitWords): string {
  if (!/^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/.test(database)) {
    throw new IPCError(
      'IPC_OPTION_INVALID',
      `database: ${JSON.stringify(database)} is not allowed. Allowed: 1 to 64 letters, digits, _ and -`,
    );
  }
  const folder = resolve(given);
  const { files, steps } = filesFor(supervisor, { database, folder, tls });
  const kept = writeNewFiles(files, folder, force);
  const written = files.map(
    ({ name }) => `  ${name}${kept.includes(name) ? ' (was there, and is kept: it holds a password)' : ''}`,
  );
  const all = [...(folder === resolve('.') ? [] : [`cd ${folder}`]), ...steps];
  return [`wrote to ${folder}:`, ...written, '', 'now:', ...all.map((step) => `  ${step}`)].join('\n');
}

function filesFor(
  supervisor: string,
  words: Pm2Words,
): { readonly files: readonly NewFile[]; readonly steps: readonly string[] } {
  const { database, folder, tls } = words;
  if (supervisor === 'pm2') {
    const files = pm2Files(words);
    return { files, steps: pm2Steps(files, words) };
  }
  if (supervisor === 'systemd' && tls) {
    throw new IPCError(
      'IPC_OPTION_INVALID',
      '--tls: is for pm2 only. Allowed: systemd without it; the unit has the options of the server',
    );
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
