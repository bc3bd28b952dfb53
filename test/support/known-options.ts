import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { ServerOptions } from '../../src/index.js';
import { otherServerScript } from './server-process.js';

/** Those of the options that the server under test knows, by what its `--help` says. */
export async function knownOptions<Options extends ServerOptions>(
  options: Options,
): Promise<Partial<Options>> {
  if (otherServerScript === undefined) return options;
  const { stdout } = await promisify(execFile)(process.execPath, [otherServerScript, '--help']);
  const flag = (name: string) => `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)} `;
  return Object.fromEntries(
    Object.entries(options).filter(([name]) => stdout.includes(flag(name))),
  ) as Partial<Options>;
}
