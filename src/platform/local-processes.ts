/**
 * Which process of this machine is at the other end of a connection, and whether it still runs. Linux tells that, in
 * `/proc` (proc(5)), of processes of the same user; elsewhere nothing is known.
 */

import { readFileSync, readlinkSync } from 'node:fs';
import { readdir, readlink } from 'node:fs/promises';
import { uptime } from 'node:os';
import { basename, dirname } from 'node:path';
import { codeOf } from '../system-error.js';
import { type FileMark, fileMarkOf } from './file-marks.js';
import { portPair, socketsByPorts } from './socket-table.js';

/** Milliseconds for which connections are collected, so that one look serves them all. */
const COLLECTING_MS = 100;

/** The connections that one look is for; of others nothing is known. */
export const MAX_CONNECTIONS_PER_LOOK = 256;

/**
 * The open files that one look goes through, those of processes with fewer of them first; then it is given up, and, if it has not
 * found everything by then, the next one is this much later.
 */
const MAX_FILES_PER_LOOK = 5_000;
const PAUSE_MS = 10_000;

/** The bytes of each table of sockets that are read: some 100,000 connections. With more of them, nothing is known. */
const MAX_TABLE_BYTES = 16 * 1024 * 1024;

/**
 * By how much longer than a look itself the wait for the next one is: they take no more than a twentieth of the time. But on a
 * busy machine a look takes long by itself, and somebody may wait at the door for it.
 */
const REST_RATIO = 20;
const LONGEST_REST_MS = 500;

/** Programs that run AceBase. */
const RUNTIMES = /^(node|nodejs|bun|deno)$/;

/**
 * What a process has open that has an AceBase database open. Another one, such as a proxy, may end while the process behind
 * it lives on.
 */
const DATABASE_FILE = /\.acebase\/[^/]+\.db$/;

/** What Linux writes behind the path of an open file that has been removed, or replaced, since. */
const REMOVED = / \(deleted\)$/;

/** Milliseconds of the unit in which Linux tells when a process started: `sysconf(_SC_CLK_TCK)` is 100 wherever Node runs. */
const TICK_MS = 10;

/** Milliseconds after which it is looked whether a process that was found has opened its database by now. */
const OPENING_CHECKS_MS = [1_000, 5_000, 30_000];

/** The ends of a connection, as the server sees it. */
export interface ConnectionEnds {
  readonly localAddress?: string | undefined;
  readonly localPort?: number | undefined;
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
}

/** A database file that a process has open. */
export interface OpenDatabaseFile extends FileMark {
  /** The folder it is in, as that process sees it. */
  readonly folder: string;
}

/** The process at the other end of a connection. */
export interface LocalProcess {
  /** Its number, once it is known. */
  readonly pid: number | undefined;
  /** Whether the system has not been asked for it yet. */
  readonly isSought: boolean;
  /** Milliseconds since it was started, to a hundredth of a second; `undefined` as long as it is not known. */
  readonly age: number | undefined;
  /** What it has open under the name that was asked for, once that is known. */
  readonly databaseFiles: readonly OpenDatabaseFile[];
  /** Whether it has certainly ended. False as long as it runs, and where nothing is known. */
  hasEnded(): boolean;
}

interface Wanted {
  readonly ports: string;
  readonly found: FoundProcess;
}

interface Identity {
  readonly pid: number;
  /** When it started, in {@link TICK_MS} since the machine did: another process may get the number later. */
  readonly startTime: string;
}

/** What `/proc/<pid>/stat` says. */
interface Stat {
  readonly state: string;
  readonly threads: number;
  readonly startTime: string;
}

/** A process that is looked for. */
class FoundProcess implements LocalProcess {
  /** Once it is found. */
  identity: Identity | undefined;
  isSought = false;
  databaseFiles: readonly OpenDatabaseFile[] = [];
  /** How the path of the file that it is to have open ends; `undefined` if none is looked for. */
  readonly file: string | undefined;
  readonly #procPath: string;

  constructor(procPath: string, file: string | undefined) {
    this.#procPath = procPath;
    this.file = file;
  }

  get pid(): number | undefined {
    return this.identity?.pid;
  }

  get age(): number | undefined {
    const startedAt = Number(this.identity?.startTime) * TICK_MS;
    return Number.isFinite(startedAt) ? uptime() * 1000 - startedAt : undefined;
  }

