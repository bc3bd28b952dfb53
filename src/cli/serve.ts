/** The life of the command's server: start, tell, wait for a signal, stop. */

import type { Clock, Logger } from '../broker/ports.js';
import { ERRORS, type ErrorDefinition, IPCError } from '../errors.js';
import type { Settings } from '../options.js';
import { pause, systemClock } from '../platform/clock.js';
import { messageOf } from '../system-error.js';

/** What the command needs of a server. */
export interface RunnableServer {
  start(): Promise<void>;
  /** Lets those who are connected finish, tells them to come back, and stops. */
  drain(): Promise<void>;
  /** The times that it keeps to now, in milliseconds; a reload may change them. */
  readonly stopTimes: Pick<Settings, 'drainTimeout' | 'stopTimeout'>;
  /** Null before it listens. */
  readonly address: { readonly host: string; readonly port: number; readonly urls: readonly string[] } | null;
  on(event: 'error', listener: (error: Error) => void): unknown;
}

/** What the command needs of its process: the events, and a way out. */
export interface HostProcess {
  on(event: 'SIGINT' | 'SIGTERM' | 'SIGHUP', listener: () => void): unknown;
  on(event: 'message', listener: (message: unknown) => void): unknown;
  on(event: 'uncaughtException', listener: (error: unknown) => void): unknown;
  on(event: 'unhandledRejection', listener: (reason: unknown) => void): unknown;
  /** There under pm2, and other parents that listen. */
  send?: (message: string) => unknown;
  exit(code: number): unknown;
}

/** What `serve` works with. */
export interface ServeOptions {
  readonly server: RunnableServer;
  readonly settings: Settings;
  readonly logger: Logger & { fatal(fields: { err: unknown }, message: string): void };
  readonly host: HostProcess;
  /** Waits until all log lines are out. */
  readonly flush: () => Promise<void>;
  /** Prints one line for people to standard error. */
  readonly print: (line: string) => void;
  /** Reads the options again and takes them over, or says why not; `cause` is for the log. */
  readonly reload: (cause: string) => void;
  /** Whether the terminal that the command was started from is closed. */
  readonly isTerminalClosed: () => boolean;
  /**
   * Whether the supervisor starts this process before it ends the one whose place it takes, as pm2 does in cluster mode. Then a
   * port that is in use is waited for, and `ready` is sent meanwhile, so that the other one is asked to stop.
   */
  readonly takesTurns: boolean;
  /** Default: the real time. */
  readonly clock?: Clock;
}

/** What a process that a signal ended would exit with. */
const EXIT_CODES = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143, shutdown: 143 } as const;

/**
 * Signals that come so shortly after the first are the first: with Ctrl-C under `npm start`, the terminal sends one and
 * npm another.
 */
const SAME_SIGNAL_MS = 500;

/**
 * How much longer than `drainTimeout` and `stopTimeout` the command waits for a server that does not keep them: two
 * rounds of closing handshakes, of workers and of masters, lie between.
 */
const STOP_MARGIN_MS = 7_000;

/** How often a port that is in use is tried again, in milliseconds. */
const PORT_RETRY_MS = 20;

/**
 * Runs a server until a signal ends it. SIGINT, SIGTERM or pm2's message `shutdown` drain and stop it, with exit code 0; a
 * second one, half a second later or more, exits at once, with 130 or 143. SIGHUP reloads; it stops the server if it means that the
 * terminal was closed. An error that nobody handled is logged, and the exit code is 1.
 */
export async function serve(options: ServeOptions): Promise<void> {
  const { server, settings, logger, host } = options;
  const ending = new Ending(options);
  host.on('uncaughtException', (error) => ending.fail(error));
  host.on('unhandledRejection', (reason) => ending.fail(reason));
  host.on('SIGINT', () => ending.stop('SIGINT'));
  host.on('SIGTERM', () => ending.stop('SIGTERM'));
  host.on('SIGHUP', () => {
    if (options.isTerminalClosed()) ending.stop('SIGHUP');
    else if (!ending.begun) options.reload('SIGHUP');
  });
  host.on('message', (message) => {
    if (message === 'shutdown') ending.stop('shutdown');
  });
  server.on('error', (error) => logger.error({ reason: error.message }, 'the server reports an error'));
  const ready = readiness(host);
  try {
    await startInTurn(options, ending, ready);
  } catch (error) {
    // A signal during the start ends it, too, and that is no failure.
    if (!ending.begun) await ending.refuse(error);
    return;
  }
  if (ending.begun) return;
  const urls = server.address?.urls ?? [];
  const line = describeListening(urls, settings);
  logger.info({ port: server.address?.port, tls: settings.ssl !== undefined }, line);
  // Whoever wants no log but of faults still wants to know that it runs.
  if (settings.logLevel === 'warn' || settings.logLevel === 'error') options.print(line);
  ready();
}

