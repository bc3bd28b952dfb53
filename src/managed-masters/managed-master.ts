import type { Cancel, Clock, LogFields, Logger } from '../broker/ports.js';
import { remedyOf } from '../errors.js';
import { type Child, type ChildEnd, type ChildHandlers, fieldsOfEnd, reasonOfEnd } from './child-port.js';
import { FailureReports } from './failure-reports.js';
import type { FromChild, Vitals } from './messages.js';

/** What a managed master works with. */
export interface ManagedMasterSettings {
  /** As AceBase has it: `mydb`. */
  readonly database: string;
  /** The folder of the database, for the log. */
  readonly path: string;
  readonly clock: Pick<Clock, 'now' | 'schedule'>;
  readonly logger: Logger;
  /** Starts the process. Never called before the last one has ended. @param mayCreate whether it may make the file: not if it was there before */
  spawn(handlers: ChildHandlers, mayCreate: boolean): Child;
  /** Its process has the folder. @param former @see FromChild */
  taken(former: string | undefined): void;
  /** Its process has renewed the record of that. @param uptime @see FromChild */
  kept(uptime: number): void;
  /** Its process finds that the folder is somebody else's. */
  lost(): void;
}

/**
 * Where a managed master stands. `waiting`: another server has its folder in use. `failed`: its process has ended, and the next one is started
 * in a while.
 */
export type ManagedMasterState =
  | 'idle'
  | 'starting'
  | 'waiting'
  | 'opening'
  | 'serving'
  | 'failed'
  | 'closing'
  | 'closed';

/** How a managed master is. */
export interface ManagedMasterReport {
  readonly database: string;
  readonly path: string;
  readonly state: ManagedMasterState;
  /** Of its process; `undefined` if there is none. */
  readonly pid: number | undefined;
  /** How often a process was started in the place of one that had ended. */
  readonly restarts: number;
  /** Why the last one ended, or what this one waits for, in words; `undefined` if none has. */
  readonly lastReason: string | undefined;
  /** Of the table of errors, if that reason has one. */
  readonly lastCode: string | undefined;
  /** By the clock: since when it is in that state. */
  readonly since: number;
  /** Since when none of its processes serves; `undefined` while one does, and where none is wanted. */
  readonly unservedSince: number | undefined;
  /** When the next process is started; `undefined` if that is not planned. */
  readonly nextStartAt: number | undefined;
  /** When processes were started again lately, the oldest first. */
  readonly recentRestarts: readonly number[];
  /** `undefined` before the process has told. */
  readonly vitals: Vitals | undefined;
}

/** A process that served for so many milliseconds and ends is replaced at once, however often. */
const SOUND_SERVICE_MS = 10_000;

/**
 * Milliseconds until the next start after the second process that ended sooner; each further one doubles them, up to the longest: of
 * processes that did not come to serve, and of those that did.
 */
const FIRST_DELAY_MS = 250;
const LONGEST_DELAY_MS = 30_000;
const LONGEST_DELAY_AFTER_SERVICE_MS = 1_000;

/** Milliseconds that a process has to be back at the server, which has given it up. Then it hangs, or its connection is dead. */
const RETURN_MS = 3_000;

/**
 * A process that has said nothing for so many milliseconds to the server's own hangs, or is stopped: it tells of each renewal of its record. It has so
 * many more to be heard, as the server may have been stopped itself.
 */
const MUTE_MS = 6_000;
const HEARING_MS = 100;

/** Milliseconds after which a process that does not serve yet, and has said nothing for so many others, hangs. */
const OPENING_MS = 60_000;
const SILENCE_MS = 10_000;

/** Milliseconds of opening after which that is said, and after which it is said again. */
const SLOW_MS = 10_000;
const STILL_SLOW_MS = 60_000;

/** Milliseconds that a process has to close its database, and to end. */
const CLOSING_MS = 3_000;

/** Restarts that are remembered. */
const RECENT_RESTARTS = 100;

/** Milliseconds for which a restart is a recent one. */
export const RECENT_RESTART_MS = 600_000;

