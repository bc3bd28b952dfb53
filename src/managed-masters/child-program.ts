/** Starts the program that holds a managed master, in a process of its own. */

import { type ChildProcess, fork } from 'node:child_process';
import { existsSync } from 'node:fs';
import { Socket } from 'node:net';
import { dirname } from 'node:path';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { Clock, Logger } from '../broker/ports.js';
import { IPCError } from '../errors.js';
import { findAceBasePackage } from '../platform/acebase-package.js';
import { OutputLines } from './child-output.js';
import type { Child, ChildEnd, ChildHandlers } from './child-port.js';
import type { AceBaseLocation, FromChild, OpenRequest } from './messages.js';

/** Where the built program is, seen from this code: in the library, in the command, in the sources. */
const PLACES = ['./managed-master.cjs', '../managed-master.cjs', '../../dist/managed-master.cjs'];

/** The oldest acebase that the client knows: 1.18. */
const LEAST_MINOR = 18;

/** Options of Node.js that are for one process alone, or for a program that is none of ours. */
const OWN_OPTIONS =
  /^(?:--(?:inspect|debug|cpu-prof|heap-prof|test|watch|eval|print|check|interactive|input-type|run)\b|-(?:e|p|pe|c|i)$)/;

/** Variables that hold secrets of the server, which the process does not need. */
const SECRET_VARIABLES = /^ACEBASE_IPC_SERVER_(?:TOKEN|ADMIN_TOKEN|SSL_)/i;

/**
 * The program.
 *
 * @throws {IPCError} IPC_MASTER_NO_PROGRAM
 */
export function findProgram(): string {
  const url = ownUrl();
  const found = PLACES.map((place) => url && fileURLToPath(new URL(place, url))).find(
    (path) => path !== undefined && existsSync(path),
  );
  if (found === undefined) throw new IPCError('IPC_MASTER_NO_PROGRAM');
  return found;
}

/**
 * The acebase that masters are made of: that of the working directory, or else that beside this package.
 *
 * @throws {IPCError} IPC_MASTER_RUNTIME, IPC_MASTER_NO_ACEBASE, IPC_MASTER_UNKNOWN_ACEBASE
 */
export function findAceBase(): AceBaseLocation {
  if (process.versions['bun'] !== undefined) throw new IPCError('IPC_MASTER_RUNTIME');
  const url = ownUrl();
  const folders = [process.cwd(), ...(url === undefined ? [] : [dirname(fileURLToPath(url))])];
  const found = findAceBasePackage(folders);
  if (found === undefined)
    throw new IPCError('IPC_MASTER_NO_ACEBASE', `no acebase is found from ${folders.join(' or ')}`);
  const { folder, entry, version } = found;
  const [major, minor] = version.split('.').map(Number);
  if (major !== 1 || (minor ?? 0) < LEAST_MINOR)
    throw new IPCError(
      'IPC_MASTER_UNKNOWN_ACEBASE',
      `acebase ${version} in ${folder} cannot be a managed master`,
    );
  return { folder, entry };
}

/** Whether masters could be started here. @throws {IPCError} IPC_MASTER_* */
export function checkManagedMasters(): void {
  findAceBase();
  findProgram();
}

/** Where a bundler put this module into another one, this may be missing. */
function ownUrl(): string | undefined {
  const url = import.meta.url as string | undefined;
  return url?.startsWith('file:') ? url : undefined;
}

/** What a process is started with. */
export interface ChildProgramSettings {
  readonly program: string;
  readonly clock: Pick<Clock, 'now' | 'schedule'>;
  readonly logger: Logger;
  readonly request: OpenRequest;
}

/** Starts it, and has it open its database. */
export function startChild(settings: ChildProgramSettings, handlers: ChildHandlers): Child {
  const { program, request } = settings;
  let child: ChildProcess;
  try {
    child = fork(program, [request.database], {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      execArgv: sharedOptions(process.execArgv),
      env: environmentOf(process.env),
    });
  } catch (error) {
    const end: ChildEnd = { code: null, signal: null, error: String(error) };
    queueMicrotask(() => handlers.ended(end));
    return { pid: undefined, send: () => undefined, kill: () => undefined };
  }
  connect(child, settings, handlers);
  const send: Child['send'] = (message) => {
    // That it could not be sent means that the process has ended, or is about to: its end is told.
    if (child.connected) child.send(message, () => undefined);
  };
  send(request);
  return { pid: child.pid, send, kill: () => void child.kill('SIGKILL') };
}

/** Passes on what it says, and how it ends. It keeps this process from ending no longer than the listener does. */
function connect(child: ChildProcess, settings: ChildProgramSettings, handlers: ChildHandlers): void {
  let hasEnded = false;
  const ended = (end: ChildEnd): void => {
    if (hasEnded) return;
    hasEnded = true;
    handlers.ended(end);
  };
  child.on('message', (message) => {
    if (!hasEnded) handlers.message(message as FromChild);
  });
  child.on('exit', (code, signal) => ended({ code, signal }));
  child.on('error', (error) => {
    // Without a number it was never started; with one, a message could not be sent, or a signal.
    if (child.pid === undefined) ended({ code: null, signal: null, error: error.message });
    else settings.logger.debug({ reason: error.message }, 'a managed master could not be reached');
  });
  const { logger } = settings;
  passOn(child.stdout, child, settings, logger.info.bind(logger));
  passOn(child.stderr, child, settings, logger.warn.bind(logger));
  child.unref();
  child.channel?.unref();
}

/** What it writes is part of the server's log. */
function passOn(
  stream: Readable | null,
  { pid }: ChildProcess,
  { clock, logger, request }: ChildProgramSettings,
  say: Logger['info'],
): void {
  const fields = { database: request.database, masterPid: pid };
  const lines = new OutputLines({
    clock,
    line: (text) => say(fields, text),
    leftOut: (count) =>
      logger.warn({ ...fields, count }, 'a managed master wrote more lines than are logged'),
  });
  stream?.on('data', (chunk: Uint8Array) => lines.push(chunk));
  stream?.on('close', () => lines.end());
  // A process that cannot be killed, since its disk hangs, never closes it.
  if (stream instanceof Socket) stream.unref();
}

/** Options of Node.js for the process: those of this one that are not for it alone, each with its value. */
export function sharedOptions(options: readonly string[]): string[] {
  const shared: string[] = [];
  let isDropped = false;
  for (const option of options) {
    // What does not begin with a dash is the value of the option before it.
    if (option.startsWith('-')) isDropped = OWN_OPTIONS.test(option);
    if (!isDropped) shared.push(option);
  }
  return shared;
}

/** The variables of this process, without secrets that are the server's own. */
export function environmentOf(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const entries = Object.entries(environment).filter(([name]) => !SECRET_VARIABLES.test(name));
  const { NODE_OPTIONS: options, ...rest } = Object.fromEntries(entries);
  if (options === undefined) return rest;
  return {
    ...rest,
    NODE_OPTIONS: options.replace(/(?<=^|\s)--(?:inspect|cpu-prof|heap-prof|test|watch)\S*/g, ''),
  };
}
