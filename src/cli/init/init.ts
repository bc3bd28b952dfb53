/** `acebase-ipc-server init <what> <database>`: files to start a cluster with. */

import { userInfo } from 'node:os';
import { resolve } from 'node:path';
import { IPCError } from '../../errors.js';
import { writeNewFiles } from './new-files.js';
import { templateSteps } from './steps.js';
import { FORMS, type Form, type TemplateWords, templateFiles } from './templates.js';

/** What is to be written. */
export interface InitWords extends Omit<TemplateWords, 'node' | 'user'> {
  /** What for: one of {@link FORMS}. */
  readonly supervisor: string;
  /** Where to, seen from the working directory. */
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
export function init(given: InitWords): string {
  const form = formOf(given);
  const folder = resolve(given.folder);
  const user = form === 'systemd' ? userInfo().username : '';
  const words = { ...given, folder, node: process.execPath, user };
  const files = templateFiles(form, words);
  const kept = writeNewFiles(files, folder, given.force);
  const written = files.map(
    ({ name }) => `  ${name}${kept.includes(name) ? ' (was there, and is kept: it holds a password)' : ''}`,
  );
  const steps = templateSteps(form, files, words);
  const all = [...(folder === resolve('.') ? [] : [`cd ${folder}`]), ...steps];
  return [`wrote to ${folder}:`, ...written, '', 'now:', ...all.map((step) => `  ${step}`)].join('\n');
}

/** @throws IPCError `IPC_OPTION_INVALID`, if there is no such form, or not for what is asked */
function formOf({ supervisor, database, tls, dedicatedMaster }: InitWords): Form {
  if (!/^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/.test(database))
    throw refused(
      `database: ${JSON.stringify(database)} is not allowed. Allowed: 1 to 64 letters, digits, _ and -`,
    );
  const form = FORMS.find((each) => each === supervisor);
  if (form === undefined)
    throw refused(`init: ${JSON.stringify(supervisor)} is not allowed. Allowed: ${FORMS.join(', ')}`);
  if (tls && form !== 'pm2')
    throw refused(`--tls: is for pm2 only. Allowed: ${form} without it; its files say what is to be changed`);
  if (dedicatedMaster && form !== 'pm2' && form !== 'systemd')
    throw refused(
      `--dedicated-master: is for pm2 and systemd only. Allowed: ${form} without it; deploy/kubernetes has the other form`,
    );
  return form;
}

function refused(why: string): IPCError {
  return new IPCError('IPC_OPTION_INVALID', why);
}
