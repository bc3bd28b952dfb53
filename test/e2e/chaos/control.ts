import { setTimeout as delay } from 'node:timers/promises';
import { AceBaseProcess } from '../../support/acebase-process.js';
import { removeDirectory, temporaryDirectory } from '../../support/temporary-directory.js';
import { Random } from '../../torture/random.js';
import { judgeFreshOpen } from './fresh-open.js';
import { Histories } from './history/histories.js';
import { type Finding, Ledger } from './ledger.js';
import { Workload } from './workload.js';

/** How the control experiment goes. */
export interface ControlOptions {
  readonly seed: number;
  /** How often the process is killed. */
  readonly kills: number;
  /** Writers in the one process: AceBase takes their writes one after another, as those of a cluster. */
  readonly writers: number;
  readonly onKill?: (kill: number, findings: readonly Finding[]) => void;
}

/** What came of it. */
export interface ControlReport {
  readonly kills: number;
  /** Kills after which the file was damaged, or had lost what was acknowledged. */
  readonly damaged: number;
  readonly acknowledged: number;
  readonly findings: readonly Finding[];
}

/**
 * The limit of what any IPC server can promise: one process that writes alone, with no IPC at all, is killed with
 * SIGKILL again and again, and after each time the file is opened fresh and compared with what was acknowledged. A
 * damaged file is thrown away.
 */
export async function control({ seed, kills, writers, onKill }: ControlOptions): Promise<ControlReport> {
  const random = new Random(seed);
  const findings: Finding[] = [];
  let [damaged, acknowledged] = [0, 0];
  let folder = await temporaryDirectory('control');
  let ledger = new Ledger();
  // A process that is killed in the midst of a write is judged by the ledger.
  const histories = new Histories();
  try {
    for (let kill = 1; kill <= kills; kill++) {
      const process = new AceBaseProcess({ name: 'alone', database: 'mydb', path: folder });
      await process.ready();
      const work = async (workload: Workload) => {
        // Ends when the process does.
        for (;;) if (await workload.step(process)) acknowledged += 1;
      };
      const works = Array.from({ length: writers }, (_, index) => {
        const workload = new Workload(`w${index}`, ledger, histories, new Random(seed + kill * 1000 + index));
        return work(workload).catch(() => findings.push(...workload.misread));
      });
      await delay(300 + random.below(700));
      await process.kill();
      await Promise.all(works);
      const found = await judgeFreshOpen(folder, ledger);
      onKill?.(kill, found);
      if (found.length === 0) continue;
      damaged += 1;
      findings.push(...found);
      await removeDirectory(folder);
      folder = await temporaryDirectory('control');
      ledger = new Ledger();
    }
    return { kills, damaged, acknowledged, findings };
  } finally {
    await removeDirectory(folder);
  }
}
