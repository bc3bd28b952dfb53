/** What it means that a server, or what answers in its place, does not let a client in. */

import { ERRORS, type ErrorCode } from '../../errors.js';
import { messageOf } from '../../system-error.js';

/** Why a server did not let this client in. */
export interface Refusal {
  readonly status: number;
  /** The server's code; `undefined` if the answer is not of a server of this package. */
  readonly code: string | undefined;
  /** The server's own words, or the status. */
  readonly message: string;
  /** What to do, as the server says. */
  readonly remedy: string | undefined;
}

/** The code of a failure that is an answer, but not one of an IPC server of this package. */
export const FOREIGN_ANSWER = 'FOREIGN_ANSWER';

/** Codes of refusals after which a peer may come again as a new one: its place is lost, it is not unwanted. */
const PLACE_LOST: ReadonlySet<string | undefined> = new Set([
  'IPC_REFUSED_PEER_GONE',
  'IPC_REFUSED_UNSAFE_RETURN',
  'IPC_REFUSED_OLD_MASTER',
  // Another one is in its place; it is asked whether that one stays.
  'IPC_REFUSED_SECOND_MASTER',
]);

/** Statuses of our server after which trying again changes nothing [PROTOCOL-2.6]. */
const FINAL: ReadonlySet<number> = new Set([403, 409, 500]);

/** Why a master must not go on that was given up while it opened its file, or while it was closed. */
export const OUT_OF_TOUCH =
  'It was not heard for so long that the server may have given it up, while it opened its file or was being closed. Let a supervisor start it again.';

/** Why a master cannot come back by itself. */
export function describeNoReturn(error: unknown): string {
  return `It had given this process up, which cannot read its file again: ${messageOf(error)}. Let a supervisor start it again.`;
}

/** Why a master comes again that could not write where the root of the database is, for a worker that was killed. */
export function describeUnwrittenRoot(error: unknown): string {
  return `it could not write where the root of the database is, and nobody can go on before that is in the file: ${messageOf(error)}`;
}

/** Why a master comes again that has the lock of the workers granted, and cannot read what the file has by now. */
export function describeUnusableLock(error: unknown): string {
  return `it could not read its file again when the workers' lock was granted: ${messageOf(error)}`;
}

/** Why a master must not go on that waited for the server, and found no file when it began to. */
export const FILE_APPEARED =
  'The database file was made while it waited, and it would overwrite it. Let a supervisor start it again.';

/**
 * What a refusal means: it may come again `later`; its `place is lost`, and it may come as a new peer; or never. An answer
 * without a code of ours is not the server's: a proxy or another program gave it, and the server may be back in a moment.
 *
 * @param hasPlace whether it comes as one that was in before
 */
export function judgeRefusal(
  { status, code }: Pick<Refusal, 'status' | 'code'>,
  hasPlace: boolean,
): 'later' | 'place is lost' | 'never' {
  if (hasPlace && PLACE_LOST.has(code)) return 'place is lost';
  return code !== undefined && FINAL.has(status) ? 'never' : 'later';
}

/** What the body of a refusal says if it is of a server of this package [PROTOCOL-2.6]; else `undefined`. */
export function parseRefusal(
  body: string,
): { readonly code: string; readonly message: string; readonly remedy: string } | undefined {
  try {
    const { code, message, remedy } = JSON.parse(body) as Record<string, unknown>;
    if (typeof code !== 'string' || !code.startsWith('IPC_')) return undefined;
    return { code, message: String(message), remedy: String(remedy) };
  } catch {
    return undefined;
  }
}

/** What a server says to a process that it has let in, and sends away [PROTOCOL-14.9]. The remedy is in our own table. */
export function lateRefusal(json: string): Refusal {
  const { code, message } = JSON.parse(json) as { readonly code: string; readonly message: string };
  const known = (ERRORS as Readonly<Record<string, { readonly remedy: string }>>)[code];
  return { status: 500, code, message, remedy: known?.remedy };
}

/** A refusal in the words of the server. */
export function describeRefusal({ code, message, remedy }: Refusal): string {
  const what = code === undefined ? message : `${code}: ${message}`;
  if (remedy === undefined) return what;
  return `${what}${/[.!?]$/.test(what) ? '' : '.'} ${remedy}`;
}

/** The code of the error with which operations fail. */
export function codeOfRefusal({ code }: Refusal): ErrorCode {
  return code !== undefined && Object.hasOwn(ERRORS, code) ? (code as ErrorCode) : 'IPC_CLIENT_GAVE_UP';
}
