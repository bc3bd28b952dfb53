/** What `peers`, `locks` and `databases` print: tables for people, and rows for programs. */

import { isoTime } from '../platform/clock.js';
import type { HeldLock, WaitingLock } from '../server/monitoring/lock-list.js';
import type { ManagedMasterStatus } from '../server/monitoring/master-status.js';
import { describeSpan } from '../server/monitoring/spans.js';
import type { DatabaseStatus, PeerStatus, Status } from '../server/monitoring/status.js';
import { type Column, layOut } from './table.js';

/** What may be asked for. */
export const SUBJECTS = ['peers', 'locks', 'databases'] as const;

/** One of them. */
export type Subject = (typeof SUBJECTS)[number];

/** What `peers --json` prints of each peer. */
export type PeerRow = { readonly database: string; readonly since: string } & Omit<PeerStatus, 'client'> & {
    /** Name and version of its client; `stock` for one that does not say. */
    readonly client: string;
  };

/** What `locks --json` prints of each lock that is held or waited for. */
export type LockRow = {
  readonly database: string;
  /** The number of the worker's process; `null` if it is not known. */
  readonly pid: number | null;
} & (HeldLock | (WaitingLock & { readonly state: 'waiting' }));

/** The rows that a status has of a subject. */
export function rowsOf(subject: Subject, status: Status): readonly (PeerRow | LockRow | DatabaseStatus)[] {
  if (subject === 'peers') return peerRows(status);
  return subject === 'locks' ? lockRows(status) : status.databases;
}

/** What a text is for. */
export interface ReportFor {
  readonly subject: Subject;
  /** The database that was asked for. */
  readonly database?: string | undefined;
  /** The width of the terminal. */
  readonly width?: number | undefined;
}

/** The same for people, with what is wrong below. */
export function describe(status: Status, { subject, database, width }: ReportFor): string {
  const { databases, server } = status;
  if (databases.length === 0) {
    const nobody = database === undefined ? 'nobody is connected' : `nobody is connected to ${database}`;
    return [nobody, ...describeMasters(status), ...describeProblems(status)].join('\n');
  }
  const hidden = server.databaseCount - databases.length;
  const more = hidden > 0 ? [`${hidden} more databases are not shown; name one to see it`] : [];
  const table = {
    peers: () => describePeers(status, width),
    locks: () => describeLocks(status, width),
    databases: () => describeDatabases(status, width),
  }[subject]();
  const masters = subject === 'locks' ? [] : describeMasters(status);
  return [table, ...more, ...masters, ...describeProblems(status)].join('\n');
}

const PEER_COLUMNS: readonly Column<PeerRow & { readonly age: string }>[] = [
  { title: 'DATABASE', of: ({ database }) => database },
  { title: 'PEER', of: ({ id }) => id },
  { title: 'STATE', of: ({ state }) => state },
  { title: 'CAME', of: ({ age }) => `${age} ago`, isNumber: true },
  { title: 'CLIENT', of: ({ client }) => client },
  // A server of an older version does not say.
  { title: 'JOURNAL', of: ({ keepsJournal }) => (keepsJournal === true ? 'yes' : 'no'), spare: 2 },
  { title: 'PID', of: ({ pid }) => (pid === null ? '–' : String(pid)), isNumber: true, spare: 2 },
  { title: 'ADDRESS', of: ({ address }) => address, spare: 2 },
  { title: 'IN', of: ({ messagesIn }) => number(messagesIn), isNumber: true, spare: 3 },
  { title: 'OUT', of: ({ messagesOut }) => number(messagesOut), isNumber: true, spare: 3 },
  {
    title: 'PING',
    of: ({ roundTrip }) => (roundTrip === null ? '–' : `${roundTrip} ms`),
    isNumber: true,
    spare: 1,
  },
  { title: 'WAITS', of: ({ mail, buffered }) => bytes(mail.bytes + buffered), isNumber: true, spare: 1 },
];

function peerRows({ databases }: Status): PeerRow[] {
  return databases.flatMap(({ name, peers }) =>
    peers.map((peer) => {
      const { client, connectedAt } = peer;
      return { database: name, ...peer, client: client ?? 'stock', since: isoTime(connectedAt) };
    }),
  );
}

