import type { FileRecord } from './database-file.js';

/** A transaction of a process while the journal is in force: all that it writes is in the file when it is committed, or nothing is. */
export class Transaction {
  /** What it changes. Space that it has got is nobody else's: that is written at once. */
  readonly records = new Map<number, FileRecord>();
  /** Space that it has got. */
  readonly allocated = new Set<number>();
  /** What others are told when it is committed, and what is done then. */
  readonly notices: (() => void)[] = [];
  readonly effects: (() => void)[] = [];
  /** Where it has moved the root, and for which value. */
  move:
    | { readonly root: number; readonly former: number; readonly key: string; readonly value: number }
    | undefined;
  /** Whether the log has all of it: it happens then, whoever carries it out. */
  isLogged = false;
  isCommitted = false;
}
