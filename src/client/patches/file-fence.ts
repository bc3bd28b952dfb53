/**
 * Keeps AceBase from its files while the lease of its process is not held (docs/PROTOCOL.md, section 14.11). All ways by which it
 * reads and changes files go through functions of Node.js, which it looks up at each call; so do its write streams. Other
 * files of the process are not touched.
 *
 * What all processes share, which is the header with the address of the root, the tables of keys and of free space, and the length of the
 * file, is written at once, in the turn of the check: a thread would do it some time later, and the process may have been stopped meanwhile.
 * It is also cheaper: some microseconds, for 64 KiB, too. So are short reads and writes of records, as long as the disk is quick.
 */

import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { setImmediate } from 'node:timers/promises';
import { IPCError } from '../../errors.js';
import { isSystemError } from '../../system-error.js';
import { inFull, writeFully } from './file-access.js';
import { RECORDS_AT } from './file-layout.js';
import { MAX_BYTES_AT_ONCE, type QuickDisk } from './quick-disk.js';

type Callback = (error: Error | null, ...results: unknown[]) => void;
type Method = (...details: unknown[]) => void;

/** Whether files may be used. */
export interface FileLease {
  readonly isHeld: boolean;
  /** Whether they may not, and waiting is in vain. */
  readonly isLost: boolean;
  /** How often it was lost: who has read something under it may not have read what was there then. */
  readonly losses: number;
  /** Calls `goOn` now, or when they may be used again; or `fail`, once, if that will not be. In the order of the calls. */
  whenHeld(goOn: () => void, fail: (error: Error) => void): void;
}

/** The files of one database, or of its transaction log, as one peer of this process has them open. */
export interface FencedFiles {
  /** The folder that they are in, as AceBase spells it. */
  readonly folder: string;
  /** The descriptor of the database file; `undefined` while it is not open. */
  descriptor(): number | undefined;
  /** All of these must be held. */
  readonly leases: readonly FileLease[];
}

/** A file that is open. */
interface OpenFile {
  readonly path: string;
  /** How much of what is to be done with it waits for a lease; and what is to be done then. */
  waiting: number;
  readonly closings: (() => void)[];
}

/** What is being changed in the files of one database. */
class Changes {
  /** How many of them threads are at work on. */
  byThreads = 0;
  #count = 0;
  readonly #waiting: (() => void)[] = [];

  /** Something is being changed. @returns the callback for it, which says that it is done */
  begin(): () => void {
    this.#count += 1;
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      this.#count -= 1;
      if (this.#count === 0) for (const done of this.#waiting.splice(0)) done();
    };
  }

  /** Resolves when nothing is being changed; `undefined` if nothing is. */
  ended(): Promise<void> | undefined {
    return this.#count === 0 ? undefined : this.#end();
  }

  async #end(): Promise<void> {
    while (this.#count > 0) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
      // Whoever waited for that may go on writing.
      await setImmediate();
    }
  }
}

/** What is done with a file that is open, by its descriptor. */
const BY_DESCRIPTOR = ['read', 'write', 'writev', 'ftruncate'] as const;

/** What is done with files by their names. */
const BY_PATH = ['open', 'writeFile', 'truncate', 'rename', 'rm', 'unlink'] as const;

/** The fence around the files of all databases of this process. */
export class FileFence {
  #fenced: readonly FencedFiles[] = [];
  readonly #changes = new WeakMap<FencedFiles, Changes>();
  readonly #open = new Map<number, OpenFile>();
  readonly #disk: Pick<QuickDisk, 'isQuick' | 'measure'>;
  #undo: (() => void)[] = [];

  constructor(disk: Pick<QuickDisk, 'isQuick' | 'measure'>) {
    this.#disk = disk;
  }

  /** These files are used under a lease from now on. @returns ends that */
  add(files: FencedFiles): () => void {
    this.#fenced = [...this.#fenced, files];
    this.#changes.set(files, new Changes());
    return () => {
      this.#fenced = this.#fenced.filter((other) => other !== files);
    };
  }

  /** Resolves when nothing is being changed in these files; `undefined` if nothing is. What waits for a lease is not. */
  written(files: FencedFiles): Promise<void> | undefined {
    return this.#changes.get(files)?.ended();
  }

