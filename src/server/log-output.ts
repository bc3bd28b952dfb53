/** Standard output for logs: never blocks the server, never throws, never keeps the process from ending. */

import { write, writeSync } from 'node:fs';
import type { Cancel } from '../broker/ports.js';
import { systemClock } from '../platform/clock.js';

/** Lines that wait while the output takes nothing: enough for a hiccup, not for the memory of the process. */
const WAITING_BYTES_MAX = 4_194_304;

/** How long to wait before an output that failed (a full disk, a reader that is behind) is tried again. */
const RETRY_MS = 250;

/** Writes to a file descriptor; given to tests. Calls back with the number of bytes that were written. */
export type WriteBytes = (
  bytes: Buffer,
  done: (error: NodeJS.ErrnoException | null, written: number) => void,
) => void;

/**
 * A destination for log lines that writes in the background, one write at a time.
 *
 * Order: lines leave in the order they came in. Bounded: beyond 4 MiB of waiting lines, new ones are dropped. Errors:
 * what a full disk did not take is tried again; after EPIPE nobody reads, and all lines are dropped. The destination
 * of pino itself is not used, because with a full disk it keeps the process from ending: it retries for ever.
 */
export class LogOutput {
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #writing = false;
  #closed = false;
  #retry: Cancel | undefined;
  #flushes: (() => void)[] = [];
  readonly #write: WriteBytes;

  /** @param writeBytes how bytes are written */
  constructor(writeBytes: WriteBytes) {
    this.#write = writeBytes;
  }

  /** Takes one line. */
  write(line: string): void {
    const bytes = Buffer.from(line);
    if (this.#closed || this.#waitingBytes + bytes.length > WAITING_BYTES_MAX) return;
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
    if (this.#retry === undefined) this.#next();
  }

  /** Calls back once all lines are out, or the output has failed. */
  flush(done: () => void): void {
    this.#flushes.push(done);
    if (this.#writing) return;
    this.#retry?.();
    this.#retry = undefined;
    this.#next();
  }

  /** What is left when the process ends. One attempt is made. */
  takeWaiting(): Buffer {
    return this.#writing ? Buffer.alloc(0) : this.#take();
  }

  #take(): Buffer {
    const bytes = Buffer.concat(this.#waiting);
    this.#waiting = [];
    return bytes;
  }

  #next(): void {
    if (this.#writing) return;
    if (this.#closed || this.#waiting.length === 0) {
      this.#settle();
      return;
    }
    this.#writing = true;
    const bytes = this.#take();
    this.#write(bytes, (error, written) => {
      this.#writing = false;
      this.#waitingBytes -= error === null ? written : 0;
      const rest = bytes.subarray(error === null ? written : 0);
      if (rest.length > 0) this.#waiting.unshift(rest);
      if (error === null) this.#next();
      else this.#fail(error);
    });
  }

  #fail(error: NodeJS.ErrnoException): void {
    if (error.code === 'EPIPE' || error.code === 'EBADF' || error.code === 'EIO') {
      this.#closed = true;
      this.#waiting = [];
    } else {
      this.#retry = systemClock.schedule(RETRY_MS, () => {
        this.#retry = undefined;
        this.#next();
      });
    }
    this.#settle();
  }

  #settle(): void {
    const flushes = this.#flushes;
    this.#flushes = [];
    for (const done of flushes) done();
  }
}

const writeToDescriptor: WriteBytes = (bytes, done) => write(1, bytes, done);

/** In cluster mode, pm2 puts its own function in the place of `process.stdout.write`: the descriptor leads to the log of its daemon. */
const writeToReplaced: WriteBytes = (bytes, done) => {
  process.stdout.write(bytes.toString(), 'utf8', (error) => done(error ?? null, bytes.length));
};

let standardOutput: LogOutput | undefined;

/** The one for standard output. All loggers of the process share it, so that their lines do not mix. */
export function standardLogOutput(): LogOutput {
  if (standardOutput === undefined) {
    const isReplaced = Object.hasOwn(process.stdout, 'write');
    const output = new LogOutput(isReplaced ? writeToReplaced : writeToDescriptor);
    process.once('exit', () => writeLast(output.takeWaiting()));
    standardOutput = output;
  }
  return standardOutput;
}

/** For a program that ends the process without waiting for its log. */
function writeLast(bytes: Buffer): void {
  try {
    if (bytes.length > 0) writeSync(1, bytes);
  } catch {
    // It failed before, too, and there is nowhere left to say so.
  }
}