  hasEnded(): boolean {
    return (
      this.identity !== undefined &&
      stateOf(this.#procPath, this.identity) === 'ended' &&
      // Asked last: nothing but the end of a process is reason to doubt it.
      numbersProcessesAsHere(this.#procPath)
    );
  }
}

/** How far a look goes. */
export interface LookLimits {
  /** The open files that it goes through. */
  readonly files: number;
  /** The bytes of each table of sockets. */
  readonly tableBytes: number;
}

const LIMITS: LookLimits = { files: MAX_FILES_PER_LOOK, tableBytes: MAX_TABLE_BYTES };

/** What it needs of the real time. */
interface IdleClock {
  now(): number;
  /** As a timer that keeps no process alive. */
  scheduleIdle(milliseconds: number, callback: () => void): unknown;
}

/** Finds processes, a few connections at a time. */
export class LocalProcesses {
  readonly #clock: IdleClock;
  readonly #procPath: string;
  readonly #limits: LookLimits;
  #wanted: Wanted[] = [];
  #isLooking = false;
  #pausedUntil = 0;

  /**
   * @param procPath where proc(5) is mounted
   * @param limits how far a look goes
   */
  constructor(clock: IdleClock, procPath = '/proc', limits = LIMITS) {
    this.#clock = clock;
    this.#procPath = procPath;
    this.#limits = limits;
  }

  /**
   * The process that says which one it is, if it is on this machine, where processes have the numbers that they have here. Never throws.
   *
   * @param words what {@link ownWords} gave it
   */
  told(words: string | undefined): LocalProcess {
    const found = new FoundProcess(this.#procPath, undefined);
    found.identity = believed(this.#procPath, words);
    return found;
  }

  /**
   * The process at the other end. It is looked for in the background; never throws.
   *
   * @param file how the path of the database file ends that is to be looked for: `mydb.acebase/data.db`
   * @param words what it says of itself: then it is known at once
   */
  behind(ends: ConnectionEnds, file?: string, words?: string): LocalProcess {
    const found = new FoundProcess(this.#procPath, file);
    found.identity = believed(this.#procPath, words);
    if (
      process.platform === 'linux' &&
      isWithinMachine(ends) &&
      this.#wanted.length < MAX_CONNECTIONS_PER_LOOK
    ) {
      this.#wanted.push({ ports: portPair(ends.remotePort ?? 0, ends.localPort ?? 0), found });
      found.isSought = true;
      this.#lookSoon();
    }
    return found;
  }

  #lookSoon(): void {
    if (this.#isLooking) return;
    this.#isLooking = true;
    const wait = Math.max(COLLECTING_MS, this.#pausedUntil - this.#clock.now());
    this.#clock.scheduleIdle(wait, () => {
      const wanted = this.#wanted;
      this.#wanted = [];
      const since = this.#clock.now();
      void this.#look(wanted).finally(() => {
        for (const { found } of wanted) found.isSought = false;
        this.#isLooking = false;
        const end = this.#clock.now();
        const rest = Math.min((end - since) * REST_RATIO, LONGEST_REST_MS);
        this.#pausedUntil = Math.max(this.#pausedUntil, end + rest);
        if (this.#wanted.length > 0) this.#lookSoon();
      });
    });
  }

  /** Goes through the sockets of the machine, and then the open files of its processes. */
  async #look(wanted: readonly Wanted[]): Promise<void> {
    const tables = ['net/tcp', 'net/tcp6'].map((name) => `${this.#procPath}/${name}`);
    const ports = new Set(wanted.map((each) => each.ports));
    const inodes = await socketsByPorts(tables, ports, this.#limits.tableBytes);
    if (inodes === undefined) {
      this.#pausedUntil = this.#clock.now() + PAUSE_MS;
      return;
    }
    const byFile = new Map<string, Wanted>();
    for (const each of wanted) {
      const [inode, ...others] = inodes.get(each.ports) ?? [];
      // On ports of one number, ::1 and 127.0.0.1 may both have a connection: then it is not known which.
      if (inode !== undefined && others.length === 0) byFile.set(`socket:[${inode}]`, each);
    }
    if (byFile.size > 0) await this.#findOwners(byFile);
  }

  async #findOwners(byFile: ReadonlyMap<string, Wanted>): Promise<void> {
    const owners = new Map<Wanted, Set<number>>();
    let files = 0;
    for (const { pid, descriptors } of await this.#openFiles()) {
      files += descriptors.length;
      if (files > this.#limits.files) {
        // Some other process that has many files open is no reason to let those who come wait.
        if (owners.size < byFile.size) this.#pausedUntil = this.#clock.now() + PAUSE_MS;
        break;
      }
      for (const descriptor of descriptors) {
        const owned = byFile.get(await this.#target(`${pid}/fd/${descriptor}`));
        if (owned !== undefined) owners.set(owned, (owners.get(owned) ?? new Set()).add(pid));
      }
    }
    const byProcess = new Map<number, Wanted[]>();
    for (const [wanted, [pid, ...others]] of owners) {
      // A connection that two processes share outlives either.
      if (pid === undefined || others.length > 0) continue;
      byProcess.set(pid, [...(byProcess.get(pid) ?? []), wanted]);
    }
    for (const [pid, all] of byProcess) {
      const stat = statOf(this.#procPath, pid);
      if (typeof stat === 'object') await this.#accept({ pid, startTime: stat.startTime }, all, 0);
    }
  }

  /** Whether a process is one of AceBase's shows when it has opened its database, which takes a while. */
  async #accept(identity: Identity, all: readonly Wanted[], checks: number): Promise<void> {
    const { pid } = identity;
    const open: { readonly path: string; readonly link: string }[] = [];
    for (const descriptor of (await this.#list(`${pid}/fd`)).slice(0, this.#limits.files)) {
      const path = (await this.#target(`${pid}/fd/${descriptor}`)).replace(REMOVED, '');
      if (DATABASE_FILE.test(path)) open.push({ path, link: `${this.#procPath}/${pid}/fd/${descriptor}` });
    }
    for (const { found } of all) {
      const files = await marksOf(
        open.filter(({ path }) => found.file !== undefined && path.endsWith(`/${found.file}`)),
      );
      // What was read until now may be of another process that has got the number since.
      if (open.length === 0 || stateOf(this.#procPath, identity) === 'ended') continue;
      found.identity ??= identity;
      // A proxy may be at the other end of the connection of a process that has said which one it is.
      if (found.identity.pid !== identity.pid) continue;
      found.databaseFiles = files;
    }
    const rest = all.filter(({ found }) => isIncomplete(found));
    const wait = OPENING_CHECKS_MS[checks];
    if (rest.length === 0 || wait === undefined || stateOf(this.#procPath, identity) === 'ended') return;
    this.#clock.scheduleIdle(wait, () => void this.#accept(identity, rest, checks + 1));
  }

  /** What each process has open, in the order of how much that is. */
  async #openFiles(): Promise<{ readonly pid: number; readonly descriptors: readonly string[] }[]> {
    const all = [];
    for (const pid of await this.#runtimes()) all.push({ pid, descriptors: await this.#list(`${pid}/fd`) });
    return all.sort((a, b) => a.descriptors.length - b.descriptors.length);
  }

  async #runtimes(): Promise<number[]> {
    const pids = (await this.#list('.')).filter((name) => /^\d+$/.test(name)).map(Number);
    const programs = await Promise.all(pids.map((pid) => this.#target(`${pid}/exe`)));
    return pids.filter((pid, index) => pid !== process.pid && RUNTIMES.test(basename(programs[index] ?? '')));
  }

  /** What cannot be read belongs to somebody else, or is gone: nothing is known of it. */
  async #list(name: string): Promise<string[]> {
    return readdir(`${this.#procPath}/${name}`).catch(() => []);
  }

  async #target(name: string): Promise<string> {
    return readlink(`${this.#procPath}/${name}`).catch(() => '');
  }
}

/** `<number>.<start>.<boot>.<namespace>` */
const WORDS = /^(\d{1,10})\.(\d{1,20})\.([0-9a-f-]{36})\.(\d{1,20})$/;

/**
 * Which process this is, for a server that is told of it [PROTOCOL-14.1]: its number and when it started, of which boot of which machine, and
 * the namespace that has numbered it. `undefined` where the system does not say.
 */
export function ownWords(procPath = '/proc'): string | undefined {
  const stat = process.platform === 'linux' ? statOf(procPath, process.pid) : 'none';
  const place = placeOf(procPath);
  return typeof stat === 'object' && place !== undefined
    ? `${process.pid}.${stat.startTime}.${place}`
    : undefined;
}

/**
 * Whether the process runs that said this of itself. `unknown`: it is of another machine, another boot or another namespace, or the
 * system does not say: of a process of another user, perhaps, which may have got its number since.
 *
 * @param words as of {@link ownWords}
 */
export function stateOfProcess(words: string | undefined, procPath = '/proc'): 'runs' | 'ended' | 'unknown' {
  const [, pid, startTime = '', boot, namespace] = WORDS.exec(words ?? '') ?? [];
  if (pid === undefined || process.platform !== 'linux' || `${boot}.${namespace}` !== placeOf(procPath))
    return 'unknown';
  return stateOf(procPath, { pid: Number(pid), startTime });
}

/** The number of the process that said this of itself; `undefined` if these are no such words. */
export function pidIn(words: string | undefined): number | undefined {
  const pid = WORDS.exec(words ?? '')?.[1];
  return pid === undefined ? undefined : Number(pid);
}

/** Whether the process of that number was started with a program of that name. */
export function runsProgram(pid: number, name: string, procPath = '/proc'): boolean {
  try {
    return readFileSync(`${procPath}/${pid}/cmdline`, 'latin1')
      .split('\0')
      .some((word) => basename(word) === name);
  } catch {
    return false;
  }
}

/** Which boot of which machine this is, and in which namespace processes are numbered; `undefined` if that is not known. */
function placeOf(procPath: string): string | undefined {
  if (!numbersProcessesAsHere(procPath)) return undefined;
  try {
    const boot = readFileSync(`${procPath}/sys/kernel/random/boot_id`, 'latin1').trim();
    const [namespace] = /\d+/.exec(readlinkSync(`${procPath}/self/ns/pid`)) ?? [];
    return namespace === undefined ? undefined : `${boot}.${namespace}`;
  } catch {
    return undefined;
  }
}

/** What a process says of itself is taken as known only where the system says the same. */
function believed(procPath: string, words: string | undefined): Identity | undefined {
  const [, pid, startTime = '', boot, namespace] = WORDS.exec(words ?? '') ?? [];
  if (pid === undefined || process.platform !== 'linux' || `${boot}.${namespace}` !== placeOf(procPath))
    return undefined;
  const identity = { pid: Number(pid), startTime };
  const stat = statOf(procPath, identity.pid);
  return typeof stat === 'object' && stat.startTime === startTime ? identity : undefined;
}

/** Whether it, or what it has open, is not known yet. */
function isIncomplete({ identity, file, databaseFiles }: FoundProcess): boolean {
  return identity === undefined || (file !== undefined && databaseFiles.length === 0);
}

async function marksOf(
  open: readonly { readonly path: string; readonly link: string }[],
): Promise<OpenDatabaseFile[]> {
  const marks = await Promise.all(
    open.map(async ({ path, link }) => ({ mark: await fileMarkOf(link), folder: dirname(path) })),
  );
  return marks.flatMap(({ mark, folder }) => (mark === undefined ? [] : [{ ...mark, folder }]));
}

/** Whether it runs, as far as the system tells. One that nobody has waited for (`Z`) has ended with its last thread: before, one of them may still be writing. */
function stateOf(procPath: string, { pid, startTime }: Identity): 'runs' | 'ended' | 'unknown' {
  const stat = statOf(procPath, pid);
  if (stat === 'unknown') return 'unknown';
  const isIt = stat !== 'none' && stat.startTime === startTime;
  return isIt && (stat.threads > 1 || !/[ZXx]/.test(stat.state)) ? 'runs' : 'ended';
}

function statOf(procPath: string, pid: number): Stat | 'none' | 'unknown' {
  let text: string;
  try {
    text = readFileSync(`${procPath}/${pid}/stat`, 'latin1');
  } catch (error) {
    const code = codeOf(error);
    // It ended while it was read.
    if (code === 'ESRCH') return 'none';
    // Anything else, such as a want of file descriptors, says nothing of it.
    return code === 'ENOENT' && isNoProcess(pid) ? 'none' : 'unknown';
  }
  // The second field is the name of the program, in parentheses, and may hold anything.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return { state: fields[0] ?? '', threads: Number(fields[17]), startTime: fields[19] ?? '' };
}

/**
 * Whether there is no process of that number. `/proc` may hide one that runs (`hidepid`, or a process that changed its user), or
 * be gone itself: the kernel is asked without it.
 */
function isNoProcess(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return codeOf(error) === 'ESRCH';
  }
}

/** Whether `/proc` is there, and counts processes as this process does: one of another PID namespace may be mounted. */
function numbersProcessesAsHere(procPath: string): boolean {
  try {
    return readlinkSync(`${procPath}/self`) === String(process.pid);
  } catch {
    return false;
  }
}

/** Whether a connection does not leave the machine. */
function isWithinMachine({ localAddress, remoteAddress }: ConnectionEnds): boolean {
  return remoteAddress !== undefined && remoteAddress === localAddress;
}
