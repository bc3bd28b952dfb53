/** Logs: pino, as JSON or as text for people. A log that cannot be written never stops the server. */

import { type DestinationStream, type Logger as PinoLogger, pino, stdTimeFunctions } from 'pino';
import { prettyFactory } from 'pino-pretty';
import type { Settings } from '../options/settings.js';
import { systemClock } from '../platform/clock.js';
import { standardLogOutput } from './log-output.js';

/** Where log lines go: every writable stream will do. */
export interface LogDestination {
  write(line: string): unknown;
  on?(event: 'error', listener: (error: Error) => void): unknown;
  /** Calls back once all lines are out. */
  flush?(done: (error?: Error) => void): void;
  /** Whether it is a terminal. */
  readonly isTTY?: boolean;
}

const SECRETS = ['token', 'tokens', 'adminToken', 'authorization', 'Authorization', 'passphrase'];

/**
 * Makes the logger of a server. It fits the `Logger` port of the broker.
 *
 * Standard output is written without blocking: a reader that stalls costs log lines, not service. Its errors (a
 * closed pipe, a full disk) are swallowed, and later lines are tried again.
 * @param settings `logLevel`, and `logFormat`: JSON, pretty, or (`auto`) pretty on a terminal and JSON elsewhere
 * @param destination default: standard output
 */
export function createLogger(
  settings: Pick<Settings, 'logLevel' | 'logFormat'>,
  destination?: LogDestination,
): PinoLogger {
  const sink: LogDestination = destination ?? standardLogOutput();
  const terminal = destination === undefined ? process.stdout.isTTY === true : destination.isTTY === true;
  sink.on?.('error', () => undefined);
  const pretty = settings.logFormat === 'pretty' || (settings.logFormat === 'auto' && terminal);
  return pino(
    {
      level: settings.logLevel,
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: SECRETS.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]), censor: '[secret]' },
    },
    pretty ? prettyStream(sink, terminal) : sink,
  );
}

/** Formats within the process, so that lines are out before it ends, and nothing depends on a worker thread. */
function prettyStream(sink: LogDestination, colorize: boolean): DestinationStream {
  const format = prettyFactory({
    colorize,
    ignore: 'pid,hostname',
    translateTime: 'SYS:HH:MM:ss.l',
    singleLine: true,
  });
  return {
    write: (line: string) => void sink.write(format(line)),
    flush: (done: (error?: Error) => void) => (sink.flush === undefined ? done() : sink.flush(done)),
  } as DestinationStream;
}

/**
 * Waits until all lines are written, for `timeoutMs` at most. To be called before the process exits.
 * @param logger what `createLogger` made
 */
export function flushLogger(logger: PinoLogger, timeoutMs = 1_000): Promise<void> {
  return new Promise((resolve) => {
    const cancel = systemClock.schedule(timeoutMs, resolve);
    logger.flush(() => {
      cancel();
      resolve();
    });
  });
}
