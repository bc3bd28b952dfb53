/** What tells one open file from another, on one machine (stat(2), statfs(2)). */

import { fstat, readFileSync, statfsSync } from 'node:fs';
import { stat, statfs } from 'node:fs/promises';
import { promisify } from 'node:util';

/** A file, as the kernel of its machine knows it. */
export interface FileMark {
  /** Names the machine and its run since it was booted, containers of it included; empty if that is not known. */
  readonly machine: string;
  /** Device and inode, in decimal: they may be longer than a number holds. */
  readonly device: string;
  readonly inode: string;
  /** Whether every mount of its file system shows these numbers. */
  readonly isLocal: boolean;
}

/** Linux says so for processes of all containers (random(4)). */
const BOOT_ID = '/proc/sys/kernel/random/boot_id';

/**
 * The types of file systems (statfs(2)) with one device number for all mounts: ext4, XFS, Btrfs, tmpfs, overlay, ZFS, F2FS,
 * bcachefs, JFS. Network file systems and FUSE have a number for each mount, and may number files as they like.
 */
const LOCAL_TYPES: ReadonlySet<number> = new Set([
  0xef53, 0x58465342, 0x9123683e, 0x01021994, 0x794c7630, 0x2fc12fc1, 0xf2f52010, 0xca451a4e, 0x3153464a,
]);

let machine: string | undefined;

/** The mark of what is at that path; `undefined` if nothing is, or it cannot be looked at. */
export async function fileMarkOf(path: string): Promise<FileMark | undefined> {
  try {
    const [{ dev, ino }, { type }] = await Promise.all([stat(path, { bigint: true }), statfs(path)]);
    return { machine: machineId(), device: String(dev), inode: String(ino), isLocal: isLocalType(type) };
  } catch {
    return undefined;
  }
}

/** Whether every mount of the file system of that path shows the same numbers of its files. @throws Error if nothing is there */
export function isOnLocalDisk(path: string): boolean {
  return isLocalType(statfsSync(path).type);
}

/** The mark of what this process has open under that number; `undefined` if that is nothing. */
export async function openFileMarkOf(descriptor: number): Promise<FileMark | undefined> {
  const mark = await fileMarkOf(`/proc/self/fd/${descriptor}`);
  if (mark !== undefined) return mark;
  // Not Linux, or without /proc.
  try {
    const { dev, ino } = await promisify(fstat)(descriptor, { bigint: true });
    return { machine: '', device: String(dev), inode: String(ino), isLocal: false };
  } catch {
    return undefined;
  }
}

/** Names this machine, and its run since it was booted, containers of it included; empty if that is not known. */
export function machineId(): string {
  machine ??= readMachineId();
  return machine;
}

function isLocalType(type: number): boolean {
  // Some types have the highest bit set.
  return LOCAL_TYPES.has(Number(BigInt.asUintN(32, BigInt(type))));
}

function readMachineId(): string {
  try {
    return readFileSync(BOOT_ID, 'latin1').trim();
  } catch {
    return '';
  }
}
