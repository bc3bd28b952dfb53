import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { Cluster } from './cluster.js';

const preload = fileURLToPath(new URL('unordered-tables.cjs', import.meta.url));

/**
 * Has a worker write twice while older tables of free space and keys land on newer ones, and the master end when all is
 * written.
 *
 * @param milliseconds that a table is late; the second write must fit in
 * @returns the records that were taken, as the master had it and as its file has it; what was written, and what can be read
 */
export async function writeOnUnorderedDisk(client: boolean, milliseconds: number) {
  const cluster = await Cluster.start();
  onTestFinished(() => cluster.end());
  const env = { UNORDERED_MS: String(milliseconds) };
  const master = cluster.master({ client, execArgv: ['--require', preload], env });
  await master.ready();
  const worker = cluster.worker({ client });
  await worker.ready();
  const written: Record<string, object> = {};
  for (const name of ['first', 'second']) {
    written[name] = { number: 1, words: 'x'.repeat(100), others: 'y'.repeat(100) };
    await worker.set(`records/${name}`, written[name]);
  }
  // Before it gives back the space that it has at hand: the table would be written once more.
  await worker.kill();
  await master.command('pause', { milliseconds: 4 * milliseconds });
  const taken = await master.command<number>('takenRecords', {});
  await master.kill();
  return await cluster.reopened(async (file) => ({
    taken,
    takenInFile: await file.command<number>('takenRecords', {}),
    written,
    found: await file.get<object>('records'),
  }));
}
