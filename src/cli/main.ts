#!/usr/bin/env node
/** The command `acebase-ipc-server`. */

import packageJson from '../../package.json' with { type: 'json' };
import { IPCError } from '../errors.js';
import { type ResolvedSources, resolveSources } from '../options.js';
import { createLogger, flushLogger } from '../server/logger.js';
import { AceBaseIPCServer } from '../server/server.js';
import { loadTls } from '../server/tls.js';
import { COMMAND_NAME, type Invocation, parseArguments } from './arguments.js';
import { describeConfig } from './check-config.js';
import { inspect } from './inspect.js';
import { describeError, exitCodeOf, serve } from './serve.js';
import { askForStatus } from './server-status.js';

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
  const settings = settingsFor(flags);
  await inspect({
    ...invocation,
    ask: () => askForStatus({ database, url, settings }),
    output: process.stdout,
  });
}

/** The options say where a server is. What they would mean for one that is started here does not matter. */
function settingsFor(flags: ReadonlyMap<string, string | boolean>): ResolvedSources['settings'] {
  try {
    return resolveSources({ flags, environment: process.env }).settings;
  } catch (error) {
    if (!(error instanceof IPCError) || error.code !== 'IPC_OPTION_INSECURE') throw error;
    return resolveSources({
      flags: new Map([...flags, ['--allow-anonymous', true]]),
      environment: process.env,
    }).settings;
  }
}

async function run({ settings, warnings }: ResolvedSources): Promise<void> {
  const logger = createLogger(settings);
  // Those about the settings are logged by the server when it starts.
  for (const warning of warnings) if (!settings.warnings.includes(warning)) logger.warn({}, warning);
  await serve({
    server: AceBaseIPCServer.fromSettings(settings, { logger }),
    settings,
    logger,
    host: process,
    flush: () => flushLogger(logger),
    print: (line) => console.error(line),
  });
}

async function main(invocation: Invocation): Promise<void> {
  if (invocation.kind === 'print') process.stdout.write(invocation.text);
  else if (invocation.kind === 'inspect') await inspectServer(invocation);
  else if (invocation.kind === 'check-config') checkConfig(invocation.flags);
  else await run(resolveSources({ flags: invocation.flags, environment: process.env }));
}

// Whoever reads our output may leave before we do: a closed pipe is no reason to end.
process.stdout.on('error', () => undefined);
process.stderr.on('error', () => undefined);

try {
  await main(parseArguments(process.argv.slice(2), packageJson.version));
} catch (error) {
  printError(error);
  process.exitCode = exitCodeOf(error);
}
