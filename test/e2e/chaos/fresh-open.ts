import { AceBaseProcess, machineTime } from '../../support/acebase-process.js';
import { within } from '../../support/waiting.js';
import { Histories } from './history/histories.js';
import { at, counterPath, type Finding, type Ledger, numberOf } from './ledger.js';

/** A file that cannot be opened or read at all is no reason to wait for long. */
const patienceMs = 20_000;

/**
 * Opens the database of a folder in a new process that knows of no IPC server, reads all of it, and says what is wrong
 * with it. Nothing of what it reads comes from a cache. It is the last to read each key.
 */
export async function judgeFreshOpen(
  path: string,
  ledger: Ledger,
  histories = new Histories(),
): Promise<Finding[]> {
  const file = new AceBaseProcess({ name: 'fresh open', database: 'mydb', path });
  const invokedAt = machineTime();
  try {
    const tree = await within(patienceMs, () => 'The file was not read', readAll(file));
    const times = { client: 'fresh open', invokedAt, returnedAt: machineTime() };
    for (const path of ledger.paths) {
      const value = numberOf(at(tree, path));
      if (value !== undefined) histories.addToRegister(path, { ...times, action: { kind: 'read', value } });
    }
    const count = at(tree, counterPath) ?? 0;
    if (typeof count === 'number') {
      histories.addToCounter(counterPath, { ...times, action: { kind: 'read', value: count } });
    }
    return ledger.judgeFile(tree);
  } catch (error) {
    const reason = `the file cannot be read: ${String(error).slice(0, 600)}`;
    return [{ kind: 'wrong', path: '', reason }, ...(await judgePieces(path, ledger))];
  } finally {
    await file.kill();
  }
}

async function readAll(file: AceBaseProcess): Promise<unknown> {
  await file.ready();
  return file.get('');
}

/** What can still be read of a file that cannot be read as a whole. */
async function judgePieces(path: string, ledger: Ledger): Promise<Finding[]> {
  const findings: Finding[] = [];
  const tops = new Set([...ledger.paths, counterPath].map((it) => it.split('/')[0] as string));
  for (const top of tops) {
    const file = new AceBaseProcess({ name: `fresh open of ${top}`, database: 'mydb', path });
    try {
      await within(
        patienceMs,
        () => `/${top} was not read`,
        file.ready().then(() => file.get(top)),
      );
    } catch (error) {
      findings.push({ kind: 'wrong', path: top, reason: `cannot be read: ${String(error).slice(0, 300)}` });
    } finally {
      await file.kill();
    }
  }
  return findings;
}
