import type { AceBaseProcessOptions } from '../support/acebase-process.js';
import { freePort } from '../support/free-port.js';
import { installed } from './packages.js';

/** How one process of a cluster is started: which package, in which version. */
export type Member = () => Promise<Pick<AceBaseProcessOptions, 'package' | 'server' | 'client'>>;

/** Who plays which part. */
export interface Cast {
  readonly name: string;
  readonly master: Member;
  readonly workers: readonly [Member, Member];
  /** Why this cast cannot form a cluster. Only what it can do alone is tried then. */
  readonly alone?: string;
  /** It is alone because it has no `ipc` setting: that is tried as well. */
  readonly ignoresIPC?: true;
  /** All have the client of this package: a restart of the server is tried as well. */
  readonly hasClient?: true;
  /**
   * Scenarios that fail because of AceBase itself, on any server, with the reason. They are played like the others;
   * their failure is shown as what it is, and does not fail the matrix.
   */
  readonly faults?: Readonly<Record<string, string>>;
}

const [oldest, ...rest] = ['1.12.3', '1.18.0', '1.27.0'] as const;
const older = [oldest, ...rest];
const newest = '1.29.13';
const newestCore = '1.28.1';

// Their ranges allow every later acebase-core, but one that expects set() to return a cursor breaks them: see `today`.
const cores: Readonly<Record<string, string>> = { '1.12.3': '1.10.1', '1.18.0': '1.15.0' };

// In each scenario with an index it is the first worker that creates it, or writes what it must hold.
const indexedWritesFault =
  'what a worker of acebase 1.27.0 or older writes never gets into an index: it leaves the file name out of its ' +
  '`index.update`, so that every master refuses it; acebase 1.28.1 repaired that';
const indexByWorkerFault =
  'a worker of acebase 1.27.0 cannot create an index: its createIndex() throws after the master has made it; ' +
  'acebase 1.28.1 repaired that';

function faultsOf(firstWorker: string): Pick<Cast, 'faults'> {
  if (firstWorker === newest) return {};
  return {
    faults: {
      'indexed writes': indexedWritesFault,
      ...(firstWorker === '1.27.0' && { 'index by a worker': indexByWorkerFault }),
    },
  };
}

function aceBase(version: string): Member {
  return async () => ({ package: await installed('acebase', version, cores[version]) });
}

function aceBaseServer(version: string): Member {
  return async () => ({
    server: { package: await installed('acebase-server', version), port: await freePort() },
  });
}

function uniform(version: string): Cast {
  const core = cores[version];
  return {
    name: `acebase ${version}${core === undefined ? '' : ` (core ${core})`}`,
    master: aceBase(version),
    workers: [aceBase(version), aceBase(version)],
    ...faultsOf(version),
  };
}

/** All of one version, with the client of this package. */
function withClient(version: string): Cast {
  const cast = uniform(version);
  const equipped =
    (member: Member): Member =>
    async () => ({ ...(await member()), client: true });
  const [first, second] = cast.workers;
  return {
    ...cast,
    name: `${cast.name}, our client`,
    master: equipped(cast.master),
    workers: [equipped(first), equipped(second)],
    hasClient: true,
  };
}

/** An old version as npm installs it today, where that no longer works even without IPC. */
function today(version: string): Cast {
  const member: Member = async () => ({ package: await installed('acebase', version) });
  return {
    name: `acebase ${version} (core ${newestCore})`,
    master: member,
    workers: [member, member],
    alone: 'does not work by itself, so it is not tried in a cluster',
    faults: {
      'no IPC':
        `npm installs acebase ${version} with acebase-core ${newestCore} today, whose set() and transaction() ` +
        `throw on what acebase ${version} returns; with acebase-core ${cores[version]} it works`,
    },
  };
}

function mixed(master: string, first: string, second = first): Cast {
  const workers = first === second ? first : `${first} and ${second}`;
  return {
    name: `master ${master}, workers ${workers}`,
    master: aceBase(master),
    workers: [aceBase(first), aceBase(second)],
    ...faultsOf(first),
  };
}

function serving(version: string, without?: Pick<Cast, 'alone' | 'ignoresIPC'>): Cast {
  return {
    name: `acebase-server ${version}`,
    master: aceBase(newest),
    workers: [aceBaseServer(version), aceBaseServer(version)],
    ...without,
  };
}

const noSetting = {
  alone: 'has no `ipc` setting and passes none on to AceBase: it cannot join a cluster',
  ignoresIPC: true,
} as const;

/** Everything that the matrix tries. */
export const casts: readonly Cast[] = [
  today('1.12.3'),
  today('1.18.0'),
  ...[...older, newest].map(uniform),
  ...['1.18.0', '1.27.0', newest].map(withClient),
  ...older.flatMap((version) => [mixed(version, newest), mixed(newest, version)]),
  mixed('1.18.0', oldest, newest),
  mixed(newest, oldest, '1.27.0'),
  // npm has four versions of acebase-server: 1.2.2, 1.5.1, 1.10.0 and 1.15.2. They bring the newest acebase.
  serving('1.2.2', noSetting),
  serving('1.5.1', noSetting),
  serving('1.10.0'),
  serving('1.15.2'),
];
