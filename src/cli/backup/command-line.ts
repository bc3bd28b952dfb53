/** The command `backup` on the command line. */

import { type Command, InvalidArgumentError } from 'commander';
import { formatTime, parseTime } from '../../options.js';

/** What it is asked. */
export interface BackupWords {
  readonly database: string;
  /** The folder that <database>.acebase is in. */
  readonly path: string;
  /** The folder for the copies. */
  readonly to: string;
  /** How many copies stay there, this one included; `undefined`: all. */
  readonly keep: number | undefined;
  /** Milliseconds in which the cluster must have let it in, and given it the lock. */
  readonly wait: number;
  readonly url: string | undefined;
  readonly json: boolean;
}

/** A lock may be held for two minutes (`lockTimeout`), and the time of a timer has an end. */
const DEFAULT_WAIT_MS = 180_000;
const LONGEST_WAIT_MS = 86_400_000;

/** What it is called, and how it is written. */
export const BACKUP = 'backup';
export const BACKUP_USAGE = 'backup <database> --path <folder> --to <folder>';

/**
 * Declares it. The program has a flag `--path` for masters, and takes that of this command, too: here it is for the help.
 *
 * @param path tells the folder that was given
 * @param asked is called if the command line names it
 */
export function addBackup(program: Command, path: () => string, asked: (words: BackupWords) => void): void {
  program
    .command(`${BACKUP} <database>`)
    .description('copy the files of a database while its cluster runs')
    .usage('<database> --path <folder> --to <folder> [options]')
    .option('--path <folder>', 'the folder that <database>.acebase is in')
    .requiredOption(
      '--to <folder>',
      'the folder for the copies; each is a folder of its own in it, with the time in its name',
    )
    .option('--keep <n>', 'remove the oldest copies, so that n are left (default: all are kept)', countOf)
    .option(
      '--wait <time>',
      `how long the cluster may take to let it in and to give it the lock (default: ${formatTime(DEFAULT_WAIT_MS)})`,
      waitOf,
    )
    .option('--url <url>', 'where the server is (default: as host, port and ssl say)')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nTakes the options of the server, or ACEBASE_IPC_HOST, _PORT, _SSL and _TOKEN: where it is, and its token; and acebase from the ' +
        'working directory. Writes wait while the files are copied. Exits with 0 if the copy is sound, else with 1 or 2.',
    )
    .action((database: string, options: BackupFlags) => {
      const { to, keep, wait = DEFAULT_WAIT_MS, url, json = false } = options;
      asked({ database, path: path(), to, keep, wait, url, json });
    });
}

type BackupFlags = Pick<BackupWords, 'to' | 'keep' | 'url'> & Partial<Pick<BackupWords, 'wait' | 'json'>>;

function waitOf(text: string): number {
  const wait = parseTime(text);
  if (wait === undefined || wait < 1 || wait > LONGEST_WAIT_MS)
    throw new InvalidArgumentError('Allowed: a time such as 30s or 5m, 24h at most.');
  return wait;
}

function countOf(text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new InvalidArgumentError('Allowed: a whole number from 1 on.');
  return Number(text);
}