/** Tells the supervisor, the first time that it is called. */
function readiness(host: HostProcess): () => void {
  let isTold = false;
  return () => {
    if (!isTold) host.send?.('ready');
    isTold = true;
  };
}

/** Starts the server; where processes take turns, when the one before this has left the port, if that is as soon as it should. */
async function startInTurn(options: ServeOptions, ending: Ending, ready: () => void): Promise<void> {
  const { server, takesTurns, logger, clock = systemClock } = options;
  const { drainTimeout, stopTimeout } = server.stopTimes;
  const until = clock.now() + drainTimeout + stopTimeout + STOP_MARGIN_MS;
  for (let isFirst = true; ; isFirst = false) {
    try {
      return await server.start();
    } catch (error) {
      const isTaken = error instanceof IPCError && error.code === 'IPC_LISTEN_PORT_IN_USE';
      if (!isTaken || !takesTurns || ending.begun || clock.now() >= until) throw error;
    }
    if (isFirst) logger.info({}, 'the port is in use: waiting for the server before this one to stop');
    ready();
    await pause(PORT_RETRY_MS, clock);
  }
}

/** The one line that says that, where and for whom the server listens. */
export function describeListening(
  urls: readonly string[],
  settings: Pick<Settings, 'ssl' | 'tokens' | 'masters'>,
): string {
  const tls = settings.ssl === undefined ? 'no TLS' : 'TLS';
  const tokens = {
    none: 'no token',
    shared: 'token required',
    perDatabase: 'token required, one for each database',
  };
  const names = [...settings.masters.keys()];
  const masters = names.length === 0 ? '' : `, runs the master of ${names.join(', ')}`;
  return `listening on ${urls.join(' and ')} (${tls}, ${tokens[settings.tokens.kind]}${masters})`;
}

/** An error for people: a line for each problem, one on what to do, and the code. */
export function describeError(error: unknown, name: string): readonly string[] {
  if (!(error instanceof IPCError)) return [`${name}: ${messageOf(error)}`];
  const lines = error.message.split('\n').map((line) => `${name}: ${line}`);
  // These lines say themselves what is allowed, or which name is near.
  const clear = error.code === 'IPC_OPTION_INVALID' || error.code === 'IPC_OPTION_UNKNOWN';
  const remedy = clear ? `See ${name} --help.` : error.remedy.replaceAll('`', '');
  return [...lines, `${remedy} (${error.code})`];
}

/** An error for programs, as `--json` prints it; `null` where there is no code of docs/ERRORS.md. */
export function errorAsJson(error: unknown): {
  readonly error: { readonly code: string | null; readonly message: string; readonly remedy: string | null };
} {
  const { code = null, remedy = null } = error instanceof IPCError ? error : {};
  return { error: { code, message: messageOf(error), remedy } };
}

/** The exit code for an error, from the table. */
export function exitCodeOf(error: unknown): number {
  if (!(error instanceof IPCError)) return 1;
  const definition: ErrorDefinition = ERRORS[error.code];
  return definition.exitCode ?? 1;
}

/** The process ends once, for the first reason that comes up. */
class Ending {
  begun = false;
  readonly #options: ServeOptions;
  readonly #clock: Clock;
  #since = 0;

  constructor(options: ServeOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  /** Ends well. A second call is somebody who is done with waiting. */
  stop(reason: keyof typeof EXIT_CODES): void {
    const { server, logger, host } = this.#options;
    if (this.begun) {
      if (this.#clock.now() - this.#since >= SAME_SIGNAL_MS) host.exit(EXIT_CODES[reason]);
      return;
    }
    this.begun = true;
    this.#since = this.#clock.now();
    logger.info({ reason }, 'stopping');
    const { drainTimeout, stopTimeout } = server.stopTimes;
    const cancel = this.#clock.schedule(drainTimeout + stopTimeout + STOP_MARGIN_MS, () => {
      logger.error({ drainTimeout, stopTimeout }, 'the server did not stop in time');
      void this.#exit(1);
    });
    server.drain().then(
      () => {
        cancel();
        logger.info({}, 'stopped');
        return this.#exit(0);
      },
      (error: unknown) => {
        cancel();
        logger.error({ reason: String(error) }, 'the server did not stop well');
        return this.#exit(1);
      },
    );
  }

  /** An error that nobody handled. What state the process is in is not known, so it does not try to stop well. */
  fail(error: unknown): void {
    const err = error instanceof Error ? error : new Error(String(error));
    this.#options.logger.fatal({ err }, 'an error that nobody handled ends this process');
    if (this.begun) {
      this.#options.host.exit(1);
      return;
    }
    this.begun = true;
    void this.#exit(1);
  }

  /** The server could not start. */
  async refuse(error: unknown): Promise<void> {
    this.begun = true;
    for (const line of describeError(error, 'acebase-ipc-server')) this.#options.print(line);
    await this.#exit(exitCodeOf(error));
  }

  async #exit(code: number): Promise<void> {
    await this.#options.flush();
    this.#options.host.exit(code);
  }
}
