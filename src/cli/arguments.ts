/** The command line: declared from the table of options, parsed by commander. */

import { Command, CommanderError, Option } from 'commander';
import { IPCError } from '../errors.js';
import {
  DATABASE_NAME_RULE,
  ENVIRONMENT_PREFIX,
  isDatabaseName,
  nearestName,
  OPTION_GROUPS,
  type OptionRow,
  optionTable,
} from '../options.js';
import { addBackup, BACKUP, BACKUP_USAGE, type BackupWords } from './backup/command-line.js';
import type { CheckWords } from './check/check.js';
import { addCheck, CHECK, CHECK_USAGE } from './check/command-line.js';
import { addFirstSteps, FIRST_STEP_USAGES, FIRST_STEPS, type FirstStep, INIT } from './first-steps.js';
import { MasterFlags, PATH_FLAG } from './master-flags.js';
import { SUBJECTS, type Subject } from './reports.js';
import { wrapText } from './wrap.js';

/** The name of the command. */
export const COMMAND_NAME = 'acebase-ipc-server';

const CHECK_CONFIG = 'check-config';
const HELP = 'help';

/** The longest line of help, in characters. */
const HELP_WIDTH = 80;

/** What a command line asks for. */
export type Invocation =
  /** Serve, or show what would be served with. Flags by their long name, as given. */
  | { readonly kind: 'serve' | 'check-config'; readonly flags: ReadonlyMap<string, string | boolean> }
  /** Show how a server is that runs; the flags say where it is. */
  | ({ readonly kind: 'inspect'; readonly flags: ReadonlyMap<string, string | boolean> } & InspectWords)
  /** Write the first files, or check that a worker could join. */
  | (FirstStep & { readonly flags: ReadonlyMap<string, string | boolean> })
  /** Check the files of a database. */
  | ({ readonly kind: 'check'; readonly flags: ReadonlyMap<string, string | boolean> } & CheckWords)
  /** Copy the files of a database while its cluster runs. */
  | ({ readonly kind: 'backup'; readonly flags: ReadonlyMap<string, string | boolean> } & BackupWords)
  /** Print this and end: help, or the version. */
  | { readonly kind: 'print'; readonly text: string };

/** What `peers`, `locks` and `databases` are asked. */
interface InspectWords {
  readonly subject: Subject;
  /** Only this one, with all its files. */
  readonly database: string | undefined;
  readonly url: string | undefined;
  readonly json: boolean;
  readonly watch: boolean;
}

/** What each of them does. */
const DESCRIPTIONS: Readonly<Record<Subject, string>> = {
  peers: 'list who is connected to a server that runs, and with which client',
  locks: 'list which workers hold a lock, and which wait for one',
  databases: 'list the databases of a server that runs, and what is wrong with them',
};

/**
 * Reads a command line.
 * @param words what follows the name of the command: `process.argv.slice(2)`
 * @param version what `--version` prints
 * @throws IPCError `IPC_OPTION_UNKNOWN`, `IPC_OPTION_INVALID` (a flag without its value, a name that no
 * database can have)
 */
export function parseArguments(words: readonly string[], version: string): Invocation {
  let printed = '';
  let kind: 'serve' | 'check-config' = 'serve';
  let firstStep: FirstStep | undefined;
  let inspection: InspectWords | undefined;
  let checkWords: CheckWords | undefined;
  let backupWords: BackupWords | undefined;
  let command: Command | undefined;
  const masters = new MasterFlags();
  const program = declare(version, masters)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => (printed += text),
      writeErr: () => undefined,
      getOutHelpWidth: () => HELP_WIDTH,
    })
    .hook('preSubcommand', (_program, named) => {
      command = named;
    })
    .action(() => undefined);
  program
    .command(CHECK_CONFIG)
    .description('print the resolved options and where each comes from, and exit')
    .usage('[options]')
    .addHelpText(
      'after',
      '\nTakes all options of the server. Exits with 0 if it could start with them, else with 2.',
    )
    .action(() => {
      kind = 'check-config';
    });
  addSubjects(program, (asked) => {
    checkDatabase(asked.database);
    inspection = asked;
  });
  addFirstSteps(program, (step) => {
    // What `init` takes is narrower; it checks that itself.
    if (step.kind === 'doctor') checkDatabase(step.database);
    firstStep = step;
  });
  const checkPath = (): string => masters.pathOf(CHECK, `${COMMAND_NAME} ${CHECK_USAGE}`);
  addCheck(program, checkPath, (asked) => {
    checkDatabase(asked.database);
    checkWords = asked;
  });
  const backupPath = (): string => masters.pathOf(BACKUP, `${COMMAND_NAME} ${BACKUP_USAGE}`);
  addBackup(program, backupPath, (asked) => {
    checkDatabase(asked.database);
    backupWords = asked;
  });
  try {
    program.parse(words, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return { kind: 'print', text: wrapText(printed, HELP_WIDTH) };
    throw translate(error, { program, command, words });
  }
  const flags = flagsOf(program, masters);
  refuseServerOptions(flags, command);
  if (checkWords !== undefined) return { kind: 'check', flags, ...(checkWords as CheckWords) };
  if (backupWords !== undefined) return { kind: 'backup', flags, ...(backupWords as BackupWords) };
  masters.refuseStrayPaths();
  if (firstStep !== undefined) return { ...(firstStep as FirstStep), flags };
  return inspection === undefined
    ? { kind, flags }
    : { kind: 'inspect', flags, ...(inspection as InspectWords) };
}

