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

/** What a file of variables lacks that was kept, and what differs in it: it may have been written for another form. The password is its own. */
function differences(name: string, folder: string, files: readonly NewFile[]): readonly string[] {
  const wanted = parseEnv(files.find((file) => file.name === name)?.contents ?? '');
  const there = parseEnv(readFileSync(join(folder, name), 'utf8'));
  const words = (variables: readonly string[]): string =>
    variables.map((it) => `${it}=${wanted[it]}`).join(' ');
  const missing = Object.keys(wanted).filter((it) => there[it] === undefined);
  const different = Object.keys(wanted).filter(
    (it) => it !== PASSWORD && there[it] !== undefined && there[it] !== wanted[it],
  );
  return [
    ...(missing.length === 0 ? [] : [`add to ${name}, which was kept: ${words(missing)}`]),
    ...(different.length === 0
      ? []
      : [`see whether ${name}, which was kept, is as you want it: new, it has ${words(different)}`]),
  ];
}

/**
 * Where a package is that a program of that folder loads, by a name that it keeps when it is updated; or where npm puts it, which goes by the next package.json, or
 * node_modules, above.
 */
function placeOf(name: string, folder: string): string {
  const above = foldersFrom(folder);
  const isIn = (at: string): boolean => existsSync(join(at, 'node_modules', name));
  const isOfNpm = (at: string): boolean =>
    ['package.json', 'node_modules'].some((it) => existsSync(join(at, it)));
  const linked = above.find(isIn);
  const found = linked === undefined ? findPackage(name, join(folder, sep)) : undefined;
  return found?.folder ?? join(linked ?? above.find(isOfNpm) ?? folder, 'node_modules', name);
}

/** It, and all that it is in. */
function foldersFrom(folder: string): readonly string[] {
  const above = dirname(folder);
  return above === folder ? [folder] : [folder, ...foldersFrom(above)];
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
