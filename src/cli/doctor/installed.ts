import { join, sep } from 'node:path';
import { findAceBasePackage } from '../../platform/acebase-package.js';
import { findPackage } from '../../platform/packages.js';
import { error, type Finding, ok, type Subject, skipped, warning } from './findings.js';

/** Versions of AceBase that this package was tested with. */
const ACEBASE_KNOWN = {
  first: [1, 12, 0],
  /** The first that the client of this package knows. */
  withClient: [1, 18, 0],
  /** The first that works with an acebase-core after 1.15, which npm installs beside older ones, too. */
  withNewCore: [1, 25, 0],
  sound: [1, 28, 1],
  beyond: [1, 30, 0],
} as const;
const CORE_NEW = [1, 16, 0] as const;

/** The version of a package as a program finds it that runs in that folder; undefined if there is none. */
export function installedVersion(name: string, folder: string): string | undefined {
  return findPackage(name, join(folder, sep))?.version;
}

/**
 * The versions of what an AceBase process of that folder loads, by name. A program may have `acebase` only through
 * `acebase-server`, and it is AceBase that loads `ws`: each is looked for from where it is loaded.
 */
export function installedVersions(folder: string): Readonly<Record<string, string | undefined>> {
  const program = join(folder, sep);
  const server = findPackage('acebase-server', program);
  const acebase = findAceBasePackage([folder]);
  const ws = acebase && findPackage('ws', acebase.entry);
  const core = acebase && findPackage('acebase-core', acebase.entry);
  return {
    acebase: acebase?.version,
    'acebase-core': core?.version,
    'acebase-server': server?.version,
    ws: ws?.version,
  };
}

/** Judges the packages that an AceBase process of that folder would load. */
export function judgeInstalled(folder: string, versionOf: (name: string) => string | undefined): Finding[] {
  const acebase = versionOf('acebase');
  const server = versionOf('acebase-server');
  if (acebase === undefined && server === undefined) {
    const why = `no acebase in ${folder}: run this in the folder of your program to have its packages looked at`;
    return [skipped('acebase', why)];
  }
  return [
    judgeWs(versionOf('ws')),
    judgeAceBase(acebase, versionOf('acebase-core')),
    ...(server === undefined ? [] : [judgeServer(server)]),
  ];
}

function judgeWs(version: string | undefined): Finding {
  if (version === undefined) {
    return warning(
      'ws',
      'ws is not installed where acebase looks for it: only processes with the client of this package can connect',
      'Run `npm install ws`, or have the client installed in every process (docs/CLIENT.md).',
    );
  }
  if (isOlder(version, [7, 0, 0])) return error('ws', `ws ${version} is too old`, 'Run `npm install ws@8`.');
  return ok('ws', `ws ${version}`);
}

function judgeAceBase(version: string | undefined, core: string | undefined): Finding {
  if (version === undefined) {
    return error('acebase', 'acebase is not installed beside acebase-server', 'Run `npm install acebase`.');
  }
  if (isOlder(version, ACEBASE_KNOWN.first)) {
    return error('acebase', `acebase ${version} cannot join a cluster`, 'Run `npm install acebase@1`.');
  }
  if (isOlder(version, ACEBASE_KNOWN.withNewCore) && core !== undefined && !isOlder(core, CORE_NEW)) {
    return error(
      'acebase',
      `acebase ${version} does not work with acebase-core ${core}: every write fails`,
      'Run `npm install acebase@1`; or, to keep this version, `npm install acebase-core@1.15.0`.',
    );
  }
  if (isOlder(version, ACEBASE_KNOWN.sound)) {
    const noClient = isOlder(version, ACEBASE_KNOWN.withClient)
      ? ', and does not work with the client of this package'
      : '';
    return warning(
      'acebase',
      `acebase ${version} leaves what workers write out of indexes${noClient}`,
      'Run `npm install acebase@1`: 1.28.1 or later.',
    );
  }
  if (!isOlder(version, ACEBASE_KNOWN.beyond)) {
    return warning(
      'acebase',
      `acebase ${version} is newer than what this package was tested with`,
      'Look for a newer acebase-ipc-server; the client refuses to be installed in an acebase that it does not know.',
    );
  }
  return ok('acebase', `acebase ${version}`);
}

function judgeServer(version: string): Finding {
  const subject: Subject = 'acebase-server';
  if (isOlder(version, [1, 10, 0])) {
    return error(
      subject,
      `acebase-server ${version} cannot join a cluster`,
      'Run `npm install acebase-server@1`.',
    );
  }
  return ok(subject, `acebase-server ${version}`);
}

function isOlder(version: string, than: readonly number[]): boolean {
  const parts = version.split(/[.-]/).map(Number);
  for (const [index, wanted] of than.entries()) {
    const part = parts[index] ?? 0;
    if (part !== wanted) return part < wanted;
  }
  return false;
}