/** The commands that know of no server. */
const WITHOUT_SERVER: readonly string[] = [INIT, CHECK];

/** @throws IPCError `IPC_OPTION_UNKNOWN`, if an option of the server is given to a command that would not heed it */
function refuseServerOptions(flags: ReadonlyMap<string, unknown>, command: Command | undefined): void {
  const [flag] = flags.keys();
  if (flag !== undefined && command !== undefined && WITHOUT_SERVER.includes(command.name()))
    throw notAnOption(flag, command);
}

function notAnOption(flag: string, command: Command | undefined): IPCError {
  const whose = command?.name() ?? 'the server: it belongs to a command';
  return new IPCError('IPC_OPTION_UNKNOWN', `${flag} is not an option of ${whose}`);
}

/** Declares what asks a server that runs. @param asked is called for the one that the command line names */
function addSubjects(program: Command, asked: (words: InspectWords) => void): void {
  for (const subject of SUBJECTS) {
    program
      .command(`${subject} [database]`)
      .description(DESCRIPTIONS[subject])
      .usage('[database] [options]')
      .option('--url <url>', 'where the server is (default: as host, port and ssl say)')
      .option('--json', 'print JSON')
      .option('--watch', 'print it again every 2 s, until Ctrl-C')
      .addHelpText(
        'after',
        '\nTakes the options of the server, or ACEBASE_IPC_HOST, _PORT, _SSL and _TOKEN: where it is, and its token.',
      )
      .action((database: string | undefined, { url, json = false, watch = false }: InspectFlags) => {
        asked({ subject, database, url, json, watch });
      });
  }
}

function checkDatabase(name: string | undefined): void {
  if (name === undefined || isDatabaseName(name)) return;
  throw new IPCError(
    'IPC_OPTION_INVALID',
    `database: ${JSON.stringify(name)} is not allowed. Allowed: ${DATABASE_NAME_RULE}`,
  );
}

interface InspectFlags {
  readonly url?: string;
  readonly json?: boolean;
  readonly watch?: boolean;
}

function declare(version: string, masters: MasterFlags): Command {
  const program = new Command(COMMAND_NAME)
    .description('The IPC server for AceBase clusters: lets processes share one AceBase database.')
    .usage(
      `[options]\n       ${COMMAND_NAME} ${CHECK_CONFIG} [options]\n       ${COMMAND_NAME} ${SUBJECTS.join('|')} [database] [options]\n       ${FIRST_STEPS.map((step) => `${COMMAND_NAME} ${FIRST_STEP_USAGES[step]}`).join('\n       ')}\n       ${COMMAND_NAME} ${CHECK_USAGE}\n       ${COMMAND_NAME} ${BACKUP_USAGE}`,
    )
    .version(version, '-V, --version', 'print the version and exit')
    .helpOption('-h, --help', 'print this help and exit')
    .helpCommand(`${HELP} [command]`, 'print the help of a command and exit')
    .showSuggestionAfterError(false)
    .configureHelp({ showGlobalOptions: false })
    .addOption(new Option('--config <path>', configDescription()).helpGroup('Configuration:'));
  const rows = optionTable().toSorted(
    (one, other) => OPTION_GROUPS.indexOf(one.group) - OPTION_GROUPS.indexOf(other.group),
  );
  for (const row of rows) for (const option of optionsOf(row, masters)) program.addOption(option);
  return program.addHelpText(
    'after',
    '\nA flag goes before a variable, a variable before the config file, and the file before the default.\n' +
      'Times are milliseconds or text such as 500ms, 10s, 2m; sizes are bytes or text such as 64KiB, 64MiB, 1GiB.\n' +
      'Lists are separated by commas. Paths in the config file start at its folder.',
  );
}

function configDescription(): string {
  return `JSON file with options by their name in code, such as {"port": 9163, "ssl": {"certPath": "cert.pem"}} (default: none)\n${ENVIRONMENT_PREFIX}CONFIG`;
}

