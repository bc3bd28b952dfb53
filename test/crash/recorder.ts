import fs, { statSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join, relative } from 'node:path';
import { type Change, Disk } from './disk.js';
import type { Synced } from './power-cut.js';

type Method = (...details: unknown[]) => unknown;

/** Where Node.js writes next in a file that is open, if it is not told where. */
interface OpenFile {
  readonly file: string;
  position: number;
  readonly isAppended: boolean;
}

/** Who watches the changes of files. */
export interface Watcher {
  /**
   * Is told of each change just before this process makes it.
   *
   * @throws {RefusedChange} if it is to fail
   */
  changing(change: Change): void;
  /** Is told of what was synced, when it was. */
  synced?(synced: Synced): void;
  /** The length of a file in bytes, when all has been done that was told of; `undefined` if there is none. */
  lengthOf(file: string): number | undefined;
  /** Whether what Node.js would have a thread do is done before the call returns, so that each change finds all those before it done. */
  readonly isAtOnce: boolean;
}

/** A change that fails: the disk is full. */
export class RefusedChange extends Error {
  readonly code = 'ENOSPC';
  readonly syscall = 'write';

  constructor() {
    super('ENOSPC: no space left on device, write');
  }
}

/**
 * Tells of each change of the files in a folder that only this process has open. Threads are given the changes in the order in which they
 * are told; with one thread (`UV_THREADPOOL_SIZE=1`), they make them in that order.
 */
export function recordChanges(folder: string, { changing, synced }: Recorder): void {
  const disk = Disk.of(folder);
  watchChanges(folder, {
    isAtOnce: false,
    lengthOf: (file) => disk.lengthOf(file),
    changing(change) {
      changing(change);
      disk.apply(change);
    },
    synced,
  });
}

/** How long a file in that folder is; `undefined` if there is none. */
export function lengthIn(folder: string): Watcher['lengthOf'] {
  return (file) => statSync(join(folder, file), { throwIfNoEntry: false })?.size;
}

/** Who writes down what happens. */
export type Recorder = Required<Pick<Watcher, 'changing' | 'synced'>>;

/**
 * Tells of each change of the files in a folder, just before this process makes it. All ways by which AceBase changes files
 * go through functions of Node.js, which it looks up at each call; what looks later than this (a client that is installed) is seen,
 * too. What goes through `fs.promises` is not.
 */
