import type { IPCError } from '../../errors.js';
import type { ValueClasses } from '../core/codec.js';
import { type Gate, OPEN_GATE } from './journal.js';

/** What is around a database that is kept whole: other processes that have its file open, or none. */
export interface Surroundings {
  /** Whether no other process has it open. */
  readonly isLone: boolean;
  /** Whether nobody has it open who knows nothing of the journal: what begins now is committed as a whole. */
  readonly isInForce: boolean;
  /** Open as long as this process may use the file. */
  readonly gate: Gate;
  /** How often this process has lost its place: what it held then is not its any more. */
  readonly losses: number;
  /** A commit was begun, and could not be carried out: this process is to give up its place, and whoever follows finds what it has logged. */
  outcomeUnknown(): void;
  /** A log cannot be created, or is not writable: this process keeps no journal any more, and is to say so. */
  unwritable(error: IPCError): void;
  /** Those of the AceBase whose database it is. */
  readonly classes: ValueClasses;
  /** A transaction was not committed, and has a lock yet: what it was to set free is in use still. */
  writeFailed(tid: string): void;
}

/** Of a process that is alone. @param isInForce whether it is yet: asked each time */
export function aloneWhile(isInForce: () => boolean, classes: ValueClasses): Surroundings {
  return {
    isLone: true,
    get isInForce() {
      return isInForce();
    },
    gate: OPEN_GATE,
    losses: 0,
    classes,
    outcomeUnknown: () => undefined,
    // What it writes fails with the same.
    unwritable: () => undefined,
    writeFailed: () => undefined,
  };
}
