import { fileURLToPath } from 'node:url';
import { afterEach, expect, it } from 'vitest';
import type { AceBaseProcess } from '../../support/acebase-process.js';
import { Cluster } from '../../support/cluster.js';
import { itInFull } from '../../support/in-full.js';

const slowDisk = fileURLToPath(new URL('../../support/slow-fs.cjs', import.meta.url));

let cluster: Cluster | undefined;

afterEach(async () => {
  await cluster?.end();
  cluster = undefined;
});

/** How many of 20 queries miss what is there throughout, while its value changes. The master takes its time to write to the index. */
async function missed(client: boolean, isOfWriter = false): Promise<number> {
  cluster = await Cluster.start();
  const env = { SLOW_FS_FILES: '\\.idx$', SLOW_FS_CALLS: 'write', SLOW_FS_MILLISECONDS: '20' };
  const master = cluster.master({ client, env, execArgv: ['--require', slowDisk] });
  const writer = cluster.worker({ client });
  const reader = isOfWriter ? writer : cluster.worker({ client });
  await master.set('items', { a: { n: 0 }, b: { n: 5 }, c: { n: 7 } });
  await master.createIndex('items', 'n');
  let isOver = false;
  const writing = write(writer, () => isOver);
  let count = 0;
  for (let times = 0; times < 20; times++) {
    const found = await reader.query('items', [['n', '>', -1]]);
    if (!found.some(({ key }) => key === 'a')) count += 1;
    // At any time of a write; and it does not hold the lock of its last read any more.
    await new Promise((resolve) => setTimeout(resolve, 10 + ((times * 7) % 60)));
  }
  isOver = true;
  await writing;
  return count;
}

async function write(writer: AceBaseProcess, isOver: () => boolean): Promise<void> {
  for (let n = 1; !isOver(); n++) await writer.set('items/a', { n });
}

it('a query by an index finds what is there throughout, while its value changes', async () => {
  expect(await missed(true)).toBe(0);
});

it('so does one of the process that changes it', async () => {
  expect(await missed(true, true)).toBe(0);
});

itInFull('it does not with stock clients', async () => {
  expect(await missed(false)).toBeGreaterThan(0);
});
