import fs from 'node:fs';
import { type Callback, replaceAll } from '../node-files.js';

/** The files through which AceBase makes an index: all values, batches of them in order, and all of these in order. */
const BUILD = /\.acebase[\\/][^\\/]+\.idx\.build(\.\d+|\.merge)?$/;

/** The first of them: AceBase listens to its errors until it is open. */
const FIRST = /\.build$/;

/** In the place of a descriptor where no file could be made. */
const NO_FILE = -1;

/** A build file that is open to be read and changed. */
interface OpenBuildFile {
  readonly path: string;
  error?: Error;
}

/**
 * AceBase makes an index through files which it writes by streams, without listening to their errors or waiting for all of its writes: on a full
 * disk that ends the process. Here neither fails. What could not be written is remembered, and AceBase is told of it when it opens the file to read
 * it, or closes it: then making the index fails, and nothing else does.
 *
 * @returns undoes it
 */
export function failIndexesAfterFailedStreams(): () => void {
  const failures = new Map<string, Error>();
  const open = new Map<unknown, OpenBuildFile>();
  const { createWriteStream } = fs;
  fs.createWriteStream = (path, options) => {
    if (typeof path !== 'string' || typeof options !== 'object' || !BUILD.test(path))
      return createWriteStream(path, options);
    failures.delete(path);
    const failed = (error: Error): void => void failures.set(path, error);
    return createWriteStream(path, { ...options, fs: unfailing(failed, FIRST.test(path)) });
  };
  const undo = replaceAll({
    open(original, path, flags, ...details) {
      const callback = details.at(-1);
      if (typeof path !== 'string' || typeof callback !== 'function' || !BUILD.test(path)) {
        original(path, flags, ...details);
        return;
      }
      const failure = failures.get(path);
      if (failure !== undefined && String(flags).startsWith('r')) {
        fs.unlink(path, () => callback(incomplete(path, failure)));
        return;
      }
      original(path, flags, ...details.slice(0, -1), (error: Error | null, file: unknown) => {
        if (error === null && flags === 'r+') open.set(file, { path });
        callback(error, file);
      });
    },
    write(original, file, ...details) {
      const its = open.get(file);
      if (its === undefined) {
        original(file, ...details);
        return;
      }
      const [buffer, , length] = details;
      const callback = details.at(-1) as Callback;
      original(file, ...details.slice(0, -1), (error: Error | null, ...results: unknown[]) => {
        if (error !== null) its.error = error;
        callback(null, ...(error === null ? results : [length, buffer]));
      });
    },
    close(original, file, ...details) {
      const its = open.get(file);
      open.delete(file);
      if (its?.error === undefined) {
        original(file, ...details);
        return;
      }
      const why = incomplete(its.path, its.error);
      original(file, () => (details.at(-1) as Callback | undefined)?.(why));
    },
    unlink(original, path, ...details) {
      failures.delete(path as string);
      original(path, ...details);
    },
  });
  return () => {
    fs.createWriteStream = createWriteStream;
    undo();
  };
}

/** Without the code of its cause: to AceBase, some codes mean that all is well. */
function incomplete(path: string, cause: Error): Error {
  return new Error(`${path} could not be written: ${cause.message}`, { cause });
}

/**
 * What a stream does with its file, as functions of Node.js that never fail.
 *
 * @param failed called once, with the first error
 * @param mayNotOpen whether it is an error, still, if the file cannot be made
 */
function unfailing(failed: (error: Error) => void, mayNotOpen: boolean): typeof fs {
  let hasFailed = false;
  const fail = (error: Error): void => {
    if (!hasFailed) failed(error);
    hasFailed = true;
  };
  const open = (path: string, flags: string, mode: number, callback: Callback): void =>
    fs.open(path, flags, mode, (error, file) => {
      if (error === null || mayNotOpen) callback(error, file);
      else {
        fail(error);
        callback(null, NO_FILE);
      }
    });
  const write = (file: number, bytes: Buffer, ...rest: [number, number, number, Callback]): void => {
    const [offset, length, position, callback] = rest;
    if (hasFailed) process.nextTick(callback, null, length, bytes);
    else
      fs.write(file, bytes, offset, length, position, (error, written) => {
        if (error !== null) fail(error);
        callback(null, error === null ? written : length, bytes);
      });
  };
  const writev = (file: number, parts: Buffer[], position: number, callback: Callback): void => {
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    if (hasFailed) process.nextTick(callback, null, length, parts);
    else
      fs.writev(file, parts, position, (error, written) => {
        if (error !== null) fail(error);
        callback(null, error === null ? written : length, parts);
      });
  };
  const close = (file: number, callback: Callback): void => {
    if (file === NO_FILE) process.nextTick(callback, null);
    else
      fs.close(file, (error) => {
        if (error !== null && error !== undefined) fail(error);
        callback(null);
      });
  };
  return { open, write, writev, close } as unknown as typeof fs;
}
