/** `acebase-ipc-server doctor <database>`: whether a worker started here could join the cluster, and what to do if not. */

import { randomBytes } from 'node:crypto';
import { messageOf } from '../../system-error.js';
import { describeLineFailure } from '../line-failure.js';
import { judgeCertificate, type ShownCertificate } from './certificate.js';
import { error, type Finding, ok, type Subject, skipped, warning } from './findings.js';
import type { Answer, Inquiry } from './inquiry.js';
import { judgeInstalled } from './installed.js';
import { addressOf, authorization, endpointOf } from './place.js';
import { judgeManagedMaster, judgeStatus, managedMasterIn } from './status.js';

/** What a worker would be told. */
export interface DoctorQuery {
  /** As in `new AceBase(database, …)`. */
  readonly database: string;
  /** Where the server is. */
  readonly url: URL;
  readonly token: string | undefined;
  /** The folder of the program. */
  readonly folder: string;
}

/** What the doctor looks with. */
export interface DoctorTools {
  readonly ask: Inquiry;
  certificateOf(url: URL): Promise<ShownCertificate>;
  versionOf(name: string): string | undefined;
  /** Milliseconds since 1970. */
  wallTime(): number;
}

/** Clocks that differ by more than this, in milliseconds, let locks run out at the wrong time. */
const CLOCK_WRONG_MS = 5_000;
const CLOCK_DOUBTFUL_MS = 2_000;

/** What is looked at only if a server answers. */
const BEHIND_THE_SERVER: readonly Subject[] = ['websocket', 'token', 'master', 'clients', 'status', 'clock'];

/** Problems of the server that say again that there is no master. */
const TOLD_WITH_THE_MASTER = ['no-master', 'managed-master-failed', 'managed-master-waits'];

/** What the token is shown for. */
const BEHIND_THE_TOKEN: readonly Subject[] = BEHIND_THE_SERVER.filter((it) => it !== 'clock');

/** Looks at everything, in the order in which a worker meets it. */
export async function examine(query: DoctorQuery, tools: DoctorTools): Promise<Finding[]> {
  const installed = judgeInstalled(query.folder, tools.versionOf);
  const health = await tools.ask(endpointOf(query.url, '/health')).catch((failure: unknown) => failure);
  const server = judgeServer(health, query.url);
  const certificate = await lookAtCertificate(query, tools);
  if (server.status === 'error' || health instanceof Error) {
    return [
      server,
      certificate,
      ...BEHIND_THE_SERVER.map((it) => skipped(it, 'no server answers')),
      ...installed,
    ];
  }
  if (query.token !== undefined && !isTrusted(certificate, query.url)) {
    const why = 'not asked for: the token is for nobody but a server whose certificate is good';
    return [
      server,
      certificate,
      ...BEHIND_THE_TOKEN.map((it) => skipped(it, why)),
      judgeClock(health as Answer),
      ...installed,
    ];
  }
  const joining = await lookAtJoining(query, tools);
  const answer = await askForStatus(query, tools, joining);
  const clients = await lookAtClients(query, tools, joining, answer);
  const status = lookAtStatus(answer, clients);
  return [
    await lookAtReadiness(server, query, tools),
    certificate,
    ...joining,
    ...clients,
    ...status,
    judgeClock(health as Answer),
    ...installed,
  ];
}

/** Whether what is said to that server is for it alone, or for all to hear anyway. */
function isTrusted({ status }: Finding, { protocol }: URL): boolean {
  return protocol !== 'https:' || status === 'ok' || status === 'warning';
}

/** A server that is about to stop answers, and lets nobody in. */
async function lookAtReadiness(server: Finding, { url }: DoctorQuery, tools: DoctorTools): Promise<Finding> {
  const ready = await tools.ask(endpointOf(url, '/ready')).catch(() => undefined);
  if (ready?.status !== 503) return server;
  return warning(
    'server',
    `${server.message}, and is about to stop: it lets nobody in`,
    'Look again in a moment. If it stays so, look who holds a lock: acebase-ipc-server locks.',
  );
}

function judgeServer(health: unknown, url: URL): Finding {
  const { protocol, hostname } = url;
  const secure = protocol === 'https:';
  if (!(health instanceof Error)) return judgeHealth(health as Answer, addressOf(url));
  const code = 'code' in health ? String(health.code) : '';
  const what = `no IPC server answers at ${addressOf(url)} (${code === '' ? health.message : describeLineFailure(code)})`;
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') {
    return error('server', what, `The name ${hostname} is not known here: check the host.`);
  }
  if (/WRONG_VERSION_NUMBER|EPROTO/.test(`${code} ${health.message}`) && secure) {
    return error(
      'server',
      what,
      'It does not speak TLS: use http:// in --url, and leave `ssl` out; or give the server a certificate.',
    );
  }
  if (/certificate required|CERTIFICATE_REQUIRED/i.test(`${code} ${health.message}`)) {
    return error(
      'server',
      what,
      'It asks for a client certificate (`ssl.ca`), which AceBase cannot send: leave that out.',
    );
  }
  if (/ECONNRESET|socket hang up|HPE_/.test(`${code} ${health.message}`) && !secure) {
    return error(
      'server',
      what,
      'It may speak TLS: try https in --url, and `ssl: true` in the `ipc` settings.',
    );
  }
  return error(
    'server',
    what,
    'Start the server, and check host, port and what is between (firewall, proxy).',
  );
}