export function watchChanges(folder: string, watcher: Watcher): void {
  const open = new Map<number, OpenFile>();
  const within = (path: unknown): string | undefined => {
    if (typeof path !== 'string' || !path.startsWith(`${folder}/`)) return undefined;
    return relative(folder, path);
  };
  let changes = 0;
  const tell = (change: Change): void => {
    watcher.changing(change);
    changes += 1;
  };
  const isOpened = (path: unknown, flags: unknown): OpenFile | undefined => {
    const file = within(path);
    if (file === undefined) return undefined;
    const { isMade, isEmptied, isAppended } = meaningOf(flags);
    if (isEmptied || (isMade && watcher.lengthOf(file) === undefined)) tell({ kind: 'create', file });
    return { file, position: 0, isAppended };
  };
  const writes = (descriptor: unknown, bytes: Uint8Array, position: unknown): void => {
    const to = open.get(descriptor as number);
    if (to === undefined || bytes.length === 0) return;
    const next = (): number => (to.isAppended ? (watcher.lengthOf(to.file) ?? 0) : to.position);
    const at = typeof position === 'number' ? position : next();
    if (typeof position !== 'number') to.position = at + bytes.length;
    tell({ kind: 'write', file: to.file, position: at, bytes: Buffer.from(bytes) });
  };
  const before: Readonly<Record<string, (...details: never[]) => void>> = {
    write: (file: number, data: Uint8Array, offset?: number, length?: number, position?: number) =>
      writes(file, portion(data, offset, length), position),
    writeSync: (file: number, data: Uint8Array, offset?: number, length?: number, position?: number) =>
      writes(file, portion(data, offset, length), position),
    writev: (file: number, parts: readonly Uint8Array[], position?: number) =>
      writes(file, Buffer.concat(parts), position),
    ftruncate: (descriptor: number, length: number) => {
      const file = open.get(descriptor)?.file;
      if (file !== undefined) tell({ kind: 'resize', file, length });
    },
    ftruncateSync: (descriptor: number, length: number) => {
      const file = open.get(descriptor)?.file;
      if (file !== undefined) tell({ kind: 'resize', file, length });
    },
    truncate: (path: string, length: number) => {
      const file = within(path);
      if (file !== undefined) tell({ kind: 'resize', file, length });
    },
    writeFile: (path: string, bytes: Uint8Array) => {
      const file = within(path);
      if (file === undefined) return;
      tell({ kind: 'create', file });
      tell({ kind: 'write', file, position: 0, bytes: Buffer.from(bytes) });
    },
    rename: (path: string, to: string) => renamed(path, to),
    renameSync: (path: string, to: string) => renamed(path, to),
    rm: (path: string) => removed(path),
    unlink: (path: string) => removed(path),
    unlinkSync: (path: string) => removed(path),
    close: (descriptor: number) => void open.delete(descriptor),
    closeSync: (descriptor: number) => void open.delete(descriptor),
  };
  const renamed = (path: string, to: string): void => {
    const [file, target] = [within(path), within(to)];
    if (file !== undefined && target !== undefined) tell({ kind: 'rename', file, to: target });
  };
  const removed = (path: string): void => {
    const file = within(path);
    if (file !== undefined && watcher.lengthOf(file) !== undefined) tell({ kind: 'remove', file });
  };
  const replace = (name: string, by: (original: Method, details: unknown[]) => unknown): void => {
    const original = watcher.isAtOnce ? atOnce(name) : methodOf(name);
    Object.assign(fs, {
      [name](...details: unknown[]) {
        try {
          return by(original, details);
        } catch (error) {
          const callback = details.at(-1);
          if (!(error instanceof RefusedChange) || typeof callback !== 'function') throw error;
          return process.nextTick(callback, error);
        }
      },
    });
  };
  for (const [name, look] of Object.entries(before)) {
    replace(name, (original, details) => {
      (look as Method)(...details);
      return original(...details);
    });
  }
  for (const name of ['fsync', 'fdatasync']) {
    const begun = (descriptor: unknown): (() => void) => {
      const file = open.get(descriptor as number)?.file;
      const until = changes;
      return () => {
        if (file !== undefined) watcher.synced?.({ kind: 'synced', file, until });
      };
    };
    replace(`${name}Sync`, (original, [descriptor]) => {
      const done = begun(descriptor);
      original(descriptor);
      done();
    });
    replace(name, (original, [descriptor, callback]) => {
      const done = begun(descriptor);
      return original(descriptor, (error: unknown) => {
        if (error === null) done();
        (callback as Method)(error);
      });
    });
  }
  replace('open', (original, details) => {
    const [path, flags] = details;
    const opened = isOpened(path, typeof flags === 'function' ? 'r' : flags);
    const callback = details.at(-1);
    if (opened === undefined || typeof callback !== 'function') return original(...details);
    return original(...details.slice(0, -1), (error: unknown, descriptor: number) => {
      if (error === null) open.set(descriptor, opened);
      callback(error, descriptor);
    });
  });
  replace('openSync', (original, details) => {
    const [path, flags] = details;
    const opened = isOpened(path, flags);
    const descriptor = original(...details) as number;
    if (opened !== undefined) open.set(descriptor, opened);
    return descriptor;
  });
  syncBuiltinESMExports();
}

/** What flags say, as a text or as a number. */
function meaningOf(flags: unknown): Readonly<Record<'isMade' | 'isEmptied' | 'isAppended', boolean>> {
  if (typeof flags === 'number') {
    const has = (bit: number): boolean => (flags & bit) !== 0;
    const { O_CREAT, O_TRUNC, O_APPEND } = fs.constants;
    return { isMade: has(O_CREAT), isEmptied: has(O_TRUNC), isAppended: has(O_APPEND) };
  }
  const mode = String(flags ?? 'r');
  return { isMade: /^[wa]/.test(mode), isEmptied: mode.startsWith('w'), isAppended: mode.startsWith('a') };
}

function methodOf(name: string): Method {
  return Reflect.get(fs, name) as Method;
}

/** The same as a function of Node.js, but done before it returns; its callback is called later, as ever. */
function atOnce(name: string): Method {
  const original = methodOf(name);
  const sync = name.endsWith('Sync') ? original : methodOf(`${name}Sync`);
  return (...details) => {
    const callback = details.at(-1);
    if (typeof callback !== 'function') return original(...details);
    let results: unknown[];
    try {
      results = [null, sync(...details.slice(0, -1)), details[1]];
    } catch (error) {
      if (!(error instanceof Error && 'syscall' in error)) throw error;
      results = [error];
    }
    return setImmediate(callback as (...results: unknown[]) => void, ...results);
  };
}

function portion(data: Uint8Array | string, offset: unknown, length: unknown): Uint8Array {
  if (typeof data === 'string') return Buffer.from(data);
  const from = typeof offset === 'number' ? offset : 0;
  return data.subarray(from, typeof length === 'number' ? from + length : undefined);
}
