import type { DatabaseStatus, ManagedMasterStatus, PeerStatus, Problem, Status } from './status.js';
import { bytes, count, counted, latency, seconds } from './words.js';

/** Rows of one table; beyond, the page says how many it leaves out. */
export const MAX_ROWS = 200;

/** How bad it is. */
export type Health = 'well' | 'warning' | 'critical' | 'left';

/** The worst of a database's problems. One that has no master yet is not well; `left`: nobody is connected to it. */
export function healthOf({ problems, peerCount, master }: DatabaseStatus): Health {
  if (problems.some(({ severity }) => severity === 'critical')) return 'critical';
  if (problems.length > 0) return 'warning';
  if (peerCount === 0) return 'left';
  return master === null ? 'warning' : 'well';
}

/** How bad it looks. Without a line to the server nobody knows that all is well. */
export function shownHealth(database: DatabaseStatus, isStale: boolean): Health {
  const health = healthOf(database);
  return isStale && health === 'well' ? 'left' : health;
}

/** Whether somebody should look at it. */
export function isTroubled(database: DatabaseStatus): boolean {
  return database.problems.length > 0;
}

/** Critical ones first, then the oldest. */
export function sortedProblems(problems: readonly Problem[]): readonly Problem[] {
  const rank = ({ severity }: Problem): number => (severity === 'critical' ? 0 : 1);
  return [...problems].sort((a, b) => rank(a) - rank(b) || a.since - b.since);
}

/** The master first, then those that are not simply connected, then in the order in which they came. */
export function sortedPeers(peers: readonly PeerStatus[]): readonly PeerStatus[] {
  const rank = ({ role, state }: PeerStatus): number =>
    role === 'master' ? 0 : state === 'connected' ? 2 : 1;
  return [...peers].sort(
    (a, b) => rank(a) - rank(b) || a.connectedAt - b.connectedAt || (a.id < b.id ? -1 : 1),
  );
}

/** The database to show first: the one that is worst off; else the first one. */
export function firstChoice({ databases }: Status): string | undefined {
  const order: readonly Health[] = ['critical', 'warning', 'well', 'left'];
  for (const health of order) {
    const found = databases.find((database) => healthOf(database) === health);
    if (found !== undefined) return found.name;
  }
  return undefined;
}

/** What there is to say about a database that has no problem. */
export function calmWords(database: DatabaseStatus): { readonly title: string; readonly text: string } {
  const { peers, peerCount, locks, master } = database;
  if (peerCount === 0) {
    return {
      title: 'Nobody is connected',
      text: 'All its processes have left. What happened before stands below.',
    };
  }
  const masters = peers.filter(({ role }) => role === 'master').length;
  const workers = counted(peerCount - masters, 'worker');
  if (master === null) {
    return {
      title: 'No master yet',
      text: `${workers} here, and what they ask is kept until the process with the role "master" comes.`,
    };
  }
  const waiting = locks.waitingCount;
  const waits =
    waiting === 0
      ? 'Nobody waits for a lock.'
      : `${counted(waiting, 'request')} for a lock ${waiting === 1 ? 'is' : 'are'} under way.`;
  return { title: 'All is well', text: `The master is connected, with ${workers}. ${waits}` };
}

/** Whether a process that is killed leaves no write half done; if not, why. */
export function safetyWords({ journal: { inForce, without, withoutCount } }: DatabaseStatus): string {
  if (inForce) return 'The file is crash-safe: every peer keeps a journal.';
  if (withoutCount === 0)
    return 'The file is not crash-safe at the moment: the server waits for processes from before its restart, or for one that checks the journal.';
  const others = withoutCount > without.length ? ` and ${count(withoutCount - without.length)} more` : '';
  return `The file is not crash-safe: ${without.join(', ')}${others} ${withoutCount === 1 ? 'keeps' : 'keep'} no journal.`;
}

/** The master of a database, if the server runs it itself. */
export function managedMasterOf({ masters }: Status, name: string): ManagedMasterStatus | undefined {
  return masters.find(({ database }) => [`${database}_data`, `${database}_transaction`].includes(name));
}

/** What is wrong beside the databases: with the masters that the server runs itself, and with the server as a whole. */
export function concernsOf({ masters, server }: Status): readonly Problem[] {
  return [...masters.flatMap(({ problems }) => problems), ...server.problems];
}

/** How a master is that the server runs itself. @param now the clock of the server */
export function masterWords(master: ManagedMasterStatus, now: number): string {
  const { state, since, pid, rss, eventLoopDelayP99, restarts, lastReason, nextStartAt } = master;
  const facts = [
    ...(pid === null ? [] : [`process ${pid}`]),
    ...(rss === null ? [] : [bytes(rss)]),
    ...(eventLoopDelayP99 === null ? [] : [`event loop delay ${latency(eventLoopDelayP99)}`]),
    ...(restarts === 0
      ? []
      : [restarts === 1 ? 'started again once' : `started again ${count(restarts)} times`]),
    ...(nextStartAt === null ? [] : [`next start in ${seconds(Math.max(nextStartAt - now, 0))}`]),
  ];
  const why =
    lastReason === null ? '' : ` ${state === 'waiting' ? 'It waits' : 'The last one ended'}: ${lastReason}.`;
  return `The server runs the master itself: ${[`${state} for ${seconds(now - since)}`, ...facts].join(', ')}.${why}`;
}

/** What the tab of the browser says. */
export function titleOf(status: Status | null): string {
  const troubled = status?.databases.filter(isTroubled) ?? [];
  const name = 'AceBase IPC server';
  const [first] = troubled;
  if (first === undefined) return status !== null && concernsOf(status).length > 0 ? `(!) ${name}` : name;
  return `(!) ${troubled.length === 1 ? first.name : counted(troubled.length, 'database')} · ${name}`;
}

/** Where the page came from: as the browser's `location`. */
export interface PageAddress {
  readonly protocol: string;
  readonly hostname: string;
  readonly port: string;
}

/** What the code of a process needs, to reach the server that this page came from. */
export function exampleCode(location: PageAddress, role: 'master' | 'worker', hasToken: boolean): string {
  const isSecure = location.protocol === 'https:';
  const port = location.port === '' ? (isSecure ? '443' : '80') : location.port;
  const host = location.hostname.replace(/^\[(.*)\]$/, '$1');
  const settings = [
    ...(host === 'localhost' ? [] : [`host: '${host}'`]),
    `port: ${port}`,
    ...(isSecure ? ['ssl: true'] : []),
    ...(hasToken ? ['token: process.env.ACEBASE_IPC_TOKEN'] : []),
    `role: '${role}'`,
  ];
  return `const { AceBase } = require('acebase');

const db = new AceBase('mydb', {
  storage: {
    ipc: {
${settings.map((setting) => `      ${setting},`).join('\n')}
    },
  },
});`;
}