function optionsOf(row: OptionRow, masters: MasterFlags): Option[] {
  const heading = `${row.group}:`;
  const description = `${row.description} (default: ${row.defaultText})\n${row.environment}`;
  if (row.form === 'boolean') {
    // The opposite is for overriding a variable or the file.
    const opposite = new Option(row.flag.replace('--', '--no-')).hideHelp();
    return [new Option(row.flag, description).helpGroup(heading), opposite];
  }
  const option = new Option(`${row.flag} <${placeholder(row)}>`, description).helpGroup(heading);
  if (row.form === 'masters') {
    const path = new Option(
      `${PATH_FLAG} <folder>`,
      'folder of the --master before it (default: .)',
    ).helpGroup(heading);
    // Both are collected as they come, for their order counts.
    option.argParser((name) => masters.addMaster(name));
    return [option, path.argParser((folder) => masters.addPath(folder))];
  }
  if (row.form === 'list')
    option.argParser((value, before) => (typeof before === 'string' ? `${before},${value}` : value));
  return [option];
}

function placeholder(row: OptionRow): string {
  if (row.unit === 'one of') return 'word';
  if (row.unit === 'bytes') return 'size';
  if (row.unit === 'milliseconds') return 'time';
  return typeof row.default === 'number' && row.unit !== 'port' ? 'n' : row.unit.replaceAll(' ', '-');
}

function flagsOf(program: Command, masters: MasterFlags): ReadonlyMap<string, string | boolean> {
  const flags = new Map<string, string | boolean>();
  for (const option of program.options) {
    const value: unknown = program.getOptionValue(option.attributeName());
    const given = program.getOptionValueSource(option.attributeName()) === 'cli';
    if (given && !option.negate && (typeof value === 'string' || typeof value === 'boolean'))
      flags.set(option.long ?? '', value);
  }
  // These two were collected in their order.
  flags.delete(PATH_FLAG);
  if (masters.text !== undefined) flags.set('--master', masters.text);
  return flags;
}

/** The command line that commander refused. */
interface Refused {
  readonly program: Command;
  /** The command that it names. */
  readonly command: Command | undefined;
  readonly words: readonly string[];
}

/** Commander's errors in the form of ours. */
function translate(error: CommanderError, refused: Refused): IPCError {
  const quoted = /'([^']*)'/.exec(error.message)?.[1] ?? '';
  const [word = ''] = quoted.split(/[ =]/, 1);
  const { command } = refused;
  switch (error.code) {
    case 'commander.unknownOption':
      return unknownOption(word, refused);
    case 'commander.optionMissingArgument': {
      const other = word === PATH_FLAG ? 'the path of a folder' : 'the path of a file';
      const allowed = optionTable().find((row) => row.flag === word)?.allowed ?? other;
      return new IPCError('IPC_OPTION_INVALID', `${word}: no value was given. Allowed: ${allowed}`);
    }
    case 'commander.missingArgument':
      return missing(`argument: <${word}>`, command);
    case 'commander.missingMandatoryOptionValue':
      return missing(`option: ${word}`, command);
    // `help` of a command that there is not.
    case 'commander.help':
    case 'commander.excessArguments':
      return new IPCError('IPC_OPTION_UNKNOWN', describeExcess(refused));
    default:
      return new IPCError('IPC_OPTION_INVALID', error.message.replace(/^error: /, ''));
  }
}

function missing(what: string, command: Command | undefined): IPCError {
  const name = command?.name() ?? COMMAND_NAME;
  const usage = command === undefined ? '' : `. Usage: ${COMMAND_NAME} ${name} ${command.usage()}`;
  return new IPCError('IPC_OPTION_INVALID', `${name}: missing ${what}${usage}`);
}

/** One that commander does not know there; also a known one with a value that it does not take. */
function unknownOption(flag: string, { program, command }: Refused): IPCError {
  const isServers = command === undefined || !WITHOUT_SERVER.includes(command.name());
  const known = [...(isServers ? program.options : []), ...(command?.options ?? [])];
  if (known.some(({ long }) => long === flag))
    return new IPCError('IPC_OPTION_UNKNOWN', `${flag} takes no value`);
  const others = [program, ...program.commands].flatMap(({ options }) => options);
  if (others.some(({ long }) => long === flag)) return notAnOption(flag, command);
  const names = known.filter(({ hidden }) => !hidden).map(({ long }) => long ?? '');
  const nearest = nearestName(flag, [...names, '--help']);
  const help = command === undefined ? COMMAND_NAME : `${COMMAND_NAME} ${command.name()}`;
  const hint = nearest === undefined ? `${help} --help lists all` : `did you mean ${nearest}?`;
  return new IPCError('IPC_OPTION_UNKNOWN', `${flag}: there is no such option; ${hint}`);
}

/** The word itself is not shown: it may be a part of a token that a shell has split at a space. */
function describeExcess({ program, command, words }: Refused): string {
  if (command !== undefined)
    return `${command.name()}: unexpected argument; ${COMMAND_NAME} ${command.name()} --help shows what it takes`;
  const commands = program.commands.map((each) => each.name());
  const nearest = words
    .filter((word) => word !== HELP)
    .map((word) => nearestName(word, commands))
    .find((found) => found !== undefined);
  const hint = nearest === undefined ? `there are ${commands.join(', ')}` : `did you mean ${nearest}?`;
  return `unknown command or unexpected argument; ${hint}`;
}
