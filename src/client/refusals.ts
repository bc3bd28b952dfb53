import type { Refusal } from './connection.js';

/** Codes of refusals after which a peer may come again as another one: its place is lost, it is not unwanted. */
const PLACE_LOST: ReadonlySet<string | undefined> = new Set([
  'IPC_REFUSED_PEER_GONE',
  'IPC_REFUSED_UNSAFE_RETURN',
]);

/** Statuses after which trying again changes nothing [PROTOCOL-2.6]. */
const FINAL: ReadonlySet<number> = new Set([403, 409, 500]);

/** Why a master must not go on at a server that does not know it [PROTOCOL-14.6]. */
export const OUT_OF_TOUCH =
  'It heard nothing for so long that the last server may have given it up, and its locks may be others’ now. Let a supervisor start it again.';

/**
 * What a refusal means: it may come again `later`; its `place is lost`, and it may come as another peer; or never.
 *
 * @param hasPlace whether it is a worker that was in before
 */
export function judgeRefusal(
  { status, code }: Pick<Refusal, 'status' | 'code'>,
  hasPlace: boolean,
): 'later' | 'place is lost' | 'never' {
  if (hasPlace && PLACE_LOST.has(code)) return 'place is lost';
  return FINAL.has(status) ? 'never' : 'later';
}

/** A refusal in the words of the server. */
export function describeRefusal({ code, message, remedy }: Refusal): string {
  const what = code === undefined ? message : `${code}: ${message}`;
  return remedy === undefined ? what : `${what} ${remedy}`;
}
