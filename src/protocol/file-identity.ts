/** The words of the folder check between the server and a client that can `identify` [PROTOCOL-14.9]. */

import { encode, IDENTITY } from './frames.js';
import { jsonOf } from './messages.js';

/** A database file that a process has open, as the kernel of its machine knows it. */
export interface DatabaseFile {
  /** Names the machine and its run since it was booted; empty if that is not known. */
  readonly machine: string;
  /** Device and inode, in decimal. */
  readonly device: string;
  readonly inode: string;
  /**
   * Whether every mount of its file system shows these numbers. Network file systems and FUSE may show others for the same file
   * in each mount.
   */
  readonly isLocal: boolean;
  /** The folder it is in, for people to read. */
  readonly folder: string;
}

/** What a client is asked to do. */
export type FolderRequest =
  /** To write a nonce into a new file beside its database file. */
  | { readonly id: number; readonly ask: 'write' }
  /** To read that file, in its own folder. */
  | { readonly id: number; readonly ask: 'read'; readonly name: string }
  /** To say which file it has. */
  | { readonly id: number; readonly ask: 'tell' }
  /** To remove the file that it wrote. Not answered. */
  | { readonly id: number; readonly ask: 'remove' };

/** What a client answers. */
export interface FolderAnswer {
  readonly id: number;
  /** The folder of its database file, as a full path. */
  readonly folder: string;
  /** The name of its machine. */
  readonly host: string;
  /** Its database file: the one that it has open, else the one at its path; `undefined` if there is none. */
  readonly file: Omit<DatabaseFile, 'folder'> | undefined;
  /** Whether another file is at its path than the one that it has open. */
  readonly isReplaced: boolean;
  /** The file that it wrote, and what is in it. */
  readonly written: { readonly name: string; readonly nonce: string } | undefined;
  /** What it read; `null` if there is no such file. */
  readonly read: string | null | undefined;
  /** Why it could do neither: the code of a system error. */
  readonly problem: string | undefined;
}

/** The longest answer, in bytes. */
const MAX_ANSWER_BYTES = 8_192;

/** The longest text in an answer, in UTF-16 units. */
const MAX_TEXT = 1_024;

/** `identify:{…}`. */
export function identify(request: FolderRequest): Uint8Array {
  return encode(`identify:${JSON.stringify(request)}`);
}

/** `accepted`: the client takes part. */
export const ACCEPTED = encode('accepted');

/** `refused:{…}`: it does not, and must not come again. The client has the remedy in its own table of errors. */
export function refused(code: string, message: string): Uint8Array {
  return encode(`refused:${JSON.stringify({ code, message })}`);
}

/** Reads an answer. @returns `undefined` if it is malformed */
export function parseAnswer(frame: Uint8Array): FolderAnswer | undefined {
  if (frame.length > MAX_ANSWER_BYTES) return undefined;
  const parsed = jsonOf(frame.subarray(IDENTITY.length));
  const { id, folder, host, file, isReplaced, written, read, problem } = recordOf(parsed);
  if (typeof id !== 'number' || !Number.isSafeInteger(id)) return undefined;
  const { name, nonce } = recordOf(written);
  return {
    id,
    folder: printable(folder),
    host: printable(host),
    file: fileOf(file),
    isReplaced: isReplaced === true,
    written: typeof name === 'string' && typeof nonce === 'string' ? { name, nonce } : undefined,
    read: read === null || typeof read === 'string' ? read : undefined,
    problem: typeof problem === 'string' ? printable(problem) : undefined,
  };
}

function fileOf(value: unknown): FolderAnswer['file'] {
  const { machine, device, inode, isLocal } = recordOf(value);
  if (typeof machine !== 'string' || typeof device !== 'string' || typeof inode !== 'string')
    return undefined;
  return { machine, device, inode, isLocal: isLocal === true };
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
}

/** What is printed for people: terminals obey control characters. */
export function printable(value: unknown): string {
  return typeof value === 'string' ? value.slice(0, MAX_TEXT).replaceAll(/\p{Cc}/gu, '·') : '';
}

/** What the numbers say of two files that are open at the same time. */
export type Comparison = 'same' | 'different' | 'unknown';

/**
 * Compares two files that are both open: the inode of an open file is given to no other one. Numbers of two machines say nothing:
 * clones of a disk have equal ones, and mounts of one share have different ones.
 */
export function compareFiles(one: DatabaseFile, other: DatabaseFile): Comparison {
  if (one.machine === '' || one.machine !== other.machine) return 'unknown';
  if (one.device === other.device && one.inode === other.inode) return 'same';
  return one.isLocal && other.isLocal ? 'different' : 'unknown';
}

/**
 * Compares what two processes have open. A process may have several files of one name open: then it is not known which of them a
 * connection is for.
 */
export function compareAll(ones: readonly DatabaseFile[], others: readonly DatabaseFile[]): Comparison {
  const all = ones.flatMap((one) => others.map((other) => compareFiles(one, other)));
  if (all.includes('same')) return 'same';
  return all.length > 0 && all.every((each) => each === 'different') ? 'different' : 'unknown';
}
