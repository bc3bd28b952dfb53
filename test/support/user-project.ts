import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { removeDirectory, temporaryDirectory } from './temporary-directory.js';

const repository = fileURLToPath(new URL('../../', import.meta.url));

/** A new folder of a user with these packages installed, this one always. Whoever makes it removes it. */
export async function userProject(
  type: 'commonjs' | 'module',
  packages: readonly string[],
): Promise<{ readonly folder: string; remove(): Promise<void> }> {
  const folder = await temporaryDirectory('project');
  await writeFile(join(folder, 'package.json'), JSON.stringify({ private: true, type }));
  const modules = join(folder, 'node_modules');
  await mkdir(modules);
  await symlink(repository, join(modules, 'acebase-ipc-server'), 'dir');
  for (const name of packages)
    await symlink(join(repository, 'node_modules', name), join(modules, name), 'dir');
  return { folder, remove: () => removeDirectory(folder) };
}