  /** Puts itself between Node.js and whoever calls its functions for files. @returns what undoes it */
  patch(): () => void {
    for (const name of BY_DESCRIPTOR) {
      this.#replace(name, (original, [descriptor, ...rest]) => this.#use(name, original, descriptor, rest));
    }
    for (const name of BY_PATH)
      this.#replace(name, (original, details) => this.#change(name, original, details));
    this.#replace('close', (original, [descriptor, ...rest]) => this.#close(original, descriptor, rest));
    syncBuiltinESMExports();
    return () => {
      for (const undo of this.#undo.reverse()) undo();
      this.#undo = [];
      syncBuiltinESMExports();
    };
  }

  #use(name: (typeof BY_DESCRIPTOR)[number], original: Method, descriptor: unknown, rest: unknown[]): void {
    const file = this.#open.get(descriptor as number);
    const callback = rest.at(-1);
    if (file === undefined || typeof callback !== 'function') {
      original(descriptor, ...rest);
      return;
    }
    const owners = this.#ownersOf(file.path, descriptor as number);
    let hasWaited = false;
    const ended = (): void => {
      if (!hasWaited || --file.waiting > 0) return;
      for (const close of file.closings.splice(0)) close();
    };
    const isNow = underAll(
      owners,
      () => {
        const details = [descriptor, ...rest.slice(0, -1)];
        const isDatabase = owners.some((owner) => owner.descriptor() === descriptor);
        const isAtOnce = isDatabase && (isShared(name, rest) || this.#isQuick(name, owners, rest));
        const act = (by: Method, done: Callback): void => {
          if (isAtOnce) this.#disk.measure(() => atOnce(name, details, done));
          else by(...details, done);
        };
        const counted = throughout(owners, callback as Callback);
        // A thread that closes the file is not to overtake one that reads it.
        const over: Callback = (...results) => {
          ended();
          counted(...results);
        };
        if (name === 'read') act(original, over);
        else
          this.#changing(owners, over, (done) =>
            act(
              this.#byThread(name === 'write' ? inFull(whileHeld(original, owners)) : original, owners),
              done,
            ),
          );
      },
      (error) => {
        ended();
        (callback as Callback)(error);
      },
    );
    if (isNow) return;
    hasWaited = true;
    file.waiting += 1;
  }

  /** Whether it is short, and would not overtake what a thread writes. */
  #isQuick(name: (typeof BY_DESCRIPTOR)[number], owners: readonly FencedFiles[], rest: unknown[]): boolean {
    const isShort = isPlaced(rest) && (rest[2] as number) <= MAX_BYTES_AT_ONCE;
    if ((name !== 'read' && name !== 'write') || !isShort || !this.#disk.isQuick) return false;
    return name === 'read' || owners.every((owner) => this.#changes.get(owner)?.byThreads === 0);
  }

  /** Something is changed in files of these by a thread. */
  #byThread(original: Method, owners: readonly FencedFiles[]): Method {
    return (...details) => {
      const all = owners.map((owner) => this.#changes.get(owner)).filter((changes) => changes !== undefined);
      const callback = details.at(-1) as Callback;
      const done: Callback = (...results) => {
        for (const changes of all) changes.byThreads -= 1;
        callback(...results);
      };
      original(...details.slice(0, -1), done);
      for (const changes of all) changes.byThreads += 1;
    };
  }

  #change(name: (typeof BY_PATH)[number], original: Method, details: unknown[]): void {
    const [path] = details;
    const callback = details.at(-1);
    const isFenced = typeof path === 'string' && typeof callback === 'function' && this.#isFenced(path);
    if (!isFenced) {
      original(...details);
      return;
    }
    const owners = this.#ownersOf(path);
    const act = (): void => {
      if (name === 'open') this.#openFile(original, path, details, callback as Callback);
      else this.#changing(owners, callback as Callback, (done) => original(...details.slice(0, -1), done));
    };
    underAll(owners, act, callback as Callback);
  }

  /** Something is changed in files of these. What Node.js refuses by throwing is not under way. */
  #changing(owners: readonly FencedFiles[], callback: Callback, act: (done: Callback) => void): void {
    const ends = owners.map((owner) => this.#changes.get(owner)?.begin());
    const end = (): void => {
      for (const each of ends) each?.();
    };
    try {
      act((...results) => {
        // What goes on at once counts before this has ended.
        try {
          callback(...results);
        } finally {
          end();
        }
      });
    } catch (error) {
      end();
      throw error;
    }
  }

