/** Why an attempt to connect failed, in words that help. */

import type { Clock, Failure } from './core/ports.js';
import { FOREIGN_ANSWER } from './core/refusals.js';

/** Milliseconds after which a failure that lasts is told again. */
export const REMINDER_MS = 60_000;

/**
 * What is told of failures: that a line was lost, the first attempt that fails, one that fails in another way, and once a
 * minute one of those that repeat; and when it is over.
 */
export class FailureNotices {
  readonly #clock: Pick<Clock, 'now'>;
  #told: { readonly words: string; readonly at: number } | undefined;
  #since: number | undefined;

  /** @param clock of which only the time is read */
  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock;
  }

  /** Whether the last attempt failed. */
  get isLasting(): boolean {
    return this.#told !== undefined;
  }

  /** A line was lost. @returns the line for the log */
  lost(where: string, reason: string): string {
    this.#since ??= this.#clock.now();
    return `The connection to the IPC server at ${where} was lost: ${reason}`;
  }

  /** An attempt failed. @returns the line for the log; `undefined` if the same was told a moment ago */
  failed(where: string, failure: Failure): string | undefined {
    const words = describeFailure(where, failure);
    const now = this.#clock.now();
    this.#since ??= now;
    if (this.#told?.words === words && now - this.#told.at < REMINDER_MS) return undefined;
    this.#told = { words, at: now };
    return words;
  }

  /** One succeeded: the next failure is the first again. @returns the line for the log, if anything was told of failures */
  over(where: string): string | undefined {
    const since = this.#since;
    this.#told = undefined;
    this.#since = undefined;
    if (since === undefined) return undefined;
    return `Connected to the IPC server at ${where} after ${((this.#clock.now() - since) / 1000).toFixed(1)} s`;
  }
}

/** One line: what is wrong, and what to do. @param where the server, for people to read */
export function describeFailure(where: string, { reason, code }: Failure): string {
  const failure = `${code} ${reason}`;
  const server = `The IPC server at ${where}`;
  if (/ALTNAME/.test(failure)) {
    return `${server} shows a certificate for another name (${reason}): set ipc.host to a name in it. Trying on`;
  }
  if (/CERT_HAS_EXPIRED|CERT_NOT_YET_VALID/.test(failure)) {
    return `${server} shows a certificate that is not valid now (${reason}): renew it, or set the clock. Trying on`;
  }
  if (/SELF_SIGNED|UNABLE_TO_|ISSUER|CERT_/.test(code)) {
    return `${server} shows a certificate that is not trusted here (${reason}): give the authority that signed it, as ipc.ssl: { ca }. Trying on`;
  }
  if (/EPROTO|WRONG_VERSION_NUMBER|ERR_SSL/.test(failure)) {
    return `${server} does not speak TLS as it should (${reason}): leave ipc.ssl out, or give the server a certificate. Trying on`;
  }
  if (code === FOREIGN_ANSWER || /^HPE_|Sec-WebSocket-Accept/.test(failure.trim())) {
    return `What answers at ${where} is not an IPC server of this package (${reason}): see whether a proxy in between lets WebSockets through, and whether the IPC server behind it is running, or another program has the port. Trying on`;
  }
  if (code.startsWith('IPC_'))
    return `${server} does not let this process in yet (${code}: ${reason}). Trying on`;
  return `${server} is not there (${reason}). Trying on`;
}
