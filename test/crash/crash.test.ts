import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { removeDirectory, temporaryDirectory } from '../support/temporary-directory.js';
import { campaign, record } from './campaign.js';
import { Disk } from './disk.js';
import { isChange, loadTrace } from './trace.js';

const OPERATIONS = 40;

let folder: string | undefined;
afterEach(async () => {
  if (folder !== undefined) await removeDirectory(folder);
  folder = undefined;
});

describe('the crash sweep', () => {
  it('notes each change of the files: what it makes of them is what the process has left', async () => {
    folder = await temporaryDirectory('recorded');
    const order = {
      folder: join(folder, 'files'),
      trace: join(folder, 'trace'),
      seed: 3,
      operations: OPERATIONS,
      isLogged: true,
    };
    await mkdir(order.folder);
    await record(order);
    const disk = new Disk();
    for (const event of loadTrace(order.trace)) if (isChange(event)) disk.apply(event);
    expect([...disk.files.keys()].sort()).toEqual(
      expect.arrayContaining([
        'mydb.acebase/data.db',
        'mydb.acebase/transaction.db',
        'mydb.acebase/items-n.idx',
      ]),
    );
    for (const [file, bytes] of disk.files) {
      expect(bytes.equals(await readFile(join(order.folder, file))), file).toBe(true);
    }
  });

  it('finds nothing where there was no crash', async () => {
    const end = { change: Number.MAX_SAFE_INTEGER, isHalf: false };
    const { verdicts } = await sweep([end]);
    expect(verdicts).toMatchObject([{ outcome: 'clean', faults: [] }]);
  });

  it('finds nothing wrong with the journal of the client, wherever the process is killed', async () => {
    const settings = { seed: 3, operations: 20, every: 90, isLogged: true, journal: 'process' } as const;
    const { verdicts } = await campaign(settings);
    expect(verdicts.length).toBeGreaterThan(8);
    expect(verdicts.filter(({ outcome }) => outcome !== 'clean')).toEqual([]);
  });

  it('finds nothing wrong with it right after a file was made, before anything else is written', async () => {
    const points = [4, 6, 8, 12].map((change) => ({ change, isHalf: false }));
    const { verdicts } = await campaign({
      seed: 7,
      operations: 10,
      every: 1,
      isLogged: false,
      journal: 'process',
      points,
    });
    expect(verdicts.map(({ outcome }) => outcome)).toEqual(points.map(() => 'clean'));
  });

  it('finds what AceBase does not survive: a file that was being made, and a table that was being written', async () => {
    const { verdicts } = await sweep([{ change: 1, isHalf: true }]);
    expect(verdicts).toMatchObject([{ outcome: 'unreadable' }]);
  });
});

function sweep(points: Parameters<typeof campaign>[0]['points'] & object) {
  return campaign({ seed: 3, operations: OPERATIONS, every: 1, isLogged: false, points });
}
