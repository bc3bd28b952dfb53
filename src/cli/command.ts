/**
 * What the command `acebase-ipc-server` does. Whatever serving has no use for is loaded only by the command that has: each module more
 * is time in which no server is there after a restart.
 */

import cluster from 'node:cluster';
import packageJson from '../../package.json' with { type: 'json' };
import { checkManagedMasters } from '../managed-masters/child-program.js';
import { type ResolvedSources, resolveSources } from '../options.js';
import { isoTime, systemClock } from '../platform/clock.js';
import { usersOf } from '../platform/file-users.js';
import { createLogger, flushLogger } from '../server/logger.js';
import { AceBaseIPCServer } from '../server/server.js';
import { loadTls } from '../server/tls.js';
import { COMMAND_NAME, type Invocation, parseArguments } from './arguments.js';
import { describeConfig } from './check-config.js';
import { addressOf, placeOf, processToken, serverUrl } from './doctor/place.js';
import { FileWatch } from './file-watch.js';
import { type Inspection, inspect } from './inspect.js';
import { filesOf, reloading } from './reload.js';
import { describeError, errorAsJson, exitCodeOf, serve } from './serve.js';
import { askForStatus } from './server-status.js';
import { watchTerminal } from './terminal.js';

/** The exit code of `check-config` for whatever is wrong. */
const BAD_CONFIG = 2;

/** Where a command runs: in its own process, or in that of a test. */
export interface Surroundings {
  readonly environment: NodeJS.ProcessEnv;
  /** The folder of the program that `doctor` looks at, and whose acebase `check` and `backup` use. */
  readonly folder: string;
  readonly stdout: Inspection['output'];
  readonly stderr: { write(text: string): unknown };
}

function printError(error: unknown, { stderr }: Surroundings): void {
  for (const line of describeError(error, COMMAND_NAME)) stderr.write(`${line}\n`);
}

/** For programs: whoever asks for JSON gets some, also where the command line itself is wrong. */
function printErrorAsJson(error: unknown, { stdout }: Surroundings): void {
  stdout.write(`${JSON.stringify(errorAsJson(error), undefined, 2)}\n`);
}

/** Below this, in characters, nothing is gained by breaking lines; some terminals say 0. */
const LEAST_WIDTH = 40;

/** The width of the terminal; `undefined` if it is none, or does not say. */
function widthOf({ isTTY, columns }: Surroundings['stdout']): number | undefined {
  return isTTY === true && (columns ?? 0) >= LEAST_WIDTH ? columns : undefined;
}

function checkConfig(flags: ReadonlyMap<string, string | boolean>, surroundings: Surroundings): number {
  try {
    const resolved = resolveSources({ flags, environment: surroundings.environment });
    loadTls(resolved.settings.ssl);
    if (resolved.settings.masters.size > 0) checkManagedMasters();
    surroundings.stdout.write(`${describeConfig(resolved)}\n`);
    return 0;
  } catch (error) {
    printError(error, surroundings);
    return BAD_CONFIG;
  }
}

async function inspectServer(
  invocation: Invocation & { kind: 'inspect' },
  { environment, stdout }: Surroundings,
): Promise<void> {
  const { flags, database, url } = invocation;
  const resolved = resolvedForAsking(flags, environment);
  const { settings } = resolved;
  const base = serverUrl({ url, resolved, environment });
  const processesToken = processToken(environment);
  await inspect({
    ...invocation,
    ask: () =>
      askForStatus({ database, base, isUrl: url !== undefined, settings, processToken: processesToken }),
    output: stdout,
  });
}

/** The options say where a server is. Here is none that would be open to all. */
function resolvedForAsking(
  flags: ReadonlyMap<string, string | boolean>,
  environment: NodeJS.ProcessEnv,
): ResolvedSources {
  const anyHost = new Map([...flags, ['--allow-anonymous', true] as const]);
  return resolveSources({ flags: anyHost, environment });
}

async function doctor(
  { flags, database, url, json }: Invocation & { kind: 'doctor' },
  { environment, folder, stdout }: Surroundings,
): Promise<number> {
  const { shownCertificate } = await import('./doctor/certificate.js');
  const { examine } = await import('./doctor/doctor.js');
  const { describeFindings, isAnythingWrong } = await import('./doctor/findings.js');
  const { inquiry } = await import('./doctor/inquiry.js');
  const { installedVersions } = await import('./doctor/installed.js');
  const resolved = resolvedForAsking(flags, environment);
  const versions = installedVersions(folder);
  const place = placeOf({ database, url, resolved, environment });
  const findings = await examine(
    { database, folder, ...place },
    {
      ask: inquiry(systemClock.wallTime),
      certificateOf: shownCertificate,
      versionOf: (name) => versions[name],
      wallTime: systemClock.wallTime,
    },
  );
  stdout.write(
    `${json ? JSON.stringify(findings, undefined, 2) : describeFindings(findings, widthOf(stdout))}\n`,
  );
  return isAnythingWrong(findings) ? 1 : 0;
}