/** Milliseconds in which the system ends a process that was killed. A disk that hangs may keep it for longer. */
const KILLED_MS = 1_000;

/** One process, from its start to its end. */
interface Run {
  readonly child: Child;
  readonly startedAt: number;
  phase: 'starting' | 'waiting' | 'opening' | 'serving';
  /** Why, if it waits for its folder. */
  waitsFor: string | undefined;
  servesSince: number | undefined;
  lastHeardAt: number;
  vitals: Vitals | undefined;
  /** Why it ends, as it said; or why it was killed. */
  why: { readonly code: string | undefined; readonly reason: string } | undefined;
  isClean: boolean;
  /** By the name on the wire: when it is killed if it is not connected for that file again. */
  readonly missing: Map<string, Cancel>;
  cancelWatch: Cancel;
  cancelReminder: Cancel;
}

/**
 * The master of one database, which the server sees to: starts its process, starts the next one when it has ended, kills one that
 * hangs, and closes it. Pure but for what it is given.
 *
 * There are never two processes: the next is started when the last one has ended.
 */
export class ManagedMaster {
  readonly #settings: ManagedMasterSettings;
  readonly #failures: FailureReports;
  #run: Run | undefined;
  #state: 'idle' | 'wanted' | 'closing' | 'closed' = 'idle';
  #starts = 0;
  /** Whether any has served: a file that is not there any more is missed, and not made anew. */
  #hasServed = false;
  /** How many processes in a row ended before they had served for long. */
  #shortRuns = 0;
  #lastReason: string | undefined;
  #lastCode: string | undefined;
  #since: number;
  #unservedSince: number | undefined;
  #nextStartAt: number | undefined;
  readonly #restarts: number[] = [];
  #cancelStart: Cancel | undefined;
  readonly #closingTimers: Cancel[] = [];
  #closed: Promise<void> | undefined;
  #resolveClosed: () => void = () => undefined;

  constructor(settings: ManagedMasterSettings) {
    this.#settings = settings;
    this.#failures = new FailureReports(settings.clock);
    this.#since = settings.clock.now();
  }

  /** How it is now. */
  get report(): ManagedMasterReport {
    const { database, path, clock } = this.#settings;
    const recently = clock.now() - RECENT_RESTART_MS;
    return {
      database,
      path,
      since: this.#since,
      unservedSince: this.#unservedSince,
      nextStartAt: this.#nextStartAt,
      recentRestarts: this.#restarts.filter((at) => at >= recently),
      lastCode: this.#lastCode,
      state: this.#state === 'wanted' ? (this.#run?.phase ?? 'failed') : this.#state,
      pid: this.#run?.child.pid,
      restarts: Math.max(this.#starts - 1, 0),
      lastReason: this.#run?.phase === 'waiting' ? this.#run.waitsFor : this.#lastReason,
      vitals: this.#run?.vitals,
    };
  }

  /** Starts it. Later calls do nothing. */
  start(): void {
    if (this.#state !== 'idle') return;
    this.#state = 'wanted';
    this.#unservedSince = this.#settings.clock.now();
    this.#spawn();
  }

  /** Its process has connected for one of its files. @param file its name on the wire */
  connected(file: string): void {
    this.#run?.missing.get(file)?.();
    this.#run?.missing.delete(file);
  }

  /**
   * The server has given up a process for one of its files. If it lives it comes back, or it hangs: then it is killed, at once if nothing is heard of it.
   *
   * @param pid of which process: the one before may be given up when the next one has been started
   */
  departed(file: string, pid: number | undefined): void {
    const run = this.#run;
    if (run === undefined || this.#state !== 'wanted' || run.missing.has(file) || run.child.pid !== pid)
      return;
    this.#awaitReturn(run, file);
  }

  #awaitReturn(run: Run, file: string): void {
    const { clock } = this.#settings;
    const isMute = (): boolean => clock.now() - run.lastHeardAt >= MUTE_MS;
    const wasMute = isMute();
    const cancel = clock.schedule(wasMute ? HEARING_MS : RETURN_MS, () => {
      if (wasMute && !isMute()) this.#awaitReturn(run, file);
      else this.#kill(run, 'it did not connect again after the server had given it up');
    });
    run.missing.set(file, cancel);
  }

  /**
   * Has it close its database, and starts it no more. Resolves when its process has ended, or could not be ended in time.
   *
   * @param patience milliseconds that it has for that, before it is killed; of several calls, the first that are over count
   * @param mayBeUsed whether workers may be in the midst of something yet; the first call counts
   */
  close(patience = CLOSING_MS, mayBeUsed = true): Promise<void> {
    this.#closed ??= new Promise((resolve) => {
      this.#resolveClosed = resolve;
      this.#beginToClose(mayBeUsed);
    });
    const run = this.#run;
    if (run !== undefined) this.#endAfter(run, patience);
    return this.#closed;
  }

