import { EventStreamParser } from './event-stream.js';
import type { Status } from './status.js';

/** Where the status comes from; relative, for a page that is served below a path. */
const STREAM_PATH = 'status/stream';

/** The server speaks every few seconds. After this long, in milliseconds, the line is given up. */
const PATIENCE_MS = 15_000;

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 10_000;
const GROWTH = 1.7;

/** How it stands with the line to the server. Times are the page's own clock. */
export type FeedState =
  /** The first attempt is under way. */
  | { readonly kind: 'connecting' }
  | { readonly kind: 'live' }
  /** No line; the next attempt begins at `retryAt`, or is under way if that is past. */
  | { readonly kind: 'lost'; readonly reason: string; readonly since: number; readonly retryAt: number }
  /** The server wants a token; `wasWrong`: another one than it was shown. */
  | { readonly kind: 'token'; readonly wasWrong: boolean }
  /** The server does not serve this page, and trying again would not help. */
  | { readonly kind: 'refused'; readonly message: string; readonly remedy: string };

/** How the status is asked for. */
export interface FeedRequest {
  readonly headers: Readonly<Record<string, string>>;
  /** Ends it. */
  readonly signal: AbortSignal;
}

/** What a feed needs of the browser. */
export interface FeedPorts {
  readonly fetch: (path: string, request: FeedRequest) => Promise<Response>;
  /** Milliseconds. */
  readonly now: () => number;
  /** @returns takes it back */
  readonly schedule: (ms: number, run: () => void) => () => void;
}

/** Whom a feed tells. */
export interface FeedListener {
  readonly changed: (state: FeedState) => void;
  readonly received: (status: Status) => void;
}

/** What the server says when it will not answer. */
interface Refusal {
  readonly code?: unknown;
  readonly message?: unknown;
  readonly remedy?: unknown;
}

/** Reads the server's status as it changes, and connects again when the line breaks. */
export class StatusFeed {
  readonly #ports: FeedPorts;
  readonly #listener: FeedListener;
  #token: string | null = null;
  #attempt: AbortController | undefined;
  #cancelRetry: () => void = () => undefined;
  #state: FeedState = { kind: 'connecting' };
  #failures = 0;
  #lostSince: number | undefined;

  constructor(ports: FeedPorts, listener: FeedListener) {
    this.#ports = ports;
    this.#listener = listener;
  }

  get state(): FeedState {
    return this.#state;
  }

  /** Connects, with this token from now on. An earlier line is given up. */
  start(token: string | null): void {
    this.stop();
    this.#token = token;
    this.#failures = 0;
    this.#lostSince = undefined;
    this.#change({ kind: 'connecting' });
    void this.#connect();
  }

  /** Tries now what would be tried later. */
  retry(): void {
    if (this.#state.kind !== 'lost' && this.#state.kind !== 'refused') return;
    this.stop();
    void this.#connect();
  }

  /** Ends the line, and tries no more. */
  stop(): void {
    this.#cancelRetry();
    this.#attempt?.abort();
    this.#attempt = undefined;
  }

  async #connect(): Promise<void> {
    const attempt = new AbortController();
    this.#attempt = attempt;
    const watch = new Watch(this.#ports, () => attempt.abort());
    let reason = 'The connection ended.';
    try {
      const headers: Record<string, string> = { Accept: 'text/event-stream' };
      if (this.#token !== null) headers['Authorization'] = `Bearer ${this.#token}`;
      const response = await this.#ports.fetch(STREAM_PATH, { headers, signal: attempt.signal });
      if (response.ok) await this.#read(response, attempt, watch);
      else reason = await this.#refused(response, attempt);
    } catch {
      // Browsers do not say more of a connection that failed.
      reason = watch.isOver ? 'The server is silent.' : 'The server cannot be reached.';
    } finally {
      watch.cancel();
    }
    if (this.#attempt !== attempt) return;
    this.#attempt = undefined;
    if (reason !== '') this.#lost(reason);
  }

  async #read(response: Response, attempt: AbortController, watch: Watch): Promise<void> {
    const parser = new EventStreamParser();
    const decoder = new TextDecoder();
    const reader = response.body?.getReader();
    for (;;) {
      const piece = await reader?.read();
      if (this.#attempt !== attempt || piece === undefined || piece.done) return;
      watch.restart();
      for (const { event, data } of parser.push(decoder.decode(piece.value, { stream: true }))) {
        if (event === 'status') this.#receive(JSON.parse(data) as Status);
      }
    }
  }

  #receive(status: Status): void {
    this.#failures = 0;
    this.#lostSince = undefined;
    // First, so that there is something to show when the line is said to be live.
    this.#listener.received(status);
    if (this.#state.kind !== 'live') this.#change({ kind: 'live' });
  }

  /** @returns why another attempt is to be made; empty: none */
  async #refused(response: Response, attempt: AbortController): Promise<string> {
    const refusal = (await response.json().catch(() => ({}))) as Refusal | null;
    if (this.#attempt !== attempt) return '';
    const { code, message, remedy } = refusal ?? {};
    if (response.status === 401 || code === 'IPC_REFUSED_TOKEN') {
      this.#change({ kind: 'token', wasWrong: this.#token !== null });
      return '';
    }
    const said = typeof message === 'string' ? message : '';
    if (response.status === 403 || response.status === 421) {
      this.#change({
        kind: 'refused',
        message: said === '' ? `The server refuses this page (HTTP ${response.status}).` : said,
        remedy: typeof remedy === 'string' ? remedy : '',
      });
      return '';
    }
    return `The server answers with HTTP ${response.status}${said === '' ? '.' : `: ${said}`}`;
  }

  #lost(reason: string): void {
    const now = this.#ports.now();
    this.#lostSince ??= now;
    const wait = Math.min(FIRST_WAIT_MS * GROWTH ** this.#failures, LONGEST_WAIT_MS);
    this.#failures += 1;
    this.#cancelRetry = this.#ports.schedule(wait, () => void this.#connect());
    this.#change({ kind: 'lost', reason, since: this.#lostSince, retryAt: now + wait });
  }

  #change(state: FeedState): void {
    this.#state = state;
    this.#listener.changed(state);
  }
}

/** Calls when nothing came for {@link PATIENCE_MS}. */
class Watch {
  isOver = false;
  readonly #ports: FeedPorts;
  readonly #ring: () => void;
  #cancel: () => void = () => undefined;

  constructor(ports: FeedPorts, ring: () => void) {
    this.#ports = ports;
    this.#ring = ring;
    this.restart();
  }

  restart(): void {
    this.#cancel();
    this.#cancel = this.#ports.schedule(PATIENCE_MS, () => {
      this.isOver = true;
      this.#ring();
    });
  }

  cancel(): void {
    this.#cancel();
  }
}
