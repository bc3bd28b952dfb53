/** The tables of connections that Linux keeps, `/proc/net/tcp` and `tcp6` (proc(5)). */

import { createReadStream } from 'node:fs';

/** What is read of a table at one time, in bytes: no more is worked off without a pause. */
const CHUNK_BYTES = 64 * 1024;

/** The ports of both ends of a connection, of one table's line: `sl: address:port address:port …`, in hexadecimal. */
const PORTS = /^ *\d+: [0-9A-F]+:([0-9A-F]{4}) [0-9A-F]+:([0-9A-F]{4}) /;

/** The field of a line that holds the inode of the socket; 0 for one that no process has any more. */
const INODE_FIELD = 9;
const NO_INODE = '0';

/** Two ports, as they are looked for. */
export function portPair(own: number, other: number): string {
  return `${hex(own)}:${hex(other)}`;
}

/**
 * The sockets with those ports. A table may be long: it is read in pieces, and others get their turn in between.
 *
 * @param paths of the tables; what cannot be read holds nothing
 * @param wanted pairs of ports, as {@link portPair} makes them
 * @param maxBytes the most that is read of each
 * @returns the inodes of the sockets of each pair; `undefined` if a table is longer
 */
export async function socketsByPorts(
  paths: readonly string[],
  wanted: ReadonlySet<string>,
  maxBytes: number,
): Promise<ReadonlyMap<string, readonly string[]> | undefined> {
  const found = new Map<string, string[]>();
  const take = (line: string): void => {
    const [, own, other] = PORTS.exec(line) ?? [];
    const pair = `${own}:${other}`;
    if (!wanted.has(pair)) return;
    const inode = line.trim().split(/\s+/)[INODE_FIELD];
    if (inode !== undefined && inode !== NO_INODE) found.set(pair, [...(found.get(pair) ?? []), inode]);
  };
  for (const path of paths) if (!(await eachLine(path, maxBytes, take))) return undefined;
  return found;
}

/** @returns false if there is more than `maxBytes` */
async function eachLine(path: string, maxBytes: number, take: (line: string) => void): Promise<boolean> {
  const file = createReadStream(path, { encoding: 'latin1', highWaterMark: CHUNK_BYTES });
  let bytes = 0;
  let rest = '';
  try {
    for await (const chunk of file as AsyncIterable<string>) {
      bytes += chunk.length;
      if (bytes > maxBytes) return false;
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) take(line);
    }
  } catch {
    // It belongs to somebody else, or this kernel has no such table.
  }
  return true;
}

function hex(port: number): string {
  return port.toString(16).toUpperCase().padStart(4, '0');
}
