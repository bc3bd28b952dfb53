import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect } from 'vitest';
import { serve } from '../support/served.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import type { Outcome } from './packed.js';

/** A folder of a user's in which a package manager has installed published packages. */
export class RegistryProject {
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async create(files: Readonly<Record<string, string>>): Promise<RegistryProject> {
    const project = new RegistryProject(await temporaryDirectory('registry'));
    for (const [path, text] of Object.entries(files)) await project.write(path, text);
    return project;
  }

  async write(path: string, text: string): Promise<void> {
    await mkdir(dirname(join(this.folder, path)), { recursive: true });
    await writeFile(join(this.folder, path), text);
  }

  /** Installs by npm. */
  async npm(...packages: readonly string[]): Promise<void> {
    const outcome = await this.run('npm', [
      'install',
      '--no-audit',
      '--no-fund',
      '--loglevel=error',
      ...packages,
    ]);
    expect(outcome.code, outcome.stderr).toBe(0);
  }

  run(
    program: string,
    words: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): Promise<Outcome> {
    const options = { cwd: this.folder, timeout: 240_000, env: { ...process.env, NODE_OPTIONS: '', ...env } };
    return new Promise((resolve) => {
      execFile(program, words, options, (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : Number(error.code ?? 1), stdout, stderr });
      });
    });
  }

  /** Runs a program that is made of {@link databaseProgram}. @returns with which client it has connected */
  async client(program: string, words: readonly string[]): Promise<string | undefined> {
    const { port } = await serve();
    const data = join(this.folder, `data-${port}`);
    await mkdir(data);
    const outcome = await this.run(program, words, { PORT: String(port), DATA: data });
    const client = /^CLIENT (.*)$/m.exec(outcome.stdout)?.[1];
    expect(client, `${outcome.stdout}\n${outcome.stderr}`).toBeDefined();
    return client;
  }
}

/** The body of an async function that opens a database as its master, and prints which client it has. */
export const databaseProgram = (AceBase: string): string => `
  const ipc = { port: Number(process.env.PORT), role: 'master' };
  const db = new (${AceBase})('mydb', { logLevel: 'error', storage: { path: process.env.DATA, ipc } });
  await db.ready();
  await db.ref('a').set({ at: new Date() });
  const peers = await (await fetch('http://localhost:' + process.env.PORT + '/mydb_data/clients')).json();
  process.stdout.write('CLIENT ' + (peers[0].client ?? 'stock') + '\\n');
  await db.close();
`;

/** The same as a CommonJS program, which installs the client first. */
export const commonJsProgram = (AceBase: string, install = 'install()'): string => `
const { install } = require('acebase-ipc-server/client');
${install};
(async () => {${databaseProgram(AceBase)}
  process.exit(0);
})();
`;
