import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const script = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

/** How a run of the command ended, and what it printed. */
export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command `acebase-ipc-server` to its end. */
export function runCommand(
  words: readonly string[],
  { folder, env = {} }: { readonly folder?: string; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<CommandResult> {
  const options = { ...(folder !== undefined && { cwd: folder }), env: { ...process.env, ...env } };
  return new Promise((resolve) => {
    let code = -1;
    const child = execFile(process.execPath, [script, ...words], options, (_error, stdout, stderr) => {
      resolve({ code, stdout, stderr });
    });
    child.once('exit', (exitCode) => {
      code = exitCode ?? -1;
    });
  });
}
