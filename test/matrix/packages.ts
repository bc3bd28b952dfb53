import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const cache = fileURLToPath(new URL('../../node_modules/.cache/acebase-matrix/', import.meta.url));

/**
 * Installs a published version from npm, once, and gives the directory of the package. Beside it stands `ws`, as
 * AceBase asks its users to install. What it depends on is the newest that its own ranges allow, as for a user who
 * installs it today, but for the version of `acebase-core` if one is given, as for a user with an old lock file.
 */
export async function installed(
  name: 'acebase' | 'acebase-server',
  version: string,
  core?: string,
): Promise<string> {
  const home = join(cache, core === undefined ? `${name}-${version}` : `${name}-${version}-core-${core}`);
  if (!existsSync(home)) {
    // Installed elsewhere and then renamed, so that an interrupted installation is not taken for a whole one.
    const workshop = `${home}.${process.pid}`;
    await mkdir(workshop, { recursive: true });
    await writeFile(join(workshop, 'package.json'), '{ "private": true }');
    const packages = [`${name}@${version}`, 'ws@8', ...(core === undefined ? [] : [`acebase-core@${core}`])];
    const flags = ['--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error'];
    try {
      await promisify(execFile)('npm', ['install', ...flags, ...packages], { cwd: workshop });
      await rename(workshop, home);
    } finally {
      await rm(workshop, { recursive: true, force: true });
    }
  }
  return join(home, 'node_modules', name);
}