  #beginToClose(mayBeUsed: boolean): void {
    this.#cancelStart?.();
    this.#nextStartAt = undefined;
    this.#unservedSince = undefined;
    if (this.#run === undefined) {
      this.#hasClosed();
      return;
    }
    this.#state = 'closing';
    this.#since = this.#settings.clock.now();
    this.#forgetTimers(this.#run);
    this.#run.child.send({ kind: 'close', mayBeUsed });
  }

  #endAfter(run: Run, patience: number): void {
    const { clock } = this.#settings;
    const kill = (): void => {
      this.#kill(run, 'it did not close its database in time');
      this.#closingTimers.push(clock.schedule(KILLED_MS, () => this.#hasClosed()));
    };
    this.#closingTimers.push(clock.schedule(patience, kill));
  }

  #hasClosed(): void {
    this.#state = 'closed';
    this.#since = this.#settings.clock.now();
    for (const cancel of this.#closingTimers.splice(0)) cancel();
    this.#resolveClosed();
  }

  #spawn(): void {
    const { clock, logger, spawn, path } = this.#settings;
    const now = clock.now();
    if (this.#starts++ > 0) this.#restarts.push(now);
    if (this.#restarts.length > RECENT_RESTARTS) this.#restarts.shift();
    this.#since = now;
    this.#nextStartAt = undefined;
    const handlers: ChildHandlers = {
      message: (message) => this.#receive(message),
      ended: (end) => this.#ended(end),
    };
    const child = spawn(handlers, !this.#hasServed);
    this.#run = {
      child,
      startedAt: now,
      phase: 'starting',
      waitsFor: undefined,
      servesSince: undefined,
      lastHeardAt: now,
      vitals: undefined,
      why: undefined,
      isClean: false,
      missing: new Map(),
      cancelWatch: () => undefined,
      cancelReminder: () => undefined,
    };
    logger.info(this.#fields({ path }), 'starting the master of a database');
    this.#watch(this.#run, OPENING_MS);
    this.#remind(this.#run, SLOW_MS);
  }

  /** Kills a process that does not come to serve, and says nothing. */
  #watch(run: Run, after: number): void {
    const { clock } = this.#settings;
    run.cancelWatch = clock.schedule(after, () => {
      if (run.phase === 'serving') return;
      if (clock.now() - run.lastHeardAt < SILENCE_MS) this.#watch(run, SILENCE_MS);
      else this.#kill(run, 'it did not open its file, and says nothing');
    });
  }

  /** Says that a process takes long to open its file: the disk may hang, which nobody tells. */
  #remind(run: Run, after: number): void {
    const { clock, logger, path } = this.#settings;
    run.cancelReminder = clock.schedule(after, () => {
      if (run.phase === 'serving') return;
      // What it waits for is said elsewhere.
      const openingFor = run.phase === 'waiting' ? 0 : clock.now() - this.#since;
      if (openingFor < SLOW_MS) {
        this.#remind(run, SLOW_MS - openingFor);
        return;
      }
      logger.warn(
        this.#fields({ path, afterMs: Math.round(openingFor) }),
        'the master of a database is still opening its folder: the disk does not answer, or a file there is not a plain file',
      );
      this.#remind(run, STILL_SLOW_MS);
    });
  }

  #receive(message: FromChild): void {
    const run = this.#run;
    if (run === undefined) return;
    const { clock, logger } = this.#settings;
    run.lastHeardAt = clock.now();
    switch (message.kind) {
      case 'waits':
        this.#enters(run, 'waiting');
        run.waitsFor = message.reason;
        this.#settings.lost();
        logger.warn(
          this.#fields({ reason: message.reason }),
          'the master of a database waits until nobody else uses its folder',
        );
        break;
      case 'taken':
        this.#settings.taken(message.former);
        break;
      case 'kept':
        this.#settings.kept(message.uptime);
        break;
      case 'opening':
        this.#enters(run, 'opening');
        break;
      case 'serves': {
        this.#enters(run, 'serving');
        this.#unservedSince = undefined;
        this.#hasServed = true;
        run.servesSince = clock.now();
        const afterMs = Math.round(clock.now() - run.startedAt);
        logger.info(this.#fields({ path: this.#settings.path, afterMs }), 'managed master is ready');
        break;
      }
      case 'vitals':
        run.vitals = message;
        break;
      case 'cannot':
        run.why ??= message;
        break;
      case 'closed':
        run.isClean = message.problem === undefined;
        if (message.problem !== undefined) run.why ??= { code: undefined, reason: message.problem };
        break;
    }
  }

  #enters(run: Run, phase: Run['phase']): void {
    if (run.phase !== phase) this.#since = this.#settings.clock.now();
    run.phase = phase;
  }

  #ended(end: ChildEnd): void {
    const run = this.#run;
    if (run === undefined) return;
    const fields = this.#fields({ ...fieldsOfEnd(end) });
    this.#forgetTimers(run);
    this.#run = undefined;
    if (this.#state !== 'wanted') {
      if (!run.isClean)
        this.#settings.logger.warn(
          { ...fields, reason: run.why?.reason },
          'the master of a database ended without having closed it',
        );
      this.#hasClosed();
      return;
    }
    this.#startAgain(run, end, fields);
  }

  #startAgain(run: Run, end: ChildEnd, fields: LogFields): void {
    const { clock, logger } = this.#settings;
    const now = clock.now();
    const hasServed = run.servesSince !== undefined;
    if (run.servesSince !== undefined && now - run.servesSince >= SOUND_SERVICE_MS) this.#shortRuns = 0;
    const delay = delayAfter(this.#shortRuns++, hasServed);
    const reason = run.why?.reason ?? reasonOfEnd(end);
    const code = run.why?.code;
    this.#lastReason = reason;
    this.#lastCode = code;
    this.#since = now;
    this.#unservedSince ??= now;
    this.#nextStartAt = now + delay;
    const all = { ...fields, ...(code === undefined ? {} : { code, remedy: remedyOf(code) }), reason };
    if (hasServed) {
      this.#failures.forget();
      logger.warn({ ...all, nextStartInMs: delay }, 'the master of a database ended, and is started again');
    } else {
      const repeated = this.#failures.toReport(reason);
      if (repeated !== undefined)
        logger.error(
          { ...all, nextStartInMs: delay, ...(repeated > 0 ? { repeated } : {}) },
          'the master of a database could not be started, and is tried again',
        );
    }
    this.#cancelStart = clock.schedule(delay, () => this.#spawn());
  }

  #kill(run: Run, reason: string): void {
    if (this.#run !== run) return;
    run.why ??= { code: undefined, reason };
    run.child.kill();
  }

  #forgetTimers(run: Run): void {
    run.cancelWatch();
    run.cancelReminder();
    for (const cancel of run.missing.values()) cancel();
    run.missing.clear();
  }

  #fields(more: LogFields): LogFields {
    return { database: this.#settings.database, masterPid: this.#run?.child.pid, ...more };
  }
}

/** Milliseconds until the next start. @param shortRuns how many processes in a row had ended early before this one */
function delayAfter(shortRuns: number, hasServed: boolean): number {
  const longest = hasServed ? LONGEST_DELAY_AFTER_SERVICE_MS : LONGEST_DELAY_MS;
  return shortRuns === 0 ? 0 : Math.min(FIRST_DELAY_MS * 2 ** (shortRuns - 1), longest);
}
