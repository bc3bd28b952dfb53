import { join, sep } from 'node:path';
import { findPackage, type InstalledPackage } from './packages.js';

/**
 * Finds AceBase as a program finds it that runs in one of these folders: on its own, or as that of `acebase-server`.
 *
 * @param folders absolute paths, tried in this order
 * @returns `undefined` if no such program could load it
 */
export function findAceBasePackage(folders: readonly string[]): InstalledPackage | undefined {
  for (const folder of folders) {
    const program = join(folder, sep);
    const found = findPackage('acebase', program) ?? findOfServer(program);
    if (found !== undefined) return found;
  }
  return undefined;
}

function findOfServer(program: string): InstalledPackage | undefined {
  const server = findPackage('acebase-server', program);
  return server && findPackage('acebase', server.entry);
}
