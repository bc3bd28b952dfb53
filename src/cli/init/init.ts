/** `acebase-ipc-server init <what> <database>`: files to start a cluster with. */

import { existsSync, readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { dirname, join, resolve, sep } from 'node:path';
import { parseEnv } from 'node:util';
import packageJson from '../../../package.json' with { type: 'json' };
import { IPCError } from '../../errors.js';
import { findPackage } from '../../platform/packages.js';
import { type NewFile, writeNewFiles } from './new-files.js';
import { templateSteps } from './steps.js';
import { FORMS, type Form, type TemplateWords, templateFiles } from './templates.js';

/** What nobody else knows of a file of variables. */
const PASSWORD = 'DB_ADMIN_PASSWORD';

/** What is to be written. */
export interface InitWords extends Omit<TemplateWords, 'node' | 'installed' | 'user'> {
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
  const words = {
    ...given,
    folder,
    node: process.execPath,
    installed: placeOf(packageJson.name, folder),
    user,
  };
  const files = templateFiles(form, words);
  const kept = writeNewFiles(files, folder, given.force);
  const written = files.map(
    ({ name }) => `  ${name}${kept.includes(name) ? ' (was there, and is kept: it holds a password)' : ''}`,
  );
  const steps = [
    ...kept.flatMap((name) => differences(name, folder, files)),
    ...templateSteps(form, files, words),
  ];
  const all = [...(folder === resolve('.') ? [] : [`cd ${folder}`]), ...steps];
  return [`wrote to ${folder}:`, ...written, '', 'now:', ...all.map((step) => `  ${step}`)].join('\n');
}

/** What is to be changed in a file of variables that was kept: it may have been written for another form. The password stays. */
function differences(name: string, folder: string, files: readonly NewFile[]): readonly string[] {
  const wanted = parseEnv(files.find((file) => file.name === name)?.contents ?? '');
  const there = parseEnv(readFileSync(join(folder, name), 'utf8'));
  const isToBeChanged = (variable: string): boolean =>
    there[variable] === undefined || (variable !== PASSWORD && there[variable] !== wanted[variable]);
  const changes = Object.keys(wanted).filter(isToBeChanged);
  return changes.length === 0
    ? []
    : [`edit ${name}, which was kept: it needs ${changes.map((it) => `${it}=${wanted[it]}`).join(' ')}`];
}

/** Where a package is that a program of that folder loads; or where npm puts it, which goes by the next package.json, or node_modules, above. */
function placeOf(name: string, folder: string): string {
  const found = findPackage(name, join(folder, sep));
  if (found !== undefined) return found.folder;
  const isOfNpm = (at: string): boolean =>
    ['package.json', 'node_modules'].some((it) => existsSync(join(at, it)));
  let at = folder;
  while (!isOfNpm(at)) {
    if (dirname(at) === at) return join(folder, 'node_modules', name);
    at = dirname(at);
  }
  return join(at, 'node_modules', name);
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
