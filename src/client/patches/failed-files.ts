import fs from 'node:fs';
import { inFull } from './file-access.js';
import { type Callback, replaceAll } from './node-files.js';

/** Files that AceBase makes beside a database, and reads, or gives another name, when they are complete: trees, and indexes. */
const MADE = /\.acebase[\\/][^\\/]+\.(tmp|idx)$/;

/** A file that is being made. */
interface MadeFile {
  readonly path: string;
  /** Why it is not as it should be. */
  error?: Error;
}

/**
 * When AceBase makes a tree or an index, and a write to its file fails, it says so on standard error, and goes on: what it copies into the database
 * then, or puts in the place of the former index, has a hole. Here all that comes next with such a file fails, too.
 *
 * @returns what undoes it
 */
export function failAfterFailedWrites(): () => void {
  const files = new Map<unknown, MadeFile>();
  /** Those that are closed by now. */
  const failed = new Map<unknown, Error>();
  const unlessFailed = (error: Error | undefined, callback: unknown, act: () => void): void => {
    if (error === undefined) act();
    else process.nextTick(callback as Callback, error);
  };
  const whenWhole = (original: (...details: unknown[]) => void, ...details: unknown[]): void =>
    unlessFailed(files.get(details[0])?.error, details.at(-1), () => original(...details));
  return replaceAll({
    open(open, ...details) {
      const [path, flags] = details;
      const callback = details.at(-1);
      if (typeof callback !== 'function') {
        open(...details);
        return;
      }
      const isMade = typeof path === 'string' && MADE.test(path) && String(flags).startsWith('w');
      open(...details.slice(0, -1), (error: Error | null, file: unknown) => {
        if (error === null) {
          files.delete(file);
          if (isMade) {
            files.set(file, { path });
            failed.delete(path);
          }
        }
        callback(error, file);
      });
    },
    write(write, file, ...details) {
      const made = files.get(file);
      if (made === undefined) {
        write(file, ...details);
        return;
      }
      const callback = details.pop() as Callback;
      inFull(write)(file, ...details, (error: Error | null, ...results: unknown[]) => {
        if (error !== null) made.error = error;
        callback(error, ...results);
      });
    },
    read(read, file, ...details) {
      const made = files.get(file);
      if (made?.error === undefined) {
        read(file, ...details);
        return;
      }
      // Whoever is told that closes it no more, nor removes it.
      const { path, error } = made;
      fs.close(file as number, () => fs.unlink(path, () => (details.at(-1) as Callback)(error)));
    },
    fsync: whenWhole,
    close(close, file, ...details) {
      const made = files.get(file);
      files.delete(file);
      if (made?.error === undefined) {
        close(file, ...details);
        return;
      }
      const { path, error } = made;
      failed.set(path, error);
      close(file, () => (details.at(-1) as Callback | undefined)?.(error));
    },
    rename: (rename, path, ...details) =>
      unlessFailed(failed.get(path), details.at(-1), () => rename(path, ...details)),
    unlink(unlink, path, ...details) {
      failed.delete(path);
      unlink(path, ...details);
    },
    rm(rm, path, ...details) {
      failed.delete(path);
      rm(path, ...details);
    },
  });
}
