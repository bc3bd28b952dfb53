import { mkdir, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { OwnerRecord } from '../../src/platform/owner-record.js';

/** A process of another machine, which may run still. */
const WORDS = '7.5.00000000-0000-0000-0000-000000000000.1';

/**
 * Leaves the record of a master on another machine that was started by hand: whoever wants its folder waits for 27 s.
 *
 * @param path of the record
 * @param serverId which run of the server at localhost:9163 it is at
 * @param changes what it says otherwise
 */
export async function leaveRecord(
  path: string,
  serverId: string,
  changes: Partial<OwnerRecord> = {},
): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, '');
  const { dev, ino } = await stat(path);
  const record = {
    version: 1,
    isManaged: false,
    file: `${dev}:${ino}`,
    id: 'far',
    process: WORDS,
    pid: 7,
    host: 'far',
    server: { id: serverId, process: WORDS, urls: ['localhost:9163'] },
    standsFor: 27_000,
    grace: 11_000,
    beat: 0,
    ...changes,
  };
  await writeFile(path, JSON.stringify(record));
}
