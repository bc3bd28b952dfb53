/** The commands `init` and `doctor` on the command line. */

import type { Command } from 'commander';
import type { InitWords } from './init/init.js';
import { FORMS } from './init/templates.js';

/** What `doctor` is asked. */
export interface DoctorWords {
  readonly database: string;
  readonly url: string | undefined;
  readonly json: boolean;
}

/** What the two are called. */
export const INIT = 'init';
export const FIRST_STEPS = [INIT, 'doctor'] as const;

/** What a command line asks of them. */
export type FirstStep = ({ readonly kind: 'init' } & InitWords) | ({ readonly kind: 'doctor' } & DoctorWords);

/** How they are written, as in the usage of the command. */
export const FIRST_STEP_USAGES: Readonly<Record<(typeof FIRST_STEPS)[number], string>> = {
  init: `init ${FORMS.join('|')} <database>`,
  doctor: 'doctor <database> [options]',
};

interface InitFlags {
  readonly folder: string;
  readonly force?: boolean;
  readonly tls?: boolean;
  readonly dedicatedMaster?: boolean;
}

/** Declares both. @param asked is called for the one that the command line names */
export function addFirstSteps(program: Command, asked: (step: FirstStep) => void): void {
  program
    .command(`${INIT} <form> <database>`)
    .description(`write files to start a cluster with, for ${FORMS.join(', ')}`)
    .usage(`${FORMS.join('|')} <database> [options]`)
    .option('--folder <path>', 'where to', '.')
    .option('--force', 'overwrite files that are there, but not the one with the password')
    .option('--tls', 'with TLS and a token; the commands that make both are printed (pm2)')
    .option(
      '--dedicated-master',
      'the master is a process of its own; without it, the server runs it (pm2, systemd)',
    )
    .action((supervisor: string, database: string, options: InitFlags) => {
      const { folder, force = false, tls = false, dedicatedMaster = false } = options;
      asked({ kind: 'init', supervisor, database, folder, force, tls, dedicatedMaster });
    });
  program
    .command('doctor <database>')
    .description('check that a worker started here could join the cluster, and say what to do if not')
    .usage('<database> [options]')
    .option('--url <url>', 'where the server is (default: as host, port and ssl say)')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nTakes the options of the server, or ACEBASE_IPC_HOST, _PORT, _SSL and _TOKEN. Exits with 1 if something is wrong.',
    )
    .action((database: string, options: { url?: string; json?: boolean }) => {
      asked({ kind: 'doctor', database, url: options.url, json: options.json === true });
    });
}
