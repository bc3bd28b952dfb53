import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { removeDirectory, temporaryDirectory } from '../support/temporary-directory.js';
import { campaign } from './campaign.js';
import { Disk } from './disk.js';
import { fullDiskCampaign, killCampaign, mendingCampaign } from './other-ends.js';
import { record } from './subject-process.js';
import { isChange, loadTrace } from './trace.js';
import type { CrashPoint } from './verdict.js';

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

  it('finds nothing where there was no crash, and what AceBase does not survive: a file that was being made', async () => {
    const points = [...pointsAt(Number.MAX_SAFE_INTEGER), { change: 1, isHalf: true }];
    const settings = { seed: 3, operations: OPERATIONS, every: 1, isLogged: false, points };
    const { verdicts } = await campaign(settings);
    expect(verdicts).toMatchObject([{ outcome: 'unreadable' }, { outcome: 'clean', faults: [] }]);
  });

  it('finds nothing wrong with the journal of the client, wherever the process is killed', async () => {
    const settings = { seed: 3, operations: 20, every: 150, isLogged: true, journal: 'process' } as const;
    const { verdicts } = await campaign(settings);
    expect(verdicts.length).toBeGreaterThan(5);
    expect(verdicts.filter(({ outcome }) => outcome !== 'clean')).toEqual([]);
  });

  it('finds nothing wrong with it right after a file was made, before anything else is written', async () => {
    const points = pointsAt(4, 6, 8, 12);
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

  it('finds nothing wrong where the process is really killed, or the disk is full, or what mends that is killed', async () => {
    const settings = { seed: 7, operations: 20, isLogged: false, journal: 'process' } as const;
    const reports = [
      await killCampaign(settings, 1),
      await fullDiskCampaign({ ...settings, points: pointsAt(95, 150) }, 1),
      await mendingCampaign({ ...settings, points: pointsAt(101) }, 1, 4),
    ];
    const verdicts = reports.flatMap((report) => report.verdicts);
    expect(verdicts.length).toBeGreaterThan(4);
    expect(verdicts.filter(({ outcome }) => outcome !== 'clean')).toEqual([]);
  });

  it('finds nothing wrong with the journal that is to outlive it where the power was cut', async () => {
    const settings = { seed: 7, operations: 20, every: 80, isLogged: false, losses: 2 } as const;
    const { verdicts } = await campaign({ ...settings, journal: 'power' });
    expect(verdicts.length).toBeGreaterThan(5);
    expect(verdicts.filter(({ outcome }) => outcome !== 'clean')).toEqual([]);
    // One that syncs nothing does not.
    const points = [0, 1, 2, 3].map((loss) => ({ change: 100, isHalf: false, loss }));
    const { verdicts: without } = await campaign({ ...settings, journal: 'process', points });
    expect(without.filter(({ outcome }) => outcome !== 'clean')).not.toEqual([]);
  });
});

function pointsAt(...changes: number[]): CrashPoint[] {
  return changes.map((change) => ({ change, isHalf: false }));
}
