/**
 * What file-writes.ts and opening.ts do, where AceBase's own functions for files cannot be reached: with those of Node.js,
 * and so for every file of the process. AceBase looks them up at each call.
 */

import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import type { HeldFiles } from './opening.js';

type Callback = (error: Error | null, ...results: unknown[]) => void;
type Method = (...details: unknown[]) => void;
type Name = 'write' | 'close' | 'open' | 'mkdir';

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
  const undo = [
    replace('write', (write, file, ...rest) => {
      const callback = rest.pop() as Callback;
      const it = underWay.get(file) ?? { writes: 0, closings: [] };
      // What Node.js refuses at once, by throwing, is not under way.
      write(file, ...rest, (...results: Parameters<Callback>) => {
        ended(file);
        callback(...results);
      });
      it.writes++;
      underWay.set(file, it);
    }),
    replace('close', (close, file, ...rest) => {
      const it = isOn() ? underWay.get(file) : undefined;
      if (it === undefined) close(file, ...rest);
      else it.closings.push(() => close(file, ...rest));
    }),
  ];
  return () => {
    for (const each of undo) each();
  };
}

/** Opens files, and makes folders, when those that are held may be. @returns what undoes it */
export function holdAllFiles(held: HeldFiles): () => void {
  const when = (accepted: Promise<void> | undefined, act: () => void): void => {
    if (accepted === undefined) act();
    else void accepted.then(act);
  };
  const undo = [
    replace('open', (open, path, ...rest) => when(held.opening(path), () => open(path, ...rest))),
    replace('mkdir', (mkdir, path, ...rest) => when(held.making(path), () => mkdir(path, ...rest))),
  ];
  return () => {
    for (const each of undo) each();
  };
}

function replace(name: Name, by: (original: Method, ...details: unknown[]) => void): () => void {
  const original = fs[name] as unknown as Method;
  const replacement: Method = (...details) => by(original, ...details);
  // With what util.promisify() looks for.
  Object.defineProperties(replacement, Object.getOwnPropertyDescriptors(original));
  Object.assign(fs, { [name]: replacement });
  syncBuiltinESMExports();
  return () => {
    Object.assign(fs, { [name]: original });
    syncBuiltinESMExports();
  };
}
