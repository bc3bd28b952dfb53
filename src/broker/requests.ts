/**
 * Answers that the server gives in the master's name, when no master can (docs/PROTOCOL.md, section 6). An error
 * goes only where AceBase awaits one; where nobody does, an error would end the process that asked.
 */

import { encode } from './envelope.js';
import type { MasterRequest } from './message.js';
import { MASTER_ID } from './peer-id.js';

/** The answer to a request that the master will not give, with `reason` where the answer is an error. */
export function answerFor(request: MasterRequest, reason: string): Uint8Array {
  const head = { id: request.id, from: MASTER_ID, to: request.from };
  const failed = { ...head, ok: false, reason };
  switch (request.type) {
    case 'lock-request':
    case 'move-lock-request':
      return encode(JSON.stringify({ type: 'lock-result', ...failed }));
    case 'unlock-request':
      // Nobody awaits it: an error would be an unhandled rejection [PROTOCOL-6.2].
      return encode(
        JSON.stringify({ type: 'unlock-result', ...head, ok: true, data: { id: request.lockId } }),
      );
    case 'request':
      return encode(JSON.stringify({ type: 'result', ...(resultOf(request.subject, head) ?? failed) }));
  }
}

function resultOf(subject: string | undefined, head: object): object | undefined {
  // -1 says that the key is not in the table: the worker writes it out in full [PROTOCOL-6.3].
  if (subject === 'kit.add') return { ...head, ok: true, data: { ok: true, index: -1 } };
  // The records stay unused until AceBase is told of them again; the file stays sound [PROTOCOL-6.4].
  if (subject === 'fst.release') return { ...head, ok: true, data: { ok: true } };
  return undefined;
}
