import { AceBaseProcess } from '../../support/acebase-process.js';
import { within } from '../../support/waiting.js';
import { counterPath, type Finding, type Ledger } from './ledger.js';

/** A file that cannot be opened or read at all is no reason to wait for long. */
const patienceMs = 20_000;

/**
 * Opens the database of a folder in a new process that knows of no IPC server, reads all of it, and says what is wrong
 * with it. Nothing of what it reads comes from a cache.
 */
export async function judgeFreshOpen(path: string, ledger: Ledger): Promise<Finding[]> {
  const file = new AceBaseProcess({ name: 'fresh open', database: 'mydb', path });
  try {
    const tree = await within(patienceMs, () => 'The file was not read', readAll(file));
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
