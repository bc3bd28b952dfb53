import type { ManagedMasterStatus } from '../../server/monitoring/master-status.js';
import type { Problem } from '../../server/monitoring/problems.js';
import type { DatabaseStatus, ServerStatus, Status } from '../../server/monitoring/status.js';
import { masterWords, safetyOf } from '../reports.js';
import { error, type Finding, ok, skipped, warning } from './findings.js';
import type { Answer } from './inquiry.js';

/** Problems by which a worker that started now would have to wait, however long they have lasted. */
const BLOCKING: ReadonlySet<string> = new Set([
  'no-master',
  'master-settling',
  'lock-wait',
  'managed-master-failed',
  'managed-master-waits',
]);

/**
 * What the server itself calls a problem (`GET /status`), a finding each: an error if it is critical or lets workers wait,
 * else a warning.
 *
 * @param told codes of problems that another finding has reported already
 */
export function judgeStatus(answer: Answer, told: ReadonlySet<string>): Finding[] {
  const { status: code } = answer;
  if (code === 404) return [skipped('status', 'the server does not know /status: it is an older version')];
  const status = parseStatus(answer);
  if (status === undefined) return [skipped('status', `the server does not say how it is (${code})`)];
  const problems = [
    ...(status.masters ?? []).flatMap((master) => master.problems),
    ...status.databases.flatMap((database) => database.problems),
    ...status.server.problems,
  ];
  const untold = problems.filter((problem) => !told.has(problem.code));
  const findings = [...untold.map(judgeProblem), ...judgeDescriptors(status.server)];
  const isWell = problems.length + findings.length === 0;
  return [
    ...(isWell ? [ok('status', 'the server reports no problem')] : findings),
    ...judgeJournal(status.databases),
  ];
}

/** What of a database says whether its file is crash-safe; an older server says nothing of that. */
type Safety = Pick<DatabaseStatus, 'name' | 'peerCount'> & Partial<Pick<DatabaseStatus, 'journal'>>;

/** Whether a process that is killed leaves no write half done. */
function judgeJournal(databases: readonly Safety[]): Finding[] {
  const told = databases.flatMap(({ name, journal, peerCount }) =>
    journal === undefined || peerCount === 0 ? [] : [{ name, journal }],
  );
  if (told.length === 0) return [];
  const message = told.map(({ name, journal }) => `${name}: the file is ${safetyOf(journal)}`).join('; ');
  if (told.every(({ journal }) => journal.inForce)) return [ok('journal', message)];
  return [
    warning(
      'journal',
      message,
      "Have all processes of the database use the client of this package, and none of them with journal: 'off' (docs/CLIENT.md).",
    ),
  ];
}

/** @param server an older one says nothing of them */
function judgeDescriptors({ descriptors, maxConnections }: Partial<ServerStatus>): Finding[] {
  const { limit } = descriptors ?? {};
  if (limit === undefined || maxConnections === undefined || limit >= maxConnections) return [];
  return [
    warning(
      'status',
      `the server may open ${limit} files, and each connection is one: that is below maxConnections, ${maxConnections}`,
      'Raise the limit of open files where the server is started (ulimit -n, LimitNOFILE), or lower maxConnections.',
    ),
  ];
}

function judgeProblem({ code, severity, message, remedy }: Problem): Finding {
  const isError = severity === 'critical' || BLOCKING.has(code);
  return isError ? error('status', message, remedy) : warning('status', message, remedy);
}

/** How the master of a database is, if the server runs it itself. */
export function managedMasterIn(
  answer: Answer,
  database: string,
): { readonly master: ManagedMasterStatus; readonly now: number } | undefined {
  const status = parseStatus(answer);
  const master = status?.masters?.find((each) => each.database === database);
  return status && master && { master, now: status.server.now };
}

/** @param managed how it is @returns whether a worker finds it */
export function judgeManagedMaster({
  master,
  now,
}: {
  readonly master: ManagedMasterStatus;
  readonly now: number;
}): Finding {
  const { database, state, problems } = master;
  const message = `${database}: ${masterWords(master, now)}`;
  if (state === 'serving') return ok('master', message);
  const remedy = problems[0]?.remedy ?? 'Look again in a moment. If it stays so, read the log of the server.';
  return error('master', message, remedy);
}

type KnownStatus = Pick<Status, 'server' | 'databases'> & Partial<Pick<Status, 'masters'>>;

/** @returns `undefined` if it is none; an older server has no `masters` */
function parseStatus({ status, body }: Answer): KnownStatus | undefined {
  if (status !== 200) return undefined;
  try {
    const parsed = JSON.parse(body) as Partial<Status>;
    return parsed.server !== undefined && parsed.databases !== undefined
      ? (parsed as KnownStatus)
      : undefined;
  } catch {
    return undefined;
  }
}
