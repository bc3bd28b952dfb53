import { readdir, readFile, stat } from 'node:fs/promises';
import { builtinModules } from 'node:module';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { links } from '../unit/docs/markdown.js';
import { PackedProject } from './packed.js';

let project: PackedProject;
let files: readonly string[];

beforeAll(async () => {
  project = await PackedProject.create();
  const entries = await readdir(project.package, { recursive: true, withFileTypes: true });
  files = entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(project.package.length + 1));
}, 60_000);

afterAll(() => project.remove());

function read(file: string): Promise<string> {
  return readFile(join(project.package, file), 'utf8');
}

/** The text without its comments, whose examples load packages, too. */
async function readCode(file: string): Promise<string> {
  return (await read(file)).replaceAll(/\/\*\*.*?\*\//gs, '');
}

/** The packages that the built code imports. What the dashboard needs is built into it, and it runs in a browser. */
async function importedPackages(): Promise<Set<string>> {
  const names = new Set<string>();
  for (const file of files.filter((name) =>
    /^dist\/(?!dashboard\/).*\.(?:js|cjs|d\.ts|d\.cts)$/.test(name),
  )) {
    const code = await readCode(file);
    const found = code.matchAll(
      /(?:^(?:import|export)\b[^;"']*?\bfrom|\brequire\(|\bimport\()\s*["']([^"'.][^"']*)["']/gm,
    );
    for (const [, specifier = ''] of found) {
      const name = specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
      // What `init` writes for users, and what errors tell them to write, is text in here.
      const isOther = !['acebase-ipc-server', 'acebase'].includes(name) && !builtinModules.includes(name);
      if (!specifier.startsWith('node:') && isOther) names.add(name);
    }
  }
  return names;
}

describe('the tarball', () => {
  test('has what the package needs, and what its users read', () => {
    for (const file of [
      'package.json',
      'LICENSE',
      'README.md',
      'CHANGELOG.md',
      'dist/index.js',
      'dist/index.cjs',
      'dist/index.d.ts',
      'dist/index.d.cts',
      'dist/client.js',
      'dist/client.cjs',
      'dist/client.d.ts',
      'dist/client.d.cts',
      'dist/register.js',
      'dist/register.cjs',
      'dist/stock.js',
      'dist/stock.cjs',
      'dist/stock.d.ts',
      'dist/stock.d.cts',
      'dist/cli/main.js',
      'dist/managed-master.cjs',
      'dist/dashboard/index.html',
      'dist/dashboard/dashboard.js',
      'dist/dashboard/dashboard.css',
      'dist/dashboard/dashboard.svg',
      'docs/OPERATIONS.md',
      'docs/PROTOCOL.md',
      'docs/CLIENT.md',
      'examples/pm2-dedicated-master/ecosystem.config.js',
      // `init` reads these.
      'deploy/templates/start-db-server.js',
      'deploy/templates/pm2-dedicated-master/start-db-master.js',
      'deploy/templates/systemd-dedicated-master/mydb-server@.service',
      'deploy/templates/compose/.dockerignore',
      'deploy/templates/kubernetes/.dockerignore',
    ]) {
      expect(files, file).toContain(file);
    }
  });

  test('has nothing else: no sources, tests or settings of this repository', () => {
    const allowed =
      /^(?:package\.json|LICENSE|README\.md|CHANGELOG\.md|deploy\/[\w/.@-]+|docs\/[\w/.-]+\.md|docs\/images\/[\w-]+\.png|dist\/dashboard\/(?:index\.html|dashboard\.(?:js|css|svg))|dist\/[\w/.-]+\.(?:c?js|d\.c?ts|c?js\.map)|examples\/(?!demo\/)[\w/.-]+\.(?:js|json|md))$/;
    expect(files.filter((file) => !allowed.test(file))).toEqual([]);
    expect(files.filter((file) => file.includes('node_modules'))).toEqual([]);
  });

  test('has source maps that hold their sources, and names the authors of what is built in', async () => {
    const builtIn = new Set(['preact', 'uplot']);
    for (const file of files.filter((name) => name.endsWith('.map'))) {
      const map = JSON.parse(await read(file)) as { sources: string[]; sourcesContent?: (string | null)[] };
      const missing = map.sources.filter((_source, index) => typeof map.sourcesContent?.[index] !== 'string');
      expect(missing, file).toEqual([]);
      expect(
        map.sources.filter((source) => source.startsWith('/')),
        file,
      ).toEqual([]);
      for (const source of map.sources) {
        const [, name] = /\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(source) ?? [];
        if (name !== undefined) builtIn.add(name);
      }
    }
    const { devDependencies } = await project.manifest();
    const license = await read('LICENSE');
    for (const name of builtIn) {
      expect(license).toContain(`\n${name} (`);
      expect(devDependencies).toHaveProperty(name);
    }
    expect([...builtIn].sort()).toEqual(['preact', 'uplot', 'zod']);
  });

  test('depends on what its code imports, and on nothing else', async () => {
    const { dependencies } = await project.manifest();
    expect([...(await importedPackages())].toSorted()).toEqual(Object.keys(dependencies).toSorted());
  });

  test('has types that need no other package', async () => {
    const types = files.filter((name) => /\.d\.c?ts$/.test(name));
    expect(types.length).toBeGreaterThan(0);
    for (const file of types)
      expect(await readCode(file), file).not.toMatch(/(?:from|import) ["'](?!node:|\.\/)/);
  });

  test('is one that publint finds nothing wrong with', async () => {
    const program = fileURLToPath(new URL('../../node_modules/.bin/publint', import.meta.url));
    const { code, stdout, stderr } = await project.node(program, '--strict', project.tarball ?? '');
    expect(code, stdout + stderr).toBe(0);
  });

  test('has a command that can be executed', async () => {
    const { bin } = await project.manifest();
    const command = bin['acebase-ipc-server'] ?? '';
    expect(await read(command)).toMatch(/^#!\/usr\/bin\/env node\n/);
    expect((await stat(join(project.package, command))).mode & 0o111).toBe(0o111);
  });

  test('has documents whose links lead to its own files, or are only for contributors', async () => {
    for (const file of files.filter((name) => name.endsWith('.md'))) {
      const targets = links(await read(file))
        .filter((link) => !/^(?:[a-z]+:|#)/.test(link))
        .map((link) => normalize(join(dirname(file), link.split('#', 1)[0] ?? '')));
      const reachable = (target: string) =>
        files.some((name) => name === target || name.startsWith(`${target}/`));
      expect(
        targets.filter((target) => target !== 'CONTRIBUTING.md' && !reachable(target)),
        file,
      ).toEqual([]);
    }
  });
});
