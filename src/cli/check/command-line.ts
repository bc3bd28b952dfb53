/** The command `check` on the command line. */

import type { Command } from 'commander';
import type { CheckWords } from './check.js';

/** What it is called, and how it is written. */
export const CHECK = 'check';
export const CHECK_USAGE = 'check <database> --path <folder> [options]';

/**
 * Declares it. The program has a flag `--path` for masters, and takes that of this command, too: here it is for the help.
 *
 * @param path tells the folder that was given
 * @param asked is called if the command line names it
 */
export function addCheck(program: Command, path: () => string, asked: (words: CheckWords) => void): void {
  program
    .command(`${CHECK} <database>`)
    .description('check the files of a database that is not open, and optionally repair them')
    .usage('<database> --path <folder> [options]')
    .option('--path <folder>', 'the folder that <database>.acebase is in')
    .option('--repair', 'copy the files, then repair what can be repaired without a loss, and check again')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nChanges nothing without --repair. Takes acebase (1.29.11 or later) from the working directory.\n' +
        'Exits with 0 if the files are sound, with 1 if not, and with 2 if it could not check them.',
    )
    .action((database: string, options: { repair?: boolean; json?: boolean }) => {
      const { repair = false, json = false } = options;
      asked({ database, path: path(), repair, json });
    });
}
