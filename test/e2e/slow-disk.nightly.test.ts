import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';
import type { AceBaseProcess } from '../support/acebase-process.js';
import { Cluster } from '../support/cluster.js';

const slowDisk = fileURLToPath(new URL('../support/slow-fs.cjs', import.meta.url));
/** Who waits for the master. */
const WORKERS = 2;
const name = (kind: string, number: number) => `${kind}_${number}`;

/** Records with keys of their own: each needs a place in the key table, and space in the file. */
async function writeRecords(worker: AceBaseProcess, kind: string): Promise<Record<string, unknown>> {
  const written: Record<string, unknown> = {};
  for (let number = 0; number < 8; number++) {
    const record = { [name(`${kind}Id`, number)]: number, [name(`${kind}Text`, number)]: kind.repeat(40) };
    written[name(kind, number)] = record;
    await worker.set(`records/${name(kind, number)}`, record);
  }
  return written;
}

/**
 * A master connects before its file is open, and works on whatever it is asked then: with an empty key table and an
 * empty table of free space, which it writes over the ones in the file. So the server lets it settle first.
 */
it('leaves the file whole when the master opens it slowly while workers wait', async () => {
  const cluster = await Cluster.start();
  onTestFinished(() => cluster.end());
  const [founder] = await cluster.form(0);
  const old = await writeRecords(founder, 'old');
  await cluster.close();

  const workers = Array.from({ length: WORKERS }, () => cluster.worker());
  await Promise.all(workers.map((worker) => worker.ready()));
  const waiting = Promise.all(workers.map((worker, n) => writeRecords(worker, n === 0 ? 'left' : 'right')));
  await Promise.all(workers.map((worker) => worker.untilSent('lock-request')));
  const master = cluster.master({ name: 'slow master', execArgv: ['--require', slowDisk] });
  const written = await waiting;
  await master.ready();

  const expected = Object.assign({}, old, ...written);
  for (const worker of workers) expect(await worker.get('records')).toEqual(expected);
  await cluster.close();
  const after = await cluster.reopened(async (file) => {
    // Space that was taken twice shows when more is written.
    const more = await writeRecords(file, 'more');
    return { found: await file.get('records'), more };
  });
  expect(after.found).toEqual({ ...expected, ...after.more });
});
