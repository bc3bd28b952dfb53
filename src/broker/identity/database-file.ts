import type { DatabaseFile } from '../../protocol/file-identity.js';

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