function judgeHealth({ status, body }: Answer, address: string): Finding {
  if (status === 200 && /"status":"ok"/.test(body)) return ok('server', `answers at ${address}`);
  const code = codeOf(body);
  if (code === 'IPC_REFUSED_HOST') {
    return error(
      'server',
      `${address} does not want to be called by this name`,
      'Set a token, or add the name to `allowedHosts`.',
    );
  }
  if (status === 400 || status === 426 || status === 497) {
    return error(
      'server',
      `${address} answers with ${status}`,
      'It may speak TLS: try https in --url, and `ssl: true`.',
    );
  }
  return error(
    'server',
    `${address} answers with ${status}, which this IPC server does not`,
    'Another program listens there, or a proxy has no server behind it: check host and port.',
  );
}

async function lookAtCertificate({ url }: DoctorQuery, tools: DoctorTools): Promise<Finding> {
  if (url.protocol !== 'https:') {
    if (/^(localhost|127\.[\d.]+|\[::1\])$/.test(url.hostname)) {
      return skipped('certificate', 'no TLS, within this machine');
    }
    return warning(
      'certificate',
      'no TLS: token and data travel in the clear',
      'Give the server a certificate, and set `ssl: true` in the `ipc` settings.',
    );
  }
  try {
    return judgeCertificate(await tools.certificateOf(url), url, tools.wallTime());
  } catch {
    return skipped('certificate', 'no server shows one');
  }
}

/**
 * Asks for an upgrade as a worker does, but in version 0 of the protocol. The server looks at that last [PROTOCOL-2.6]: if
 * it refuses the version, all else is right, and nobody has joined.
 */
async function lookAtJoining({ database, url, token }: DoctorQuery, tools: DoctorTools): Promise<Finding[]> {
  const path = `/${encodeURIComponent(wireName(database))}/connect?v=0&id=doctor` as const;
  const headers = {
    Connection: 'Upgrade',
    Upgrade: 'websocket',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': randomBytes(16).toString('base64'),
    ...authorization(token),
  };
  let answer: Answer;
  try {
    answer = await tools.ask(endpointOf(url, path), headers);
  } catch (failure) {
    const why = messageOf(failure);
    return [
      error(
        'websocket',
        `no answer to a WebSocket handshake (${why})`,
        'Let what is between pass upgrades on, at once.',
      ),
      skipped('token', 'no handshake was answered'),
    ];
  }
  const passes = ok('websocket', 'a WebSocket handshake reaches the server');
  switch (codeOf(answer.body)) {
    case 'IPC_REFUSED_VERSION':
      return [passes, ok('token', token === undefined ? 'none is asked for' : 'it is accepted')];
    case 'IPC_REFUSED_TOKEN':
      return [passes, tokenRefused(token)];
    case 'IPC_REFUSED_DATABASE':
      return [
        passes,
        error('token', `the server does not serve ${database}`, 'Add it to `databases`, or check its name.'),
      ];
    case 'IPC_REFUSED_DRAINING':
    case 'IPC_REFUSED_TOO_MANY_CONNECTIONS':
    case 'IPC_REFUSED_NO_DESCRIPTORS':
      return [passes, warning('token', 'the server lets nobody in at the moment', 'Try again in a moment.')];
    case 'IPC_REFUSED_NO_UPGRADE':
      return [upgradeLost(answer.status), skipped('token', 'no handshake reached the server')];
    default:
      return [upgradeLost(answer.status), skipped('token', 'no handshake was answered by the server')];
  }
}

function upgradeLost(status: number): Finding {
  return error(
    'websocket',
    `a WebSocket handshake is answered with ${status}, not by the server as it was sent`,
    'Let the proxy pass on the Upgrade and Connection headers: deploy/nginx shows how.',
  );
}

function tokenRefused(token: string | undefined): Finding {
  if (token === undefined) {
    return error(
      'token',
      'the server wants a token',
      'Give it by --token-file, or ACEBASE_IPC_TOKEN; and as `ipc.token` to AceBase.',
    );
  }
  return error(
    'token',
    'the server does not accept this token',
    'Use the one that the server was given for this database.',
  );
}

interface Client {
  readonly id: string;
  readonly client?: string;
}

