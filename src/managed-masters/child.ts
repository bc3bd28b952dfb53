/**
 * The program of a managed master: the process that the server starts for each database of `masters`. It opens one database as
 * its master, and ends with the server, whatever ends that.
 */

import { systemClock, within } from '../platform/clock.js';
import { EventLoopDelay } from '../platform/event-loop-delay.js';
import { isSystemError } from '../system-error.js';
import { type ChildDatabase, failureOf, openDatabase } from './child-database.js';
import type { FromChild, OpenRequest, ToChild } from './messages.js';

/** Milliseconds in which the server says which database it is. */
const REQUEST_MS = 10_000;

/** Milliseconds that the database has to close. AceBase waits without end for locks of a worker that is gone. */
const CLOSE_MS = 2_000;

/** How often the server is told how this process is, in milliseconds. */
const VITALS_MS = 2_000;

/** What was asked for. */
let request: OpenRequest | undefined;
let database: ChildDatabase | undefined;
let isEnding = false;
/** What went wrong while it was being closed. */
let trouble: string | undefined;

/** Says something to the server; then, once that is out, `next`. Without a server this process ends: see below. */
function tell(message: FromChild, next: () => void = () => undefined): void {
  process.send?.(message, undefined, undefined, next);
}

function fail(error: unknown): void {
  const failure = failureOf(error, request);
  trouble ??= failure.reason;
  if (isEnding) return;
  isEnding = true;
  tell({ kind: 'cannot', ...failure }, () => process.exit(1));
}

/** Something was thrown. Where that was is for the log, unless the error says what to do, or is of the system. */
function failUnforeseen(error: unknown): void {
  const isForeseen = failureOf(error, request).code !== undefined || isSystemError(error);
  if (error instanceof Error && !isForeseen) process.stderr.write(`${error.stack}\n`);
  fail(error);
}

async function open(wanted: OpenRequest): Promise<void> {
  request = wanted;
  try {
    database = await openDatabase(wanted, {
      waits: (reason) => tell({ kind: 'waits', reason }),
      taken: (former) => tell({ kind: 'taken', former }),
      kept: (uptime) => tell({ kind: 'kept', uptime }),
      opening: () => tell({ kind: 'opening' }),
      failed: fail,
    });
    await database.ready();
    if (!isEnding) tell({ kind: 'serves' });
  } catch (error) {
    failUnforeseen(error);
  }
}

async function close(mayBeUsed: boolean): Promise<void> {
  if (isEnding) return;
  isEnding = true;
  const closed = Promise.resolve(database?.close(mayBeUsed)).then(
    () => trouble,
    (error: unknown) => failureOf(error, request).reason,
  );
  const problem = await within(CLOSE_MS, closed, () => 'its locks were not given back in time');
  tell({ kind: 'closed', problem }, () => process.exit(0));
}

function tellVitals(eventLoop: EventLoopDelay): void {
  const { rss, heapUsed } = process.memoryUsage();
  tell({ kind: 'vitals', rss, heapUsed, eventLoopDelayP99: eventLoop.p99 });
  systemClock.schedule(VITALS_MS, () => tellVitals(eventLoop));
}

function begin(): void {
  // The server alone says when it ends: Ctrl-C and supervisors send signals to both, and the master is to be the last.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR2'] as const)
    process.on(signal, () => undefined);
  // At once, and whatever it is in the midst of: a new server may start the next master.
  const endAtOnce = (): void => void process.kill(process.pid, 'SIGKILL');
  process.on('disconnect', endAtOnce);
  if (!process.connected) endAtOnce();
  process.on('uncaughtException', failUnforeseen);
  process.on('unhandledRejection', failUnforeseen);
  const cancelWait = systemClock.schedule(REQUEST_MS, () => process.exit(1));
  process.on('message', (message) => {
    const said = message as ToChild;
    if (said.kind === 'close') {
      void close(said.mayBeUsed);
      return;
    }
    cancelWait();
    void open(said);
    const eventLoop = new EventLoopDelay();
    eventLoop.start();
    tellVitals(eventLoop);
  });
}

if (process.send === undefined) {
  process.stderr.write(
    'This program is started by acebase-ipc-server, for each database in its option masters.\n',
  );
  process.exitCode = 1;
} else begin();
