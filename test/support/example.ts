import { spawn } from 'node:child_process';
import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { WatchedProcess } from './child-process.js';

const repository = fileURLToPath(new URL('../../', import.meta.url));

/** The path of a file of an example. */
export function exampleFile(...names: readonly string[]): string {
  return join(repository, 'examples', ...names);
}

/**
 * A folder for `NODE_PATH` in which this package is installed. The examples have a `package.json` of their own, as
 * at a user's, so Node would not find the package by its own name there. Made once, and kept like all of `node_modules`.
 */
function installedPackage(): string {
  const modules = join(repository, 'node_modules', '.self');
  mkdirSync(modules, { recursive: true });
  try {
    symlinkSync('../..', join(modules, 'acebase-ipc-server'), 'dir');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  return modules;
}

/** The environment of a user's shell, with `env`: nothing of the test runner is in it. */
export function exampleEnvironment(env: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  const { PATH, HOME } = process.env;
  return { PATH, HOME, NODE_PATH: installedPackage(), ...env };
}

/** For the environment of an example: each access to its database takes 150 ms, so that opening it takes a while. */
export const slowDisk = {
  NODE_OPTIONS: `--require ${JSON.stringify(fileURLToPath(new URL('slow-fs.cjs', import.meta.url)))}`,
};

/** Starts a file of an example as `node <file>` does. */
export function startExample(
  name: string,
  file: string,
  env: Readonly<Record<string, string>>,
): WatchedProcess {
  const child = spawn(process.execPath, [file], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: exampleEnvironment(env),
  });
  return new WatchedProcess(name, child);
}
