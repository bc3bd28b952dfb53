/** The files of `deploy/templates`, for a database. */

import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { IPCError } from '../../errors.js';
import type { NewFile } from './new-files.js';

/** What there are files for. */
export const FORMS = ['pm2', 'systemd', 'compose', 'kubernetes'] as const;

/** One of them. */
export type Form = (typeof FORMS)[number];

/** For whom, and where. */
export interface TemplateWords {
  readonly database: string;
  /** Absolute. */
  readonly folder: string;
  /** Whether the server gets a certificate and a token; for pm2 only. */
  readonly tls: boolean;
  /** Whether the master is a process of its own, in the place of one that the server runs; for pm2 and systemd only. */
  readonly dedicatedMaster: boolean;
  /** The path of Node.js, where this package is when it is installed, and who runs the services: for systemd. */
  readonly node: string;
  readonly installed: string;
  readonly user: string;
}

/** The config file of the server. */
export const SETTINGS = 'ipc.json';

/** What it names with TLS and a token. */
const SECURE = {
  tokenFile: 'ipc-token',
  ssl: { certPath: 'ipc-cert.pem', keyPath: 'ipc-key.pem' },
};

/** Characters that names of Kubernetes may have, with what is put behind them. */
const LONGEST_NAME = 50;

/** What systemd would read otherwise than it is meant. */
const UNSAFE_PATH = /[^A-Za-z0-9/_.@+-]/;

/**
 * The files of one form.
 *
 * @throws IPCError `IPC_OPTION_INVALID`, for a folder that cannot stand in a unit as it is
 */
export function templateFiles(form: Form, words: TemplateWords): readonly NewFile[] {
  const { database, folder, tls, node, installed, user } = words;
  if (form === 'systemd') for (const path of [folder, node, installed]) checkPath(path);
  const filled = fillIn([
    [/\/srv\/mydb\/node_modules\/acebase-ipc-server/, installed],
    [/\/srv\/mydb/, folder],
    [/\/usr\/bin\/node/, node],
    [/(?<=User=)acebase/, user],
    [/change-me/, randomBytes(12).toString('hex')],
    [/(?<=["'])mydb(?=["'])|(?<=\/ping\/|the master of )mydb|mydb(?=\.acebase)/, database],
    // What is named after the database.
    [/mydb/, nameOf(form, database)],
    // The programs are CommonJS.
    [/(?<=\b(?:ecosystem\.config|start-db[\w-]*)\.)js\b/, isModuleFolder(folder) ? 'cjs' : 'js'],
  ]);
  return pathsOf(form, words).map((path) => {
    const name = basename(path);
    const text = readFileSync(path, 'utf8');
    return {
      name: filled(name),
      contents: filled(tls && name === SETTINGS ? secured(text) : text),
      ...(name.endsWith('.env') && { isSecret: true }),
    };
  });
}

/** The templates of that form: those in its folder. Where the server runs the master, all forms have one program. */
function pathsOf(form: Form, { dedicatedMaster }: TemplateWords): readonly string[] {
  const templates = templatesFolder();
  const own = join(templates, dedicatedMaster ? `${form}-dedicated-master` : form);
  const names = readdirSync(own).toSorted();
  const paths = names.map((name) => join(own, name));
  return dedicatedMaster ? paths : [join(templates, 'start-db-server.js'), ...paths];
}

/** In this package, which is above this code, wherever in it that runs: built into one of several files, or from the sources. */
function templatesFolder(): string {
  for (let above = dirname(fileURLToPath(import.meta.url)); ; above = dirname(above)) {
    const folder = join(above, 'deploy/templates');
    if (existsSync(folder)) return folder;
    if (dirname(above) === above)
      throw new Error('this installation of acebase-ipc-server has no deploy/templates');
  }
}

/**
 * Puts what differs from cluster to cluster into a template, in one pass: what has been put in is not looked at again, so a path or a user of
 * any name stays as it is.
 *
 * @param blanks what a template says, with what is to stand there. Of two that begin at the same character, the first counts.
 */
function fillIn(blanks: readonly (readonly [blank: RegExp, value: string])[]): (text: string) => string {
  const any = new RegExp(blanks.map(([{ source }]) => `(${source})`).join('|'), 'g');
  const values = blanks.map(([, value]) => value);
  return (text) =>
    text.replace(any, (_, ...groups) => values[groups.findIndex((it) => it !== undefined)] ?? '');
}

/** What things of that database are called: Docker and Kubernetes know lower-case letters, digits and dashes. */
export function nameOf(form: Form, database: string): string {
  if (form !== 'compose' && form !== 'kubernetes') return database;
  const plain = database.toLowerCase().replaceAll('_', '-');
  const begun = /^[a-z]/.test(plain) ? plain : `db-${plain}`;
  return begun.slice(0, LONGEST_NAME).replace(/-+$/, '');
}

function secured(settings: string): string {
  return `${JSON.stringify({ ...(JSON.parse(settings) as object), ...SECURE }, undefined, 2)}\n`;
}

/** Whether Node.js takes `.js` for an ES module there: the nearest package.json says so. */
function isModuleFolder(folder: string): boolean {
  for (let at = folder; ; at = dirname(at)) {
    try {
      return (
        (JSON.parse(readFileSync(join(at, 'package.json'), 'utf8')) as { type?: unknown }).type === 'module'
      );
    } catch {
      if (dirname(at) === at) return false;
    }
  }
}

function checkPath(path: string): void {
  if (!UNSAFE_PATH.test(path)) return;
  throw new IPCError(
    'IPC_OPTION_INVALID',
    `--folder: ${JSON.stringify(path)} is not allowed. Allowed: a path of letters, digits and / _ . @ + -`,
  );
}
