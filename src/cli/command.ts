/** What the command `acebase-ipc-server` does. */

import packageJson from '../../package.json' with { type: 'json' };
import { type ResolvedSources, resolveSources } from '../options.js';
import { systemClock } from '../platform/clock.js';
import { createLogger, flushLogger } from '../server/logger.js';
import { AceBaseIPCServer } from '../server/server.js';
import { loadTls } from '../server/tls.js';
import { COMMAND_NAME, type Invocation, parseArguments } from './arguments.js';
import { describeConfig } from './check-config.js';
import { shownCertificate } from './doctor/certificate.js';
import { examine } from './doctor/doctor.js';
import { describeFindings, isAnythingWrong } from './doctor/findings.js';
import { inquiry } from './doctor/inquiry.js';
import { installedVersions } from './doctor/installed.js';
import { placeOf, processToken, serverUrl } from './doctor/place.js';
import { FileWatch } from './file-watch.js';
import { init } from './init/init.js';
import { inspect } from './inspect.js';
import { filesOf, reloading } from './reload.js';
import { describeError, exitCodeOf, serve } from './serve.js';
import { askForStatus } from './server-status.js';
import { watchTerminal } from './terminal.js';

/** The exit code of `check-config` for whatever is wrong. */
const BAD_CONFIG = 2;

function printError(error: unknown): void {
  for (const line of describeError(error, COMMAND_NAME)) console.error(line);
}

function checkConfig(flags: ReadonlyMap<string, string | boolean>): void {
  try {
    const resolved = resolveSources({ flags, environment: process.env });
    loadTls(resolved.settings.ssl);
    console.log(describeConfig(resolved));
  } catch (error) {
    printError(error);
    process.exitCode = BAD_CONFIG;
  }
}

async function inspectServer(invocation: Invocation & { kind: 'inspect' }): Promise<void> {
  const { flags, database, url } = invocation;
  const resolved = resolvedForAsking(flags);
  const { settings } = resolved;
  const base = serverUrl({ url, resolved, environment: process.env });
  const processesToken = processToken(process.env);
  await inspect({
    ...invocation,
    ask: () => askForStatus({ database, base, settings, processToken: processesToken }),
    output: process.stdout,
  });
}

/** The options say where a server is. Here is none that would be open to all. */
function resolvedForAsking(flags: ReadonlyMap<string, string | boolean>): ResolvedSources {
  const anyHost = new Map([...flags, ['--allow-anonymous', true] as const]);
  return resolveSources({ flags: anyHost, environment: process.env });
}

async function doctor({ flags, database, url, json }: Invocation & { kind: 'doctor' }): Promise<void> {
  const resolved = resolvedForAsking(flags);
  const folder = process.cwd();
  const versions = installedVersions(folder);
  const place = placeOf({ database, url, resolved, environment: process.env });
  const findings = await examine(
    { database, folder, ...place },
    {
      ask: inquiry(systemClock.wallTime),
      certificateOf: shownCertificate,
      versionOf: (name) => versions[name],
      wallTime: systemClock.wallTime,
    },
  );
  console.log(json ? JSON.stringify(findings, undefined, 2) : describeFindings(findings));
  if (isAnythingWrong(findings)) process.exitCode = 1;
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
  });
}

async function main(invocation: Invocation): Promise<void> {
  if (invocation.kind === 'print') process.stdout.write(invocation.text);
  else if (invocation.kind === 'inspect') await inspectServer(invocation);
  else if (invocation.kind === 'init') console.log(init(invocation));
  else if (invocation.kind === 'doctor') await doctor(invocation);
  else if (invocation.kind === 'check-config') checkConfig(invocation.flags);
  else await run(() => resolveSources({ flags: invocation.flags, environment: process.env }));
}

/** Does what the arguments of the process say. */
export async function runCommand(): Promise<void> {
  // Whoever reads our output may leave before we do: a closed pipe is no reason to end.
  process.stdout.on('error', () => undefined);
  process.stderr.on('error', () => undefined);

  try {
    await main(parseArguments(process.argv.slice(2), packageJson.version));
  } catch (error) {
    printError(error);
    process.exitCode = exitCodeOf(error);
  }
}
