/** What a managed master needs of its process. */

import type { LogFields } from '../broker/ports.js';
import type { FromChild, ToChild } from './messages.js';

/** A process that was started to be the master of a database. */
export interface Child {
  /** `undefined` if the system could not start it. */
  readonly pid: number | undefined;
  send(message: ToChild): void;
  /** Ends it at once, by SIGKILL. Does nothing if it has ended. */
  kill(): void;
}

/** How a process ended, or why it could not be started. */
export interface ChildEnd {
  readonly code: number | null;
  readonly signal: string | null;
  /** Why the system could not start it; then there is no code and no signal. */
  readonly error?: string;
}

/** What is heard of a process. Nothing is called before the start has returned, and nothing after `ended`, which is called once. */
export interface ChildHandlers {
  message(message: FromChild): void;
  ended(end: ChildEnd): void;
}

/** Its fields in the log. */
export function fieldsOfEnd({ code, signal }: ChildEnd): LogFields {
  return { exitCode: code ?? undefined, signal: signal ?? undefined };
}

/** The same in words. */
export function reasonOfEnd({ code, signal, error }: ChildEnd): string {
  if (error !== undefined) return `its process could not be started: ${error}`;
  return signal === null ? `it ended with exit code ${code}` : `it was ended by ${signal}`;
}
