/**
 * What file-writes.ts, write-order.ts and opening.ts do, where AceBase's own functions for files cannot be reached: with those of Node.js,
 * and so for every file of the process. AceBase looks them up at each call.
 */

import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import type { RemoteIPCPeer } from '../acebase.js';
import type { HeldFiles } from './opening.js';
import { type PlacedWrites, writeInOrder } from './write-order.js';

/** What Node.js calls when it is done. */
export type Callback = (error: Error | null, ...results: unknown[]) => void;

type Method = (...details: unknown[]) => void;

type Name =
  | 'read'
  | 'write'
  | 'ftruncate'
  | 'fsync'
  | 'close'
  | 'open'
  | 'mkdir'
  | 'rename'
  | 'unlink'
  | 'rm';

/** Writes to one place of a file in order: right for any other user of it, too. @returns what undoes it */
export function writeAllInOrder(isOn: () => boolean): () => void {
  const { write, ftruncate } = fs;
  const asPromise =
    (method: Method) =>
    (...details: unknown[]): Promise<unknown> =>
      new Promise((resolve, reject) => {
        method(...details, (error: unknown, bytesWritten: unknown, buffer: unknown) => {
          if (error) reject(error);
          else resolve({ bytesWritten, buffer });
        });
      });
  const ordered: PlacedWrites = {
    write: asPromise(write as unknown as Method),
    ftruncate: asPromise(ftruncate as unknown as Method),
  };
  writeInOrder(ordered, isOn);
  // Not within a promise: what a callback throws is to be seen as ever.
  const tell = (doing: Promise<unknown>, callback: Callback): void =>
    void doing.then(
      (result) => {
        const { bytesWritten, buffer } = result as { bytesWritten: unknown; buffer: unknown };
        process.nextTick(callback, null, bytesWritten, buffer);
      },
      (error: unknown) => process.nextTick(callback, error),
    );
  return replaceAll({
    write(original, file, ...rest) {
      const [, offset, length, place, callback] = rest;
      const isPlaced = [offset, length, place].every((detail) => typeof detail === 'number');
      if (!isOn() || !isPlaced || typeof callback !== 'function') original(file, ...rest);
      else tell(ordered.write(file as number, ...rest.slice(0, -1)), callback as Callback);
    },
    ftruncate(original, file, ...rest) {
      const [length, callback] = rest;
      if (!isOn() || typeof length !== 'number' || typeof callback !== 'function') original(file, ...rest);
      else tell(ordered.ftruncate(file as number, length), callback as Callback);
    },
  });
}

/** What AceBase closes where there is no file, instead of nothing: any other program that closes nothing is told so, as ever. */
const NEVER_OPENED = Symbol('never opened');

/**
 * AceBase closes its file as it exits, also one that was never opened, and logs an error then. Here it closes {@link NEVER_OPENED}.
 * To be called while the peer is made: before AceBase listens for its exit.
 */
export function closeNothingUnopened(peer: RemoteIPCPeer): void {
  void peer.once('exit', () => {
    const { storage } = peer;
    if (storage.file !== undefined) return;
    Reflect.set(storage, 'file', NEVER_OPENED);
    queueMicrotask(() => Reflect.set(storage, 'file', undefined));
  });
}

/**
 * Closes a file when all that is being written to it has ended: right for any other user of it, too.
 *
 * @param isOn whether to wait now
 * @returns what undoes it
 */
export function closeAllAfterWrites(isOn: () => boolean): () => void {
  const underWay = new Map<unknown, { writes: number; readonly closings: (() => void)[] }>();
  const ended = (file: unknown): void => {
    const it = underWay.get(file);
    if (it === undefined || --it.writes > 0) return;
    underWay.delete(file);
    for (const closing of it.closings) closing();
  };
  return replaceAll({
    write(write, file, ...rest) {
      const callback = rest.pop() as Callback;
      const it = underWay.get(file) ?? { writes: 0, closings: [] };
      // What Node.js refuses at once, by throwing, is not under way.
      write(file, ...rest, (...results: Parameters<Callback>) => {
        ended(file);
        callback(...results);
      });
      it.writes++;
      underWay.set(file, it);
    },
    close(close, file, ...rest) {
      if (file === NEVER_OPENED) {
        process.nextTick(rest.at(-1) as Callback, null);
        return;
      }
      const it = isOn() ? underWay.get(file) : undefined;
      if (it === undefined) close(file, ...rest);
      else it.closings.push(() => close(file, ...rest));
    },
  });
}

/** Opens files, and makes folders, when those that are held may be. @returns what undoes it */
export function holdAllFiles(held: HeldFiles): () => void {
  const when = (accepted: Promise<void> | undefined, act: () => void): void => {
    if (accepted === undefined) act();
    else void accepted.then(act);
  };
  return replaceAll({
    open: (open, path, ...rest) => when(held.opening(path), () => open(path, ...rest)),
    mkdir: (mkdir, path, ...rest) => when(held.making(path), () => mkdir(path, ...rest)),
  });
}

/** Puts functions in the place of those of Node.js, which they are given first. @returns what undoes it */
export function replaceAll(
  replacements: Readonly<Partial<Record<Name, (original: Method, ...details: unknown[]) => void>>>,
): () => void {
  const originals = Object.entries(replacements).map(([name, by]) => {
    const original = fs[name as Name] as unknown as Method;
    const replacement: Method = (...details) => by(original, ...details);
    // With what util.promisify() looks for.
    Object.defineProperties(replacement, Object.getOwnPropertyDescriptors(original));
    Object.assign(fs, { [name]: replacement });
    return [name, original];
  });
  syncBuiltinESMExports();
  return () => {
    Object.assign(fs, Object.fromEntries(originals));
    syncBuiltinESMExports();
  };
}
