/** Asks a server that runs how it is: `GET /status` (docs/PROTOCOL.md, section 4). */

import { coveredNames, type Settings } from '../options.js';
import type { Status } from '../server/monitoring/status.js';
import { addressOf, authorization } from './doctor/place.js';
import { describeLineFailure } from './line-failure.js';

/** Which server to ask, and what about. */
export interface StatusQuery {
  /** Only this database, with all its files; default: all. */
  readonly database?: string | undefined;
  /** Where the server is. */
  readonly base: URL;
  /** Whether `--url` says so. */
  readonly isUrl: boolean;
  readonly settings: Pick<Settings, 'tokens' | 'adminToken'>;
  /** The token of the AceBase processes, for when the settings have none. */
  readonly processToken?: string | undefined;
}

/** Milliseconds for which the answer is waited. */
const PATIENCE_MS = 10_000;

/**
 * Asks the server. Where there are tokens for single databases and none for all, it is asked with each.
 *
 * @throws Error in plain words, with what to do: it is not there, it wants another token, it is no server of this kind
 */
export async function askForStatus(query: StatusQuery): Promise<Status> {
  const { database } = query;
  const parameter = database === undefined ? '' : `?database=${encodeURIComponent(database)}`;
  const answers: Status[] = [];
  for (const token of tokensFor(query)) answers.push(await ask({ ...query, parameter, token }));
  const [first] = answers;
  if (first === undefined) {
    throw new Error(`there is no token for ${database}: give --token, --token-file or --admin-token`);
  }
  if (answers.length === 1) return first;
  const databases = answers.flatMap((answer) => answer.databases);
  const databaseCount = answers.reduce((sum, { server }) => sum + server.databaseCount, 0);
  // Two tokens may open the same one. A server of an older version knows none.
  const masters = new Map(
    answers.flatMap((it) => it.masters ?? []).map((master) => [master.database, master]),
  );
  return { server: { ...first.server, databaseCount }, databases, masters: [...masters.values()] };
}

/** The tokens that show what is asked for; `undefined` where none is asked for. */
function tokensFor({ database, settings, processToken }: StatusQuery): readonly (string | undefined)[] {
  const { tokens, adminToken } = settings;
  if (adminToken !== undefined) return [adminToken];
  if (tokens.kind === 'none') return [processToken];
  if (tokens.kind === 'shared') return tokens.tokens.slice(0, 1);
  const fitting = [...tokens.tokens].filter(([name]) => {
    return (
      database === undefined || coveredNames(name).includes(database) || coveredNames(database).includes(name)
    );
  });
  return [...new Set(fitting.flatMap(([, list]) => list.slice(0, 1)))];
}

interface Question extends Pick<StatusQuery, 'isUrl'> {
  readonly base: URL;
  readonly parameter: string;
  readonly token: string | undefined;
}

async function ask({ base: url, isUrl, parameter, token }: Question): Promise<Status> {
  const base = addressOf(url);
  let response: Response;
  try {
    response = await fetch(`${base}/status${parameter}`, {
      headers: authorization(token),
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
  } catch (error) {
    throw new Error(whyUnreachable(base, isUrl, error), { cause: error });
  }
  if (response.ok) {
    const answer: unknown = await response.json().catch(() => undefined);
    if (isStatus(answer)) return answer;
    throw new Error(
      `something else than this IPC server answers at ${base}: ${isUrl ? 'check --url' : 'give its --port, or --url'}`,
    );
  }
  throw new Error(whyRefused(base, response.status, token !== undefined));
}

function isStatus(answer: unknown): answer is Status {
  return typeof answer === 'object' && answer !== null && 'server' in answer && 'databases' in answer;
}

const CERTIFICATE_CODES = /CERT|SELF_SIGNED|UNABLE_TO_VERIFY|ISSUER/;

function whyUnreachable(base: string, isUrl: boolean, error: unknown): string {
  const reasons = reasonsOf(error);
  if (reasons.includes('ERR_TLS_CERT_ALTNAME_INVALID'))
    return `the certificate of the server at ${base} is for another name: give --url with a name that is in it`;
  if (CERTIFICATE_CODES.test(reasons))
    return `the certificate of the server at ${base} is not trusted: set NODE_EXTRA_CA_CERTS to the file of the authority that signed it`;
  if (/ECONNRESET|EPROTO|SSL|UND_ERR_SOCKET|TimeoutError/.test(reasons))
    return `whatever listens at ${base} gives no answer (${spoken(reasons)}): is the port right, and does the server speak ${base.startsWith('https') ? 'TLS' : 'TLS, so that the URL begins with https'}?`;
  const where = isUrl ? 'is --url right?' : 'are --host and --port right? --url says where it is otherwise';
  return `no IPC server answers at ${base} (${spoken(reasons)}): is it running, and ${where}`;
}

function spoken(code: string): string {
  return code === 'TimeoutError' ? `nothing within ${PATIENCE_MS / 1_000} s` : describeLineFailure(code);
}

/** What went wrong on the line: the code of the system, or its words where there is none. */
function reasonsOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof AggregateError && error.errors.length > 0) return reasonsOf(error.errors[0]);
  if (error.cause !== undefined) return reasonsOf(error.cause);
  const { code } = error as { code?: unknown };
  if (typeof code === 'string') return code;
  return error.name === 'Error' ? error.message : error.name;
}

function whyRefused(base: string, status: number, hasToken: boolean): string {
  if (status === 401 && !hasToken)
    return `the server at ${base} wants a token: set ACEBASE_IPC_TOKEN or ACEBASE_IPC_SERVER_TOKEN, or give --token-file`;
  if (status === 401)
    return `the server at ${base} rejected the token: pass a valid one by ACEBASE_IPC_SERVER_TOKEN, --token-file or --admin-token`;
  if (status === 421)
    return `the server at ${base} has no token, and may not be called by that name: use localhost, or add the name to its allowedHosts`;
  if (status === 404)
    return `the server at ${base} does not know /status: it is an older version, or another program`;
  return `the server at ${base} answered with ${status}`;
}
