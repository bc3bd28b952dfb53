import { randomBytes } from 'node:crypto';
import { closeSync, constants, existsSync, fdatasyncSync, fstatSync } from 'node:fs';
import { dirname } from 'node:path';
import { ERRORS, IPCError } from '../../errors.js';
import { syncFolder } from '../../platform/disk-sync.js';
import { isForbidden } from '../../system-error.js';
import { openToLook, openToMend, writeFully } from '../patches/file-access.js';
import type { MarkPlace } from '../patches/file-layout.js';
import { countOf, hasAll, hasWritten, isInBetween, Mark } from './database-file.js';
import { noJournal } from './forbidden.js';
import { type Claim, OWNER_BYTES, type RecordHead, RedoLog, type WrittenPlace } from './redo-log.js';
import type { Change } from './write-buffer.js';

/** Whether the file may be written now. */
export interface Gate {
  readonly isOpen: boolean;
  /** Resolves when it may. @throws if it never will */
  wait(): Promise<void>;
}

/** A gate that is open only as long as something else holds, too. @param error why it never will be again, if that does not hold */
export function narrowed(gate: Gate, holds: () => boolean, error: () => Error): Gate {
  return {
    get isOpen() {
      return gate.isOpen && holds();
    },
    wait: async () => {
      await gate.wait();
      if (!holds()) throw error();
    },
  };
}

/** Of who has the file for himself. */
export const OPEN_GATE: Gate = { isOpen: true, wait: () => Promise.resolve() };

/** What a journal works with. */
export interface JournalSettings {
  /** The database, open for writing. */
  readonly file: number;
  /**
   * The paths of the logs; one is made when something is committed to it. Processes that write in turns have two, so that one which was
   * stopped on its way to the log does not write over what its successor has there.
   */
  readonly logPaths: readonly string[];
  readonly mark: MarkPlace;
  /** Whether what is committed is to outlive a loss of power. */
  readonly isSynced: boolean;
  /** Whether no other process has the file open. */
  readonly isLone: boolean;
  /** How long each log is made at once, in bytes. */
  readonly leastLogBytes?: number;
  /** Something that was logged could not be carried out: {@link Journal.failure} says why. */
  failed?(): void;
  /** A log cannot be created, or is not writable: nothing can be committed. @param error why */
  unwritable?(error: IPCError): void;
}

/** What is committed in one piece. */
export interface Commit<Notes> {
  /** What is changed in the file. */
  readonly changes: readonly Change[];
  /** What they lead to, and was written before. */
  readonly written?: readonly WrittenPlace[];
  /** What is to be done when that is there, and again after a crash: as long as {@link Journal.done} was not called. */
  readonly notes?: Notes | undefined;
}

/** What a crash has left. */
export interface Leftover<Notes> {
  /** Whether it was written to the file just now. */
  readonly isRecovered: boolean;
  /** What is still to be done, until {@link Journal.done}; `undefined` if nothing is. */
  readonly notes: Notes | undefined;
}

/** The record that was written last. */
interface Newest {
  readonly log: RedoLog;
  readonly head: RecordHead;
}

/** Where the next record goes. */
interface Turn {
  /** Which of the logs it is. */
  readonly place: number;
  readonly term: number;
  /** Whether the others see it in the log: they have the next one then. */
  isSeen?: boolean;
}

/**
 * The redo log of one database file, and that file. Each commit is written to the log, then to its places, and then leaves its number in the
 * file: a mark. So the log of an earlier one is of no use to anybody, and need not be cleared.
 *
 * Several processes may write one file in turns. Each looks at the log when it begins, and before anything else.
 */
export class Journal<Notes> {
  /** Those that are there, in the order of their paths. */
  readonly #logs = new Map<string, RedoLog>();
  /** The paths of those that may only be read, and why. */
  readonly #readOnly = new Map<string, IPCError>();
  readonly #settings: JournalSettings;
  readonly #mark: Mark;
  readonly #owner = randomBytes(OWNER_BYTES).toString('latin1');
  #failure: IPCError | undefined;
  #turn: Turn;
  /** The turn of who has written last, or was about to, when the logs were read. */
  #last: (Turn & Claim) | undefined;
  /** Whether the record that was written last has notes, and not all was done. */
  #hasNotes = false;
  #isUsed = false;
  /** Whether nothing was committed since the file was synced. */
  #isOnDisk = false;
  /** Whether what others have committed before is on the disk, if it is to be. */
  #isSureOfDisk = false;
  /** What {@link Journal.look} has found noted. */
  #looked: Newest | undefined;
  /** What is being committed; `undefined` if nothing is. */
  #committing: Promise<unknown> | undefined;