  #openFile(original: Method, path: string, details: unknown[], callback: Callback): void {
    const opened: Callback = (error, descriptor, ...rest) => {
      if (error === null) this.#open.set(descriptor as number, { path, waiting: 0, closings: [] });
      callback(error, descriptor, ...rest);
    };
    original(...details.slice(0, -1), opened);
  }

  #close(original: Method, descriptor: unknown, rest: unknown[]): void {
    const file = this.#open.get(descriptor as number);
    const close = (): void => {
      this.#open.delete(descriptor as number);
      original(descriptor, ...rest);
    };
    // What waits would go to the file that gets the number next.
    if (file !== undefined && file.waiting > 0) file.closings.push(close);
    else close();
  }

  #isFenced(path: string): boolean {
    return this.#fenced.some(({ folder }) => path.startsWith(`${folder}/`));
  }

  /** A database file is known by its descriptor: several peers of this process may have files in one folder. */
  #ownersOf(path: string, descriptor?: number): readonly FencedFiles[] {
    const isOwner = ({ folder, descriptor: its }: FencedFiles): boolean =>
      its() === descriptor && path.startsWith(`${folder}/`);
    // A number is given again when its file is closed; the storage that had it knows it still, if its peer has given up.
    const owner = descriptor === undefined ? undefined : this.#fenced.findLast(isOwner);
    if (owner !== undefined) return [owner];
    const all = this.#fenced.filter(({ folder }) => path.startsWith(`${folder}/`));
    // One that has given up is no reason to keep the next one out.
    const live = all.filter(({ leases }) => !leases.some(({ isLost }) => isLost));
    return live.length > 0 ? live : all;
  }

  #replace(name: string, by: (original: Method, details: unknown[]) => void): void {
    const original = Reflect.get(fs, name) as Method;
    const replacement: Method = (...details) => by(original, details);
    // With what util.promisify() looks for.
    Object.defineProperties(replacement, Object.getOwnPropertyDescriptors(original));
    Object.assign(fs, { [name]: replacement });
    this.#undo.push(() => Object.assign(fs, { [name]: original }));
  }
}

/** Does it when all leases are held at one time; `fail` is not called at once. @returns whether that is now */
function underAll(owners: readonly FencedFiles[], act: () => void, fail: (error: Error) => void): boolean {
  const lapsed = lapsedOf(owners);
  if (lapsed === undefined) {
    act();
    return true;
  }
  lapsed.whenHeld(
    () => void underAll(owners, act, fail),
    (error) => process.nextTick(fail, error),
  );
  return false;
}

function lapsedOf(owners: readonly FencedFiles[]): FileLease | undefined {
  for (const { leases } of owners) for (const lease of leases) if (!lease.isHeld) return lease;
  return undefined;
}

/** Whether that is a change of what all processes share. */
function isShared(name: (typeof BY_DESCRIPTOR)[number], rest: unknown[]): boolean {
  if (name === 'ftruncate') return true;
  return name === 'write' && isPlaced(rest) && (rest[3] as number) < RECORDS_AT;
}

/** Whether it says what, how much and where as AceBase does: with numbers. */
function isPlaced([, offset, length, position]: unknown[]): boolean {
  return [offset, length, position].every((detail) => typeof detail === 'number');
}

/** Does it now, and tells of it as Node.js does, in a moment. What that refuses by throwing, it refuses in the same way. */
function atOnce(name: (typeof BY_DESCRIPTOR)[number], details: unknown[], done: Callback): void {
  const [file, ...rest] = details as [file: number, ...rest: [Buffer, number, number, number]];
  let results: Parameters<Callback>;
  try {
    if (name === 'write') {
      const [buffer, offset, length, position] = rest;
      writeFully(file, buffer, position, offset, length);
      results = [null, length, buffer];
    } else if (name === 'read') results = [null, fs.readSync(file, ...rest), rest[0]];
    else {
      fs.ftruncateSync(file, ...(rest as unknown as [number]));
      results = [null];
    }
  } catch (error) {
    if (!isSystemError(error)) throw error;
    results = [error];
  }
  process.nextTick(done, ...results);
}

/**
 * What was read or written counts only if the leases were held all the time, or are held again by the same peers: a process may be stopped
 * between the check and what it does at once.
 */
function throughout(owners: readonly FencedFiles[], callback: Callback): Callback {
  const before = lossesOf(owners);
  return (...results) => {
    if (lossesOf(owners) !== before) callback(new IPCError('IPC_CLIENT_LEASE_LOST'));
    else underAll(owners, () => callback(...results), callback);
  };
}

/** Does something of which more may follow: that does only if {@link throughout} allows it. */
function whileHeld(original: Method, owners: readonly FencedFiles[]): Method {
  return (...details) => original(...details.slice(0, -1), throughout(owners, details.at(-1) as Callback));
}

function lossesOf(owners: readonly FencedFiles[]): number {
  let sum = 0;
  for (const { leases } of owners) for (const { losses } of leases) sum += losses;
  return sum;
}
