import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const script =
  process.env['IPC_SERVER_SCRIPT'] ?? fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

/** Those of the options that the server under test knows, by what its `--help` says. */
export async function knownOptions(
  options: Readonly<Record<string, unknown>>,
): Promise<Record<string, unknown>> {
  const { stdout } = await promisify(execFile)(process.execPath, [script, '--help']);
  const flag = (name: string) => `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)} `;
  return Object.fromEntries(Object.entries(options).filter(([name]) => stdout.includes(flag(name))));
}