  /** @throws if a log is there, and cannot be opened */
  constructor(settings: JournalSettings) {
    this.#settings = settings;
    this.#mark = new Mark(settings.file, settings.mark);
    try {
      this.#newest();
      this.#turn = this.#nextTurn();
    } catch (error) {
      this.#closeLogs();
      throw error;
    }
  }

  /** Why nothing can be committed any more; `undefined` if it can. */
  get failure(): IPCError | undefined {
    return this.#failure;
  }

  /**
   * Looks what others have left, and writes again what a crash has cut short. To be called when nobody else writes, and before anybody reads. What
   * the log has of another file than this one, or of one that was written since by who knows nothing of it, is left alone.
   *
   * @param isToBeApplied whether such a record is to be carried out
   * @param gate what is written, is written while this is open
   * @param isInDoubt whether the power was cut: then the mark may be in the file, and what was written before it not
   * @throws if that fails, or the gate is closed: it is to be looked at again then
   * @throws {IPCError} IPC_CLIENT_NO_JOURNAL if a log may not be read, or has noted something and may not be written: that could not be said to be done
   */
  look(
    isToBeApplied: (head: RecordHead) => boolean,
    gate: Gate,
    isInDoubt = false,
  ): Leftover<Notes> | undefined {
    const newest = this.#newest();
    this.#turn = this.#nextTurn();
    this.#mark.read();
    if (newest === undefined) return undefined;
    const { file, isSynced } = this.#settings;
    if (isSynced && !this.#isSureOfDisk) this.#writeAgain(newest, gate);
    this.#isSureOfDisk = true;
    const left = outstandingOf<Notes>(file, newest, this.#mark, isToBeApplied, isInDoubt);
    if (left === undefined) return undefined;
    const { changes, notes } = left;
    const readOnly = this.#readOnly.get(this.#pathOf(this.#placeOf(newest.log)));
    if (notes !== undefined && readOnly !== undefined) throw readOnly;
    for (const { position, after } of changes) {
      if (!gate.isOpen) throw new IPCError('IPC_CLIENT_LEASE_LOST');
      writeFully(file, after, position);
    }
    const mark = changes.at(-1);
    if (mark !== undefined) {
      this.#syncFile();
      this.#mark.isWritten(mark);
    }
    this.#looked = newest;
    return { isRecovered: mark !== undefined, notes };
  }

  /**
   * What the file has of the last commit may not be on the disk, and never get there: the system has told once that it could not write it, to somebody else, and takes it for
   * written since. Here it has it written once more.
   */
  #writeAgain({ head, log }: Newest, gate: Gate): void {
    const { file } = this.#settings;
    const record = standingOf(head, this.#mark).isDone ? log.read() : undefined;
    if (record === undefined || !hasAll(file, record.changes)) return;
    for (const { position, after } of record.changes) {
      if (!gate.isOpen) throw new IPCError('IPC_CLIENT_LEASE_LOST');
      writeFully(file, after, position);
    }
    this.#syncFile();
  }

  /** Whether the record that was written last may not have been carried out. */
  get isPending(): boolean {
    const newest = this.#newest();
    if (newest === undefined) return false;
    this.#mark.read();
    return standingOf(newest.head, this.#mark).isNext;
  }

  /** All was done that {@link Journal.look} has found noted. If others have written meanwhile, they have found it, too. */
  lookIsOver(gate: Gate): void {
    const looked = this.#looked;
    const newest = this.#newest();
    const isIt = newest?.head.mark === looked?.head.mark && newest?.head.owner === looked?.head.owner;
    if (isIt && gate.isOpen) newest?.log.notesAreDone();
  }

  /**
   * Writes all of it to the file, or nothing, whenever the process ends.
   *
   * @param gate what is written, is written while this is open
   * @throws if that fails: nothing was written then, unless {@link Journal.failure} is set: who looks next finds all of it, or nothing
   */
  commit(commit: Commit<Notes>, gate: Gate): Promise<void> {
    return this.#inTurn(() => this.#commit(commit, gate));
  }

  /** When what is being committed is over. */
  #inTurn(act: () => Promise<void>): Promise<void> {
    const committing = Promise.resolve(this.#committing).then(act);
    const over: Promise<void> = committing
      .catch(() => undefined)
      .then(() => {
        if (this.#committing === over) this.#committing = undefined;
      });
    this.#committing = over;
    return committing;
  }

  async #commit({ changes, written, notes }: Commit<Notes>, gate: Gate): Promise<void> {
    const { file, isSynced, isLone } = this.#settings;
    if (this.#failure !== undefined) throw this.#failure;
    // The last commit must be in its places before the log is written over, and what this one leads to.
    if (isSynced) this.#syncFile();
    const { place, term } = this.#turn;
    const log = this.#logAt(place);
    await this.#claim(log, gate);
    const mark = this.#mark.next();
    const all = [...changes, mark];
    const hasNotes = notes !== undefined;
    const head = { term, owner: this.#owner, mark: countOf(mark.after), hasNotes, isLone };
    if (!gate.isOpen) await gate.wait();
    this.#isUsed = true;
    this.#isOnDisk = false;
    try {
      log.append({ changes: all, written, notes }, head);
    } catch (error) {
      // What is not complete never happened. If nothing of it was written, the one before is there, which was carried out.
      const isThere = this.#orFail(() => log.head()?.mark === head.mark && log.read() !== undefined);
      if (isThere) this.#orFail(() => log.clear(this.#emptyHead(term)));
      throw error;
    }
    this.#hasNotes = hasNotes;
    try {
      for (const { position, after } of all) {
        if (!gate.isOpen) await gate.wait();
        writeFully(file, after, position);
      }
    } catch (error) {
      throw this.#fail(error);
    }
    this.#mark.isWritten(mark);
  }

  /**
   * The others are to see whose turn it is before anything else is written in it: a process that was stopped on its way here has written nothing, or they take
   * the other log. So the turn is its still only if it has its lock still, and what comes too late is a claim that nobody reads.
   */
  async #claim(log: RedoLog, gate: Gate): Promise<void> {
    const { isLone, logPaths } = this.#settings;
    const turn = this.#turn;
    if (isLone || logPaths.length < 2 || turn.isSeen === true) return;
    if (!gate.isOpen) await gate.wait();
    log.claim({ term: turn.term, owner: this.#owner });
    turn.isSeen = true;
  }

  /** What was committed last is in its places on the disk when this returns, if it is to outlive a loss of power. */
  sync(): void {
    const { isSynced, isLone } = this.#settings;
    if (!isSynced || (isLone && this.#isOnDisk)) return;
    this.#syncFile();
    this.#isOnDisk = true;
  }

  /** All was done that the last commit has noted. If the log is another process's by now, that one has found it, too. */
  done(gate: Gate): void {
    if (this.#settings.isSynced) this.#syncFile();
    const log = this.#logAt(this.#turn.place);
    const isOurs = this.#orFail(() => log.head())?.owner === this.#owner;
    if (!isOurs || !gate.isOpen) return;
    this.#orFail(() => log.notesAreDone());
    this.#hasNotes = false;
  }

  /**
   * Leaves nothing to be written to the file, for those who know nothing of the log; nor can one that was stopped on its way there leave anything any more:
   * this begins a turn of its own. To be called under a lock, behind {@link Journal.look}. What was noted, and is not done yet, stays noted.
   *
   * @throws if that fails
   */
  empty(gate: Gate): Promise<void> {
    return this.#inTurn(() => this.#empty(gate));
  }

  async #empty(gate: Gate): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    const newest = this.#newest();
    const last = this.#last;
    if (last === undefined) return;
    this.#mark.read();
    const isLeft = newest?.head.hasNotes === true && standingOf(newest.head, this.#mark).isDone;
    const notes = isLeft ? newest.log.read()?.notes : undefined;
    if (this.#settings.isSynced) this.#syncFile();
    if (!gate.isOpen) await gate.wait();
    const places = [this.#placeAfter(last.place), last.place];
    const place = places.find((at) => !this.#readOnly.has(this.#pathOf(at)));
    // If none may be written, the record stays: it was carried out.
    if (place === undefined) return;
    const turn = { place, term: last.term + 1, isSeen: true };
    const log = this.#logAt(turn.place);
    const head = this.#emptyHead(turn.term);
    if (notes === undefined) log.clear(head);
    else log.append({ changes: [], notes }, { ...head, hasNotes: true });
    this.#turn = turn;
    this.#clearOthers(log);
  }

  /** Should the next record be cut short in that log, which one has as its newest counts again: of those who know nothing of logs, others may have written since. */
  #clearOthers(newest: RedoLog): void {
    for (const [path, log] of this.#logs) {
      const head = log === newest || this.#readOnly.has(path) ? undefined : log.head();
      if (head !== undefined) log.clear(head);
    }
  }

  #emptyHead(term: number): Omit<RecordHead, 'hasNotes'> {
    return { term, owner: this.#owner, mark: this.#mark.count, isLone: this.#settings.isLone };
  }

  /** It is used no more: at once, before AceBase closes the file, or when what is being committed is over. */
  retire(): void {
    if (this.#committing === undefined) this.close();
    else void this.#committing.then(() => this.close());
  }

  /** Leaves no record behind if this process was alone: an older file may be put in the place of this one. */
  close(): void {
    const { isSynced, isLone } = this.#settings;
    const isClean = this.#failure === undefined && !this.#hasNotes;
    if (isLone && isClean && this.#isUsed) {
      if (isSynced) this.#syncFile();
      const { place, term } = this.#turn;
      const log = this.#logAt(place);
      log.clear(this.#emptyHead(term));
      this.#clearOthers(log);
    }
    this.#closeLogs();
  }

  #closeLogs(): void {
    for (const log of this.#logs.values()) log.close();
  }

  #newest(): Newest | undefined {
    // Another process may have made one since.
    for (const path of this.#settings.logPaths)
      if (!this.#logs.has(path) && existsSync(path)) this.#openWhatIsThere(path);
    const { newest, last } = survey([...this.#logs.values()]);
    this.#last = last && { place: this.#placeOf(last.log), ...last.claim };
    return newest;
  }

  #nextTurn(): Turn {
    if (this.#last === undefined) return { place: 0, term: 1 };
    const { place, term, owner } = this.#last;
    if (owner !== this.#owner) return { place: this.#placeAfter(place), term: term + 1 };
    return { place, term, isSeen: true };
  }

  #placeOf(log: RedoLog): number {
    return this.#settings.logPaths.findIndex((path) => this.#logs.get(path) === log);
  }

  /** The place that is not that one; for the tables, there is one only. */
  #placeAfter(place: number): number {
    return (place + 1) % this.#settings.logPaths.length;
  }

  #pathOf(place: number): string {
    return String(this.#settings.logPaths[place]);
  }

  /** That log, which is made if it is not there. @throws {IPCError} IPC_CLIENT_NO_JOURNAL if it may not be, or not be written */
  #logAt(place: number): RedoLog {
    const path = this.#pathOf(place);
    const known = this.#logs.get(path);
    if (known !== undefined && !this.#readOnly.has(path)) return known;
    try {
      // By now, it may be written, perhaps.
      const log = this.#open(path);
      known?.close();
      this.#readOnly.delete(path);
      return log;
    } catch (error) {
      if (!isForbidden(error)) throw error;
      const why = noJournal(path, error);
      this.#settings.unwritable?.(why);
      throw why;
    }
  }

  /** A log that another user has made, perhaps. What it has can be looked at where it may not be written. @throws {IPCError} IPC_CLIENT_NO_JOURNAL if it cannot */
  #openWhatIsThere(path: string): void {
    try {
      this.#open(path);
    } catch (error) {
      if (!isForbidden(error)) throw error;
      const why = noJournal(path, error);
      try {
        this.#logs.set(path, new RedoLog(path, false, 0, constants.O_RDONLY));
        this.#readOnly.set(path, why);
      } catch (again) {
        throw isForbidden(again) ? why : again;
      }
    }
  }

  #open(path: string): RedoLog {
    const { file, isSynced, leastLogBytes } = this.#settings;
    const isNew = !existsSync(path);
    // Whoever may write the file may write its logs.
    const log = new RedoLog(path, isSynced, leastLogBytes, undefined, fstatSync(file));
    this.#logs.set(path, log);
    if (isSynced && isNew) syncFolder(dirname(path));
    return log;
  }

  /** To try again is no use: the system may tell once only that it could not write something, and take it for written from then on. */
  #syncFile(): void {
    this.#orFail(() => fdatasyncSync(this.#settings.file));
  }

  #orFail<T>(act: () => T): T {
    try {
      return act();
    } catch (error) {
      throw this.#fail(error);
    }
  }

  #fail(error: unknown): IPCError {
    const { summary } = ERRORS.IPC_CLIENT_OUTCOME_UNKNOWN;
    const text = `IPC_CLIENT_OUTCOME_UNKNOWN: ${summary} (${error})`;
    this.#failure = new IPCError('IPC_CLIENT_OUTCOME_UNKNOWN', text);
    this.#settings.failed?.();
    return this.#failure;
  }
}

/** The record that was written last, and who has written last, or was about to. */
function survey(logs: readonly RedoLog[]) {
  let newest: Newest | undefined;
  let last: { readonly log: RedoLog; readonly claim: Claim } | undefined;
  for (const log of logs) {
    const { head, claim } = log.look();
    if (head !== undefined && head.term > (newest?.head.term ?? -1)) newest = { log, head };
    for (const said of [head, claim])
      if (said !== undefined && said.term > (last?.claim.term ?? -1))
        last = { log, claim: { term: said.term, owner: said.owner } };
  }
  return { newest, last };
}

/** Whether a record is in the file, or the one that comes next. */
function standingOf({ mark }: RecordHead, { count }: Mark): { isDone: boolean; isNext: boolean } {
  return {
    isDone: mark === count,
    isNext: mark === BigInt.asUintN(64, count + 1n) || count === 0n,
  };
}

/** What the next process to open the file will write to it, the mark last, and what will be done then. */
export interface Outstanding<Notes> {
  readonly changes: readonly Change[];
  readonly notes: Notes | undefined;
}

/** What is left to be done of a record. @returns `undefined` if nothing is, or it is of another file, or of this one as it was before others wrote */
function outstandingOf<Notes>(
  file: number,
  { head, log }: Newest,
  place: Mark,
  isToBeApplied: (head: RecordHead) => boolean,
  isInDoubt = false,
): Outstanding<Notes> | undefined {
  const { isDone, isNext } = standingOf(head, place);
  const isLeft = isDone ? isNext || head.hasNotes || isInDoubt : isNext && isToBeApplied(head);
  const record = isLeft ? log.read() : undefined;
  if (record === undefined) return undefined;
  const { changes, written = [] } = record;
  const notes = head.hasNotes ? (record.notes as Notes) : undefined;
  // The mark comes last: where it is, all is, unless the disk had not the time for that.
  if (hasAll(file, isInDoubt ? changes : changes.slice(-1)))
    return notes === undefined ? undefined : { changes: [], notes };
  return isInBetween(file, changes) && hasWritten(file, written) ? { changes, notes } : undefined;
}

/**
 * What {@link recover} would do, without a change of any file.
 *
 * @param path of the file
 * @param isInDoubt whether the power was cut
 * @returns `undefined` if it would do nothing
 */
export function outstanding<Notes>(
  path: string,
  { logPaths, mark: place }: Pick<JournalSettings, 'logPaths' | 'mark'>,
  isInDoubt = false,
): Outstanding<Notes> | undefined {
  const file = openToLook(path);
  if (file === undefined) return undefined;
  const there = logPaths.filter((logPath) => existsSync(logPath));
  const logs = there.map((logPath) => new RedoLog(logPath, false, 0, constants.O_RDONLY));
  try {
    const { newest } = survey(logs);
    return newest && outstandingOf(file, newest, new Mark(file, place), () => true, isInDoubt);
  } finally {
    for (const log of logs) log.close();
    closeSync(file);
  }
}

/**
 * As {@link Journal.look}, before the file is opened.
 *
 * @param path of the file
 * @param noted called with what is still to be done; if it returns false, that is not done yet, and the record stays until {@link Journal.done}
 * @param isInDoubt whether the power was cut
 * @returns whether the file was changed
 */
export function recover<Notes>(
  path: string,
  { logPaths, mark }: Pick<JournalSettings, 'logPaths' | 'mark'>,
  isToBeApplied: (head: RecordHead) => boolean,
  noted: (notes: Notes) => boolean = () => true,
  isInDoubt = false,
): boolean {
  if (!logPaths.some((logPath) => existsSync(logPath))) return false;
  const file = openToMend(path);
  if (file === undefined) return false;
  try {
    const journal = new Journal<Notes>({ file, logPaths, mark, isSynced: true, isLone: false });
    try {
      const leftover = journal.look(isToBeApplied, OPEN_GATE, isInDoubt);
      if (leftover?.notes !== undefined && noted(leftover.notes)) journal.lookIsOver(OPEN_GATE);
      return leftover?.isRecovered === true;
    } finally {
      journal.close();
    }
  } finally {
    closeSync(file);
  }
}
