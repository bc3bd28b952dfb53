/** `acebase-ipc-server init <what> <database>`: files to start a cluster with. */

import { randomBytes } from 'node:crypto';
import { userInfo } from 'node:os';
import { resolve } from 'node:path';
import { IPCError } from '../../errors.js';
import { type NewFile, writeNewFiles } from './new-files.js';
import { type Pm2Words, pm2Files, pm2Steps } from './pm2.js';
import { systemdFiles, systemdSteps } from './systemd.js';
import { FORMS, type Form, templateFiles, templateSteps } from './templates.js';

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
  /** Whether the master is a process of its own, in the place of one that the server runs. */
  readonly dedicatedMaster: boolean;
}

/**
 * Writes the files.
 *
 * @returns what it did, and what is to be done now, for people to read
 * @throws IPCError `IPC_OPTION_INVALID`, `IPC_INIT_FILE_EXISTS`; nothing is written then
 */
export function init(words: InitWords): string {
  const { supervisor, database, folder: given, force, tls, dedicatedMaster } = words;
  if (!/^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/.test(database)) {
    throw new IPCError(
      'IPC_OPTION_INVALID',
      `database: ${JSON.stringify(database)} is not allowed. Allowed: 1 to 64 letters, digits, _ and -`,
    );
  }
  const folder = resolve(given);
  const { files, steps } = filesFor(supervisor, { database, folder, tls }, dedicatedMaster);
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
  dedicatedMaster: boolean,
): { readonly files: readonly NewFile[]; readonly steps: readonly string[] } {
  const form = FORMS.find((each) => each === supervisor);
  if (form === undefined)
    throw new IPCError(
      'IPC_OPTION_INVALID',
      `init: ${JSON.stringify(supervisor)} is not allowed. Allowed: ${FORMS.join(', ')}`,
    );
  if (words.tls && form !== 'pm2')
    throw new IPCError(
      'IPC_OPTION_INVALID',
      `--tls: is for pm2 only. Allowed: ${form} without it; its files say what is to be changed`,
    );
  if (dedicatedMaster) return filesWithMaster(form, words);
  const { username: user } = userInfo();
  const all = { ...words, node: process.execPath, user };
  const files = templateFiles(form, all);
  return { files, steps: templateSteps(form, files, all) };
}

/** The form with a process of its own for the master: from the examples. */
function filesWithMaster(
  form: Form,
  words: Pm2Words,
): { readonly files: readonly NewFile[]; readonly steps: readonly string[] } {
  const { database, folder } = words;
  if (form === 'pm2') {
    const files = pm2Files(words);
    return { files, steps: pm2Steps(files, words) };
  }
  if (form === 'systemd') {
    const { username: user } = userInfo();
    const password = randomBytes(12).toString('hex');
    const files = systemdFiles(database, { folder, node: process.execPath, user, password });
    const asRoot = `edit User= in ${database}-*.service: the services would run as root`;
    return { files, steps: [...(user === 'root' ? [asRoot] : []), ...systemdSteps(database, folder)] };
  }
  throw new IPCError(
    'IPC_OPTION_INVALID',
    `--dedicated-master: is for pm2 and systemd only. Allowed: ${form} without it; deploy/kubernetes has the other form`,
  );
}