function describePeers(status: Status, width: number | undefined): string {
  const { now } = status.server;
  const rows = peerRows(status).map((row) => ({ ...row, age: describeSpan(now - row.connectedAt) }));
  if (rows.length === 0) return 'nobody is connected';
  const hidden = status.databases.reduce((sum, { peers, peerCount }) => sum + peerCount - peers.length, 0);
  const more = hidden > 0 ? [`${hidden} more peers are not shown`] : [];
  return [layOut(PEER_COLUMNS, rows, width), ...more, ...status.databases.flatMap(describeSafety)].join('\n');
}

/** Whether the file of a database is crash-safe. */
function describeSafety({ name, journal, peerCount }: DatabaseStatus): string[] {
  // A server of an older version does not say.
  return journal === undefined || peerCount === 0 ? [] : [`${name}: the file is ${safetyOf(journal)}`];
}

/** Whether a file is crash-safe, and if not, why: what follows "the file is". */
export function safetyOf({ inForce, without, withoutCount }: DatabaseStatus['journal']): string {
  if (inForce) return 'crash-safe';
  if (withoutCount === 0)
    return 'not crash-safe at the moment: the server waits for processes from before its restart, or for one that checks the journal';
  const others = withoutCount > without.length ? ` and ${number(withoutCount - without.length)} more` : '';
  const keep =
    withoutCount === 1 ? 'is connected, and keeps no journal' : 'are connected, and keep no journal';
  return `not crash-safe: ${without.join(', ')}${others} ${keep}`;
}

const LOCK_COLUMNS: readonly Column<LockRow>[] = [
  { title: 'DATABASE', of: ({ database }) => database },
  { title: 'PEER', of: (lock) => ('holder' in lock ? lock.holder : lock.requester) },
  { title: 'STATE', of: ({ state }) => state },
  {
    title: 'FOR',
    of: (lock) => describeSpan('holder' in lock ? lock.heldFor : lock.waitingFor),
    isNumber: true,
  },
  { title: 'PID', of: ({ pid }) => (pid === null ? '–' : String(pid)), isNumber: true, spare: 1 },
  { title: 'TO', of: ({ write }) => (write ? 'write' : 'read') },
  { title: 'PATH', of: ({ path }) => shortened(path, 40), spare: 1 },
  { title: 'REASON', of: (lock) => ('reason' in lock ? lock.reason : '–'), spare: 1 },
  { title: 'COMMENT', of: ({ comment }) => shortened(comment, 40), spare: 2 },
  { title: 'TRANSACTION', of: ({ tid }) => tid, spare: 3 },
];

function lockRows({ databases }: Status): LockRow[] {
  return databases.flatMap(({ name, locks, peers }) => {
    const pids = new Map(peers.map(({ id, pid }) => [id, pid]));
    const own = (id: string) => ({ database: name, pid: pids.get(id) ?? null });
    return [
      ...locks.held.map((lock) => ({ ...own(lock.holder), ...lock })),
      ...locks.waiting.map((lock) => ({ ...own(lock.requester), ...lock, state: 'waiting' as const })),
    ];
  });
}

function describeLocks(status: Status, width: number | undefined): string {
  const rows = lockRows(status);
  if (rows.length === 0) return 'no worker holds a lock, and none waits for one';
  const count = status.databases.reduce((sum, { locks }) => sum + locks.heldCount + locks.waitingCount, 0);
  const hidden = count > rows.length ? [`${count - rows.length} more locks are not shown`] : [];
  return [layOut(LOCK_COLUMNS, rows, width), ...hidden, ...status.databases.flatMap(describeRoot)].join('\n');
}

/** The lock that the server holds at the master while workers hold locks, or want to. */
function describeRoot({ name, locks: { root } }: DatabaseStatus): string[] {
  // A server of an older version has none.
  if (root === null || root === undefined) return [];
  const state = root.state === 'asked' ? 'requested' : `${root.state}, for ${describeSpan(root.heldFor)}`;
  return [`${name}: root lock at the master: ${state}`];
}

