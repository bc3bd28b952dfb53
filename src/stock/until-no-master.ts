import { pause, systemClock } from '../platform/clock.js';
import { say } from './say.js';
import { askServer, endpoint, type ServerPlace } from './server-requests.js';

/** Milliseconds after which it says again what it waits for. */
const REMINDER_MS = 10_000;

/** Milliseconds in which the server must answer, between two questions, and until a line is in the log of pm2. */
const ANSWER_MS = 5_000;
const AGAIN_MS = 100;
const LOGGED_MS = 500;

/** Statuses after which asking again changes nothing: the token, the name of the server. */
const FINAL: readonly (number | undefined)[] = [401, 403, 421];

/**
 * Resolves when the IPC server is there and no process is connected to it as the master of this database. Meanwhile it says what it
 * waits for. If the server does not let this process ask, or runs the master of this database itself, it ends the process with exit code 1.
 *
 * A stock master opens the file at once, connected or not, and hands out locks and free space from what it read then. So it must not open
 * it before the last master has closed it, nor be cut off while it makes a new file. A master with the client of this package does without.
 *
 * @param database its name, as in `new AceBase(database, …)`
 * @param ipc the `ipc` settings of AceBase
 */
export async function untilNoMaster(database: string, ipc: ServerPlace): Promise<void> {
  let said = '';
  let saidAt = 0;
  for (;;) {
    const { isFinal, why } = await look(database, ipc);
    if (why === undefined) return;
    if (why !== said || systemClock.now() - saidAt >= REMINDER_MS) {
      say(
        `${isFinal === true ? `${database} is not opened.` : `Waiting before ${database} is opened.`} ${why}`,
      );
      said = why;
      saidAt = systemClock.now();
    }
    if (isFinal === true) {
      await pause(LOGGED_MS);
      process.exit(1);
    }
    await pause(AGAIN_MS);
  }
}

/** What is in the way; nothing, if `why` is missing. */
interface Look {
  readonly why?: string;
  /** Whether it is in the way for good. */
  readonly isFinal?: boolean;
}

/** Asks once. */
async function look(database: string, ipc: ServerPlace): Promise<Look> {
  const path = `/${database}_data/clients`;
  const url = endpoint(ipc, path);
  try {
    const { status, body } = await askServer(ipc, path, ANSWER_MS);
    const answer = parsed(body);
    if (status !== 200)
      return {
        why: `The IPC server at ${url} answers with ${status}. ${wordsIn(answer)}`,
        isFinal: FINAL.includes(status),
      };
    if (!Array.isArray(answer)) return { why: `No IPC server answers at ${url}. ${OTHER_PROGRAM}` };
    if (await isManaged(database, ipc)) return { why: MANAGED, isFinal: true };
    if (!answer.some((peer) => fieldOf(peer, 'id') === '[master]')) return {};
    return { why: 'Another process is its master: this one goes on when that one has ended.' };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const what = code ?? message;
    return { why: `No IPC server answers at ${url} (${what}). ${remedy(`${what} ${message}`)}` };
  }
}

/** Whether the server runs the master itself: then there is none for a moment whenever that is started again. Other servers do not say. */
async function isManaged(database: string, ipc: ServerPlace): Promise<boolean> {
  const { status, body } = await askServer(ipc, `/status?database=${database}`, ANSWER_MS);
  const masters = status === 200 ? fieldOf(parsed(body), 'masters') : undefined;
  return Array.isArray(masters) && masters.some((it) => fieldOf(it, 'database') === database);
}

const MANAGED =
  "The IPC server runs its master itself, and two destroy the file: start this process as a worker, with role: 'worker'.";

const OTHER_PROGRAM = 'Another program is there: is the port right?';

/** What the server itself says is wrong, and what to do. */
function wordsIn(answer: unknown): string {
  const [message, todo] = [fieldOf(answer, 'message'), fieldOf(answer, 'remedy')];
  return typeof message === 'string' && typeof todo === 'string' ? `${message} ${todo}` : OTHER_PROGRAM;
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}

/** The value of a JSON text; `undefined` if it is none. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function remedy(failure: string): string {
  if (/ALTNAME/.test(failure)) return 'Its certificate is for another name: set host to a name in it.';
  if (/EXPIRED/.test(failure)) return 'Its certificate has expired: renew it.';
  if (/SELF_SIGNED|UNABLE_TO|ISSUER|CERT/.test(failure))
    return 'Its certificate is not trusted: give the authority that signed it, as ssl: { ca }.';
  if (/EPROTO|SSL|WRONG_VERSION/.test(failure))
    return 'It may speak no TLS: leave ssl out, or give it a certificate.';
  if (/ECONNRESET|hang up|HPE_|in time/.test(failure))
    return 'Does it speak TLS? Then set ssl. Is the port right?';
  return 'Is it running, and are host and port right?';
}
