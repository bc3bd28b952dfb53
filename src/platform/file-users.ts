import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { basename } from 'node:path';

/** A process that has a file open. */
export interface FileUser {
  readonly pid: number;
  /** Its command line; empty if that cannot be read. */
  readonly command: string;
}

/** Who has files open, on this machine. */
export interface FileUsers {
  readonly users: readonly FileUser[];
  /** How many processes could not be looked at: they belong to other users. `undefined` where the system does not tell: Linux alone does. */
  readonly unseen: number | undefined;
}

/**
 * Finds the processes of this machine, this one included, that have one of these files open, by whatever path.
 *
 * @param paths of files; those that are not there are open nowhere
 */
export function usersOf(paths: readonly string[], procPath = '/proc'): FileUsers {
  const pids = tryTo(() => readdirSync(procPath))?.filter((name) => /^\d+$/.test(name)) ?? [];
  if (pids.length === 0) return { users: [], unseen: undefined };
  const names = new Set(paths.map((path) => basename(path)));
  const marks = new Set(paths.map(markOf).filter((mark) => mark !== undefined));
  const isOne = (link: string): boolean => {
    // Most descriptors are sockets and the like. A path may differ from ours: by a link, a mount, a container.
    const target = tryTo(() => readlinkSync(link));
    return target !== undefined && names.has(basename(target)) && marks.has(markOf(link) ?? '');
  };
  const users: FileUser[] = [];
  let unseen = 0;
  for (const pid of pids) {
    const folder = `${procPath}/${pid}/fd`;
    const descriptors = tryTo(() => readdirSync(folder));
    if (descriptors === undefined) {
      // One that has ended meanwhile has nothing open.
      if (markOf(`${procPath}/${pid}`) !== undefined) unseen++;
    } else if (descriptors.some((descriptor) => isOne(`${folder}/${descriptor}`))) {
      users.push({ pid: Number(pid), command: commandOf(`${procPath}/${pid}`) });
    }
  }
  return { users, unseen };
}

/** Device and inode. */
function markOf(path: string): string | undefined {
  const found = tryTo(() => statSync(path, { bigint: true }));
  return found && `${found.dev}:${found.ino}`;
}

function commandOf(folder: string): string {
  return tryTo(() => readFileSync(`${folder}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()) ?? '';
}

function tryTo<T>(act: () => T): T | undefined {
  try {
    return act();
  } catch {
    return undefined;
  }
}
