import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Clock, Logger } from '../broker/ports.js';
import { ERRORS, type RefusalCode } from '../errors.js';
import { endGently } from './lingering-close.js';
import { RecentRefusals } from './recent-refusals.js';

/** How often the same refusal of the same address is logged, in milliseconds. Clients try again each second. */
const REPEAT_INTERVAL_MS = 10_000;

/** Addresses whose refusals are told apart; beyond, they are logged together. */
const MAX_TOLD_APART = 1_000;

/** What who is refused for the moment is told to wait, in seconds [PROTOCOL-2.6]. */
export const RETRY_AFTER_S = 1;

/** What a refusal answers with, in JSON. */
export function refusalBody(code: RefusalCode, detail: string = ERRORS[code].summary): string {
  return JSON.stringify({ code, message: detail, remedy: ERRORS[code].remedy });
}

/** Answers a request on a bare socket, and ends it. */
export function refuseOnSocket(socket: Duplex, clock: Clock, code: RefusalCode, detail?: string): void {
  if (socket.destroyed || !socket.writable) {
    socket.destroy();
    return;
  }
  const { status } = ERRORS[code];
  const body = refusalBody(code, detail);
  const headers = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'Connection: close',
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(body)}`,
  ];
  if (status === 503) headers.push(`Retry-After: ${RETRY_AFTER_S}`);
  if (code === 'IPC_REFUSED_HANDSHAKE') headers.push('Sec-WebSocket-Version: 13');
  if (code === 'IPC_REFUSED_NO_UPGRADE') headers.push('Upgrade: websocket');
  socket.write(`${headers.join('\r\n')}\r\n\r\n${body}`);
  endGently(socket, clock);
}

/**
 * A path as it may be logged: printable ASCII without what could be a token, even where somebody forgot the `?`.
 * Terminals obey some of the other characters.
 */
function loggable(path: string | undefined): string | undefined {
  return path
    ?.split(/[?#;&=]/, 1)[0]
    ?.slice(0, 200)
    .replaceAll(/[^!-~]/g, '·');
}

/** Who was refused what. */
export interface Refused {
  readonly code: RefusalCode;
  /** The address without its port: a client's port is another one each time. */
  readonly address: string;
  readonly port?: number | undefined;
  /** The path, never the query. */
  readonly path?: string;
  readonly detail?: string | undefined;
}

/** Logs and counts refusals: each with its reason, and none so often that it floods the log. */
export class RefusalLog {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #totals = new Map<RefusalCode, number>();
  readonly #recent: RecentRefusals;
  readonly #last = new Map<string, { at: number; silenced: number }>();

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
    this.#recent = new RecentRefusals(clock);
  }

  /** Those of the last minute. */
  get recent(): RecentRefusals {
    return this.#recent;
  }

  /** How many there were of each kind since the start. */
  get totals(): ReadonlyMap<RefusalCode, number> {
    return this.#totals;
  }

  /** Counts a refusal, and warns of it. */
  record({ code, address, port, path, detail }: Refused): void {
    this.#totals.set(code, (this.#totals.get(code) ?? 0) + 1);
    this.#recent.add(code);
    const silenced = this.#silenced(code, address);
    if (silenced === undefined) return;
    const { summary, remedy } = ERRORS[code];
    const repeated = silenced > 0 ? { repeated: silenced } : {};
    const fields = { code, address, port, path: loggable(path), detail, remedy, ...repeated };
    // Those who were told to come back do; that calls for nobody's attention.
    if (code === 'IPC_REFUSED_DRAINING') this.#logger.info(fields, `refused: ${summary}`);
    else this.#logger.warn(fields, `refused: ${summary}`);
  }

  /** Somebody asked whether a process would be let in, and it would: no refusal that anybody should look at. */
  answered({ address, port, path }: Pick<Refused, 'address' | 'port' | 'path'>): void {
    const fields = { address, port, path: loggable(path) };
    this.#logger.info(fields, 'connection probe accepted');
  }

  /** How many like it were not logged since the last one that was; `undefined` if this one must not be logged. */
  #silenced(code: RefusalCode, address: string): number | undefined {
    const now = this.#clock.now();
    const own = `${code} ${address}`;
    if (this.#last.size >= MAX_TOLD_APART && !this.#last.has(own)) this.#forgetOld(now);
    const key = this.#last.size >= MAX_TOLD_APART && !this.#last.has(own) ? code : own;
    const last = this.#last.get(key);
    if (last !== undefined && now - last.at < REPEAT_INTERVAL_MS) {
      last.silenced++;
      return undefined;
    }
    this.#last.set(key, { at: now, silenced: 0 });
    return last?.silenced ?? 0;
  }

  #forgetOld(now: number): void {
    for (const [key, { at }] of this.#last) {
      if (now - at >= REPEAT_INTERVAL_MS) this.#last.delete(key);
    }
  }
}
