import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';

/** A package that is installed. */
export interface InstalledPackage {
  readonly folder: string;
  readonly version: string;
  /** The file that `require()` of its name loads. */
  readonly entry: string;
}

/**
 * Finds a package exactly as `require(name)` would in a module at `from`: Node.js resolves it, so that every layout works
 * that Node.js is made to work with (npm, pnpm without hoisting, Yarn Plug'n'Play, workspaces, `NODE_PATH`).
 *
 * @param from an absolute path of a file; it need not exist. A path that ends with a separator is a folder.
 * @returns `undefined` if such a module could not load it
 */
export function findPackage(name: string, from: string): InstalledPackage | undefined {
  let entry: string;
  try {
    entry = createRequire(from).resolve(name);
  } catch {
    return undefined;
  }
  return packageAround(entry, name);
}

/** The package of that name that a file, or a folder, belongs to. */
export function packageAround(path: string, name: string): InstalledPackage | undefined {
  for (let folder = resolve(path); ; folder = dirname(folder)) {
    // Folders within a package may have a package.json of their own, without a name.
    const manifest = manifestIn(folder);
    if (manifest?.name === name) return { folder, version: manifest.version ?? 'unknown', entry: path };
    if (folder === dirname(folder)) return undefined;
  }
}

function manifestIn(folder: string): { name?: string; version?: string } | undefined {
  try {
    return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as object;
  } catch {
    return undefined;
  }
}
