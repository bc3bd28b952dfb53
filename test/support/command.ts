import { type ChildProcess, execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { carryOut } from '../../src/cli/command.js';

const script = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

/** How a run of the command ended, and what it printed. */
export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

interface RunOptions {
  readonly folder?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Called with its process: whoever starts one that may not end by itself sees to its end. */
  readonly started?: (child: ChildProcess) => void;
}

/** Does in this process what the command does: for what it prints. To start a process takes longer than most commands. */
export async function commandHere(
  words: readonly string[],
  { folder = process.cwd(), env = {} }: RunOptions = {},
): Promise<CommandResult> {
  let stdout = '';
  let stderr = '';
  const exitCode = await carryOut(words, {
    environment: { ...process.env, ...env },
    folder,
    stdout: {
      write: (text) => {
        stdout += text;
      },
    },
    stderr: {
      write: (text) => {
        stderr += text;
      },
    },
  });
  return { code: exitCode ?? 0, stdout, stderr };
}

/** Runs the command `acebase-ipc-server`, in a process of its own, to its end. */
export function runCommand(
  words: readonly string[],
  { folder, env = {}, started }: RunOptions = {},
): Promise<CommandResult> {
  const options = { ...(folder !== undefined && { cwd: folder }), env: { ...process.env, ...env } };
  return new Promise((resolve) => {
    let code = -1;
    const child = execFile(process.execPath, [script, ...words], options, (_error, stdout, stderr) => {
      resolve({ code, stdout, stderr });
    });
    started?.(child);
    child.once('exit', (exitCode) => {
      code = exitCode ?? -1;
    });
  });
}