const DATABASE_COLUMNS: readonly Column<DatabaseStatus>[] = [
  { title: 'DATABASE', of: ({ name }) => name },
  { title: 'MASTER', of: masterOf },
  { title: 'PEERS', of: ({ peerCount }) => number(peerCount), isNumber: true },
  { title: 'LOCKS', of: ({ locks }) => number(locks.heldCount), isNumber: true },
  { title: 'WAITING', of: ({ locks }) => number(locks.waitingCount), isNumber: true },
  { title: 'MAIL', of: ({ mail }) => bytes(mail.bytes), isNumber: true, spare: 1 },
  { title: 'IN', of: ({ totals }) => number(totals.messagesIn), isNumber: true, spare: 2 },
  { title: 'OUT', of: ({ totals }) => number(totals.messagesOut), isNumber: true, spare: 2 },
  {
    title: 'MEAN LOCK WAIT',
    of: ({ totals: { lockWaitCount, lockWaitSum } }) =>
      lockWaitCount === 0 ? '–' : `${(lockWaitSum / lockWaitCount).toFixed(1)} ms`,
    isNumber: true,
    spare: 1,
  },
];

function masterOf({ peers, masterAbsentFor, peerCount }: DatabaseStatus): string {
  const master = peers.find(({ role }) => role === 'master');
  if (master !== undefined) return master.state;
  if (peerCount === 0) return 'nobody there';
  return masterAbsentFor === null ? 'connected' : `none for ${describeSpan(masterAbsentFor)}`;
}

function describeDatabases({ databases, server }: Status, width: number | undefined): string {
  const { version, now, startedAt, connections, eventLoopDelayP99, draining } = server;
  const state = draining ? 'stopping' : `running for ${describeSpan(now - startedAt)}`;
  const head = `version ${version}, ${state}: ${number(connections)} ${connections === 1 ? 'connection' : 'connections'}, event loop delay ${eventLoopDelayP99} ms`;
  return `${head}\n\n${layOut(DATABASE_COLUMNS, databases, width)}`;
}

/** The masters that the server runs itself. */
function describeMasters({ masters, server }: Status): string[] {
  // A server of an older version runs none.
  return (masters ?? []).map((master) => `${master.database}: ${masterWords(master, server.now)}`);
}

/** How a master is that the server runs itself. @param now milliseconds since 1970 */
export function masterWords(master: ManagedMasterStatus, now: number): string {
  const { state, since, pid, rss, eventLoopDelayP99, restarts, lastReason, nextStartAt } = master;
  const words = [
    ...(pid === null ? [] : [`pid ${pid}`]),
    ...(rss === null ? [] : [bytes(rss)]),
    ...(eventLoopDelayP99 === null ? [] : [`event loop delay ${eventLoopDelayP99} ms`]),
    ...(restarts === 0 ? [] : [`started again ${restarts === 1 ? 'once' : `${number(restarts)} times`}`]),
    ...(nextStartAt === null ? [] : [`next start in ${describeSpan(Math.max(nextStartAt - now, 0))}`]),
  ];
  const why =
    lastReason === null ? '' : `; ${state === 'waiting' ? 'it waits' : 'the last one ended'}: ${lastReason}`;
  const details = words.length === 0 ? '' : ` (${words.join(', ')})`;
  return `the server runs the master itself: ${state} for ${describeSpan(now - since)}${details}${why}`;
}

function describeProblems({ databases, server, masters }: Status): string[] {
  // A server of an older version tells nothing of itself.
  const problems = [
    ...(masters ?? []).flatMap((master) => master.problems),
    ...databases.flatMap((database) => database.problems),
    ...(server.problems ?? []),
  ];
  if (problems.length === 0) return [];
  return [
    '',
    ...problems.flatMap(({ severity, message, remedy }) => [
      `${severity === 'critical' ? 'CRITICAL' : 'WARNING'}: ${message}`,
      `  ${remedy}`,
    ]),
  ];
}

function number(value: number): string {
  return value.toLocaleString('en-US');
}

function bytes(value: number): string {
  if (value < 10_240) return value === 0 ? '–' : `${number(value)} B`;
  const kib = value / 1_024;
  return kib < 10_240 ? `${number(Math.round(kib))} KiB` : `${number(Math.round(kib / 1_024))} MiB`;
}

/** Paths and comments are other people's texts: one line of them, and nothing that a terminal would obey. */
function shortened(text: string, length: number): string {
  const plain = text.replaceAll(/[\p{Cc}\p{Cf}]/gu, '·');
  return plain.length > length ? `${plain.slice(0, length - 1)}…` : plain;
}
