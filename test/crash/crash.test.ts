import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { isInFull, itInFull } from '../support/in-full.js';
import { removeDirectory, temporaryDirectory } from '../support/temporary-directory.js';
import { campaign } from './campaign.js';
import { Disk } from './disk.js';
import { fullDiskCampaign, killCampaign } from './other-ends.js';
import { record } from './subject-process.js';
import { isChange, loadTrace } from './trace.js';
import type { CrashPoint } from './verdict.js';

const OPERATIONS = 25;

let folder: string | undefined;
afterEach(async () => {
  if (folder !== undefined) await removeDirectory(folder);
  folder = undefined;
});

describe('the crash sweep', () => {
  itInFull('notes each change of the files: what it makes of them is what the process has left', async () => {
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

  itInFull(
    'finds nothing where there was no crash, and what AceBase does not survive: a file that was being made',
    async () => {
      const points = [...pointsAt(Number.MAX_SAFE_INTEGER), { change: 1, isHalf: true }];
      const settings = { seed: 3, operations: 10, every: 1, isLogged: false, points };
      const { verdicts } = await campaign(settings);
      expect(verdicts).toMatchObject([{ outcome: 'unreadable' }, { outcome: 'clean', faults: [] }]);
    },
  );

  it('finds nothing wrong with the journal of the client, wherever the process is killed', async () => {
    const points = [...pointsAt(6), { change: 250, isHalf: true }];
    const settings = { seed: 3, operations: 20, every: 1, isLogged: true, points } as const;
    const { verdicts } = await campaign({ ...settings, journal: 'process' });
    expect(verdicts).toHaveLength(2);
    expect(verdicts.filter(({ outcome }) => outcome !== 'clean')).toEqual([]);
  });

  it('finds nothing wrong where the process is really killed, or the disk is full', async () => {
    const settings = { seed: 7, operations: 6, isLogged: false, journal: 'process' } as const;
    const reports = [
      await killCampaign(settings, 1),
      // In the log of transactions: what was acknowledged is there all the same.
      await fullDiskCampaign({ ...settings, isLogged: true, points: pointsAt(92) }, 1),
    ];
    const verdicts = reports.flatMap((report) => report.verdicts);
    expect(verdicts.length).toBeGreaterThan(1);
    expect(verdicts.filter(({ outcome }) => outcome !== 'clean')).toEqual([]);
  });

  it('finds nothing wrong with the journal that is to outlive it where the power was cut', async () => {
    const points = [{ change: 180, isHalf: false, loss: 1 }];
    const settings = { seed: 7, operations: 15, every: 1, isLogged: false, points } as const;
    const { verdicts } = await campaign({ ...settings, journal: 'power' });
    expect(verdicts).toHaveLength(points.length);
    expect(verdicts.filter(({ outcome }) => outcome !== 'clean')).toEqual([]);
    if (!isInFull) return;
    // One that syncs nothing does not.
    const { verdicts: without } = await campaign({ ...settings, journal: 'process' });
    expect(without.map(({ outcome }) => outcome)).not.toContain('clean');
  });
});

function pointsAt(...changes: number[]): CrashPoint[] {
  return changes.map((change) => ({ change, isHalf: false }));
}
