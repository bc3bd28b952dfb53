import { type ChildProcess, spawn } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, onTestFinished } from 'vitest';
import { codeOf } from '../../src/system-error.js';
import { WatchedProcess } from '../support/child-process.js';
import { SERVES } from '../support/managed-master.js';
import { Arrivals, within } from '../support/waiting.js';

/** How a user of some package manager, or some Node.js, starts things. */
export interface FirstMinute {
  /** Where everything is started. */
  readonly folder: string;
  /** What starts the command of this package: a program, and its first words. */
  readonly command: readonly string[];
  /** The same for a file of the user's. */
  readonly node: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** How the program gets AceBase, if not as that of README does. */
  readonly acebase?: string;
}

/** What README says first: the words for the command, and the program that is started as often as one likes. */
async function ofReadme(): Promise<{ words: readonly string[]; program: string }> {
  const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8');
  const command = /^npx acebase-ipc-server (--master .*)$/m.exec(readme)?.[1];
  const program = /```js\n(.*?)```/s.exec(readme)?.[1];
  if (command === undefined || program === undefined) throw new Error('README begins in another way');
  expect(program).toContain('port: 9163');
  expect(program).toContain("require('acebase')");
  return { words: command.split(' '), program };
}

/**
 * The first minute of README: a server that runs the master, and a program that is started twice. Resolves when each of the two has heard
 * what both have written, and the server has ended well after Ctrl-C.
 */
export async function playFirstMinute(user: FirstMinute): Promise<void> {
  const { words, program } = await ofReadme();
  const port = ['--port', '0', '--log-format', 'json'];
  const server = started('IPC server', user, [...user.command, ...words, ...port]);
  const said = new Arrivals<Readonly<Record<string, unknown>>>();
  server.lines((line) => said.add(JSON.parse(line) as Readonly<Record<string, unknown>>));
  const describe = () =>
    [server.process.describe(), ...said.all.map((line) => JSON.stringify(line))].join('\n');
  const says = (what: string, accepts: (line: Readonly<Record<string, unknown>>) => boolean) =>
    within(60_000, () => `${what}? ${describe()}`, said.first(accepts));

  const { port: taken } = await says('listens', (line) => typeof line['port'] === 'number');
  const text = program
    .replace('9163', String(taken))
    .replace("require('acebase')", user.acebase ?? "require('acebase')");
  await writeFile(join(user.folder, 'app.js'), text);
  // Nobody waits for the master: the program does.
  const programs = ['first', 'second'].map((name) => started(name, user, [...user.node, 'app.js']));
  const heard = programs.map(({ lines }) => {
    const greetings = new Arrivals<string>();
    lines((line) => line.startsWith('heard ') && greetings.add(line));
    return greetings;
  });
  const all = () => [...programs.map(({ process }) => process.describe()), describe()].join('\n');
  await Promise.all(heard.map((greetings) => within(60_000, all, heardTwo(greetings))));
  const [first, second] = heard.map((greetings) => new Set(greetings.all));
  expect(first).toEqual(second);
  expect(await says('serves', ({ msg }) => msg === SERVES)).toMatchObject({ database: 'mydb' });
  for (const each of programs) each.interrupt();
  await Promise.all(programs.map(({ process }) => process.exited));
  server.interrupt();
  await within(60_000, describe, server.process.exited);
  expect(said.all.at(-1), describe()).toMatchObject({ msg: 'stopped' });
}

/** Resolves when there are two different ones. */
async function heardTwo(heard: Arrivals<string>): Promise<void> {
  await heard.first(() => new Set(heard.all).size > 1);
}

/** Starts it in a group of its own, as a shell does. */
function started(name: string, { folder, env = {} }: FirstMinute, [file = '', ...words]: readonly string[]) {
  const child: ChildProcess = spawn(file, words, {
    cwd: folder,
    detached: true,
    env: { ...process.env, NODE_OPTIONS: '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const watched = new WatchedProcess(name, child);
  const signal = (which: NodeJS.Signals): void => {
    try {
      if (watched.exit === undefined) process.kill(-watched.pid, which);
    } catch (error) {
      // They have just ended.
      if (codeOf(error) !== 'ESRCH') throw error;
    }
  };
  const kill = (): void => signal('SIGKILL');
  process.once('exit', kill);
  onTestFinished(async () => {
    kill();
    process.off('exit', kill);
    await watched.exited;
  });
  return {
    process: watched,
    /** As Ctrl-C does: all processes of the group hear it. */
    interrupt: () => signal('SIGINT'),
    lines(line: (text: string) => void): void {
      if (child.stdout === null) throw new Error('it has no output');
      createInterface({ input: child.stdout }).on('line', line);
    },
  };
}