async function checkFiles(
  words: Invocation & { kind: 'check' },
  { folder, stdout, stderr }: Surroundings,
): Promise<number> {
  const { check, describeCheck } = await import('./check/check.js');
  const now = (): string => isoTime(systemClock.wallTime());
  const result = await check(words, { folder, usersOf, now, say: (line) => stderr.write(`${line}\n`) });
  stdout.write(
    `${words.json ? JSON.stringify(result, undefined, 2) : describeCheck(result, widthOf(stdout))}\n`,
  );
  return result.isSound ? 0 : 1;
}

async function backUpFiles(
  words: Invocation & { kind: 'backup' },
  { environment, folder, stdout, stderr }: Surroundings,
): Promise<void> {
  const { backUp, describeBackup, describeNotRemoved } = await import('./backup/backup.js');
  const { database, url, flags, json } = words;
  const resolved = resolvedForAsking(flags, environment);
  const { settings } = resolved;
  const place = placeOf({ database, url, resolved, environment });
  const result = await backUp(words, {
    folder,
    url: addressOf(place.url),
    token: place.token,
    lockTimeout: settings.lockTimeout,
    ask: () =>
      askForStatus({
        database,
        base: place.url,
        isUrl: url !== undefined,
        settings,
        processToken: processToken(environment),
      }),
    now: () => isoTime(systemClock.wallTime()),
  });
  stdout.write(`${json ? JSON.stringify(result, undefined, 2) : describeBackup(result)}\n`);
  const problem = describeNotRemoved(result);
  if (problem !== undefined) stderr.write(`${problem}\n`);
}

async function run(resolve: () => ResolvedSources): Promise<void> {
  const { settings, warnings, config } = resolve();
  const logger = createLogger(settings);
  // Those about the settings are logged by the server when it starts.
  for (const warning of warnings) if (!settings.warnings.includes(warning)) logger.warn({}, warning);
  const server = AceBaseIPCServer.fromSettings(settings, { logger });
  const watch = new FileWatch(systemClock, () => reload('changed files'));
  const reload = reloading({
    resolve,
    server,
    logger,
    watched: (files) => watch.watch(files),
    setLogLevel: (level) => {
      logger.level = level;
    },
  });
  watch.watch(filesOf(settings, config));
  await serve({
    server,
    settings,
    logger,
    host: process,
    flush: () => flushLogger(logger),
    print: (line) => console.error(line),
    reload,
    isTerminalClosed: watchTerminal(),
    takesTurns: cluster.isWorker,
  });
}

/**
 * Does what the words behind the command's name say.
 *
 * @returns the exit code; `undefined` if a server listens, which ends the process itself
 */
export async function carryOut(
  words: readonly string[],
  surroundings: Surroundings,
): Promise<number | undefined> {
  try {
    const invocation = parseArguments(words, packageJson.version);
    switch (invocation.kind) {
      case 'print':
        surroundings.stdout.write(invocation.text);
        break;
      case 'inspect':
        await inspectServer(invocation, surroundings);
        break;
      case 'init':
        surroundings.stdout.write(`${(await import('./init/init.js')).init(invocation)}\n`);
        break;
      case 'doctor':
        return await doctor(invocation, surroundings);
      case 'check':
        return await checkFiles(invocation, surroundings);
      case 'backup':
        await backUpFiles(invocation, surroundings);
        break;
      case 'check-config':
        return checkConfig(invocation.flags, surroundings);
      case 'serve':
        await run(() => resolveSources({ flags: invocation.flags, environment: surroundings.environment }));
        return undefined;
    }
    return 0;
  } catch (error) {
    printError(error, surroundings);
    if (words.includes('--json')) printErrorAsJson(error, surroundings);
    return exitCodeOf(error);
  }
}

/** Does what the arguments of the process say. */
export async function runCommand(): Promise<void> {
  const { env: environment, stdout, stderr } = process;
  // Whoever reads our output may leave before we do: a closed pipe is no reason to end.
  stdout.on('error', () => undefined);
  stderr.on('error', () => undefined);
  const code = await carryOut(process.argv.slice(2), { environment, folder: process.cwd(), stdout, stderr });
  if (code === undefined) return;
  process.exitCode = code;
  // What was broken off, such as a backup whose server is gone, must not keep the process.
  for (const output of [stdout, stderr])
    await new Promise<void>((resolve) => output.write('', () => resolve()));
  process.exit();
}