async function lookAtClients(
  { database, url, token }: DoctorQuery,
  tools: DoctorTools,
  joining: readonly Finding[],
  statusAnswer: Answer | Error | undefined,
): Promise<Finding[]> {
  if (isTokenRefused(joining)) {
    return [skipped('master', 'the token is not accepted'), skipped('clients', 'the token is not accepted')];
  }
  const path = `/${encodeURIComponent(wireName(database))}/clients` as const;
  try {
    const { status, body } = await tools.ask(endpointOf(url, path), authorization(token));
    if (status !== 200) throw new Error(`answered with ${status}`);
    const clients = JSON.parse(body) as readonly Client[];
    const managed =
      statusAnswer === undefined || statusAnswer instanceof Error
        ? undefined
        : managedMasterIn(statusAnswer, database);
    const master = managed ? judgeManagedMaster(managed) : judgeMaster(clients, database);
    return [master, judgeClients(clients)];
  } catch (failure) {
    const why = `the server does not tell who is connected (${messageOf(failure)})`;
    return [skipped('master', why), skipped('clients', why)];
  }
}

function isTokenRefused(joining: readonly Finding[]): boolean {
  return joining.some(({ subject, status }) => subject === 'token' && status === 'error');
}

/** Asks the server how it is. @returns `undefined` if the token is for nothing */
async function askForStatus(
  { database, url, token }: DoctorQuery,
  tools: DoctorTools,
  joining: readonly Finding[],
): Promise<Answer | Error | undefined> {
  if (isTokenRefused(joining)) return undefined;
  const path = `/status?database=${encodeURIComponent(database)}` as const;
  return tools.ask(endpointOf(url, path), authorization(token)).catch((failure: Error) => failure);
}

/** What the server calls a problem: a worker may be let in, and wait all the same. */
function lookAtStatus(answer: Answer | Error | undefined, clients: readonly Finding[]): Finding[] {
  if (answer === undefined) return [skipped('status', 'the token is not accepted')];
  if (answer instanceof Error)
    return [skipped('status', `the server does not say how it is (${answer.message})`)];
  const isMasterTold = clients.some(({ subject, status }) => subject === 'master' && status === 'error');
  return judgeStatus(answer, new Set(isMasterTold ? TOLD_WITH_THE_MASTER : []));
}

function judgeMaster(clients: readonly Client[], database: string): Finding {
  if (clients.some(({ id }) => id === '[master]')) return ok('master', `${database} has a master`);
  const others = clients.length;
  const message =
    others === 0
      ? `nobody is connected to ${database}`
      : `${database} has no master, and ${others} ${others === 1 ? 'worker is' : 'workers are'} there`;
  return error(
    'master',
    message,
    'Start the process with `role: "master"`, with the same database name, host, port and token; its log says why it cannot connect.',
  );
}

function judgeClients(clients: readonly Client[]): Finding {
  if (clients.length === 0) return skipped('clients', 'nobody is connected');
  if (clients.every(({ id }) => id === '[master]')) {
    return warning(
      'clients',
      'only the master is connected: there is no worker',
      'Start the processes with `role: "worker"`, or read in their logs why they cannot connect.',
    );
  }
  const stock = clients.filter(({ client }) => client === undefined);
  if (stock.length === 0) return ok('clients', `all ${clients.length} have the client of this package`);
  return warning(
    'clients',
    `${stock.length} of ${clients.length} have the stock client of AceBase: ${stock
      .slice(0, 3)
      .map(({ id }) => id)
      .join(', ')}${stock.length > 3 ? ', …' : ''}`,
    "Call require('acebase-ipc-server/client').install() before AceBase is made, or start with --import acebase-ipc-server/register (docs/CLIENT.md).",
  );
}

/** The header has seconds, cut off; so it may be up to one second older than it says. */
function judgeClock({ headers, askedAt, answeredAt }: Answer): Finding {
  const date = headers['date'];
  const serverTime = typeof date === 'string' ? Date.parse(date) : Number.NaN;
  if (Number.isNaN(serverTime)) return skipped('clock', 'the server does not tell its time');
  const ahead = Math.max(serverTime - answeredAt, 0);
  const behind = Math.max(askedAt - (serverTime + 999), 0);
  const difference = Math.max(ahead, behind);
  const message = `the clocks of this machine and the server differ by ${(difference / 1_000).toFixed(1)} s`;
  const remedy = 'Let all machines take their time from one source (NTP): locks run out by the clock.';
  if (difference > CLOCK_WRONG_MS) return error('clock', message, remedy);
  if (difference > CLOCK_DOUBTFUL_MS) return warning('clock', message, remedy);
  return ok('clock', 'this machine and the server have the same time');
}

/** AceBase opens one connection for each file; that for the data is always there. */
function wireName(database: string): string {
  return `${database}_data`;
}

function codeOf(body: string): string {
  return /"code":"(IPC_[A-Z_]+)"/.exec(body)?.[1] ?? '';
}
