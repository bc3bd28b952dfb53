import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { removeDirectory, temporaryDirectory } from '../support/temporary-directory.js';

const repository = fileURLToPath(new URL('../../', import.meta.url));

/** What a program said, and how it ended. */
export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** What `package.json` says, as far as these tests ask. */
export interface Manifest {
  readonly version: string;
  readonly bin: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
}

/**
 * A project of a user, in a folder of its own, with the packed tarball in it and nothing else but what the package
 * depends on, as npm would install it. Nothing is downloaded: dependencies are links to those of this repository.
 */
export class PackedProject {
  /** Where the package is. */
  readonly package: string;
  /** What it was unpacked from; `undefined` if it was not packed. */
  tarball: string | undefined;
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
    this.package = join(folder, 'node_modules', 'acebase-ipc-server');
  }

  /** Packs what `npm run build` made. */
  static async create(): Promise<PackedProject> {
    const project = await PackedProject.#empty();
    // Without its scripts: they would build anew, under the feet of the tests that run beside this one.
    const arguments_ = ['pack', '--ignore-scripts', '--json', '--pack-destination', project.#folder];
    const { stdout } = await promisify(execFile)('npm', arguments_, { cwd: repository });
    const [{ filename }] = JSON.parse(stdout) as [{ filename: string }];
    project.tarball = join(project.#folder, filename);
    await mkdir(project.package, { recursive: true });
    await project.run('tar', ['-xzf', project.tarball, '--strip-components=1', '-C', project.package]);
    await project.#linkDependencies();
    return project;
  }

  /** The same without npm, which takes two seconds: for tests that do not ask what is in the tarball. */
  static async unpacked(): Promise<PackedProject> {
    const project = await PackedProject.#empty();
    for (const name of ['package.json', 'dist']) {
      await cp(join(repository, name), join(project.package, name), { recursive: true });
    }
    await project.#linkDependencies();
    return project;
  }

  static async #empty(): Promise<PackedProject> {
    if (!existsSync(join(repository, 'dist/index.js'))) throw new Error('Nothing is built: npm run build');
    return new PackedProject(await temporaryDirectory('package'));
  }

  async #linkDependencies(): Promise<void> {
    for (const name of Object.keys((await this.manifest()).dependencies)) await this.link(name);
  }

  /** The manifest that is in the tarball. */
  async manifest(): Promise<Manifest> {
    return JSON.parse(await readFile(join(this.package, 'package.json'), 'utf8')) as Manifest;
  }

  /** Makes a package of this repository's a dependency of the project, or of a package in a folder of it. */
  async link(name: string, folder = '.'): Promise<void> {
    const target = join(this.#folder, folder, 'node_modules', name);
    await mkdir(dirname(target), { recursive: true });
    await symlink(join(repository, 'node_modules', name), target);
  }

  /** Where something of the project is. */
  path(...parts: readonly string[]): string {
    return join(this.#folder, ...parts);
  }

  /** Writes a file of the user's. */
  async write(path: string, text: string): Promise<void> {
    await mkdir(dirname(join(this.#folder, path)), { recursive: true });
    await writeFile(join(this.#folder, path), text);
  }

  /** Runs a program in the project's folder. */
  async run(
    program: string,
    words: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): Promise<Outcome> {
    const options = { cwd: this.#folder, timeout: 60_000, env: { ...process.env, ...env } };
    return new Promise((resolve) => {
      execFile(program, words, options, (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : Number(error.code ?? 1), stdout, stderr });
      });
    });
  }

  /** Runs a file with Node.js. */
  node(...words: readonly string[]): Promise<Outcome> {
    return this.run(process.execPath, words);
  }

  /** Removes everything. */
  async remove(): Promise<void> {
    await removeDirectory(this.#folder);
  }
}
