/** Makes folders. */

import { existsSync, mkdirSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { codeOf, withMessage } from '../system-error.js';

/**
 * Makes a folder, and those that it is to be in. One that is there is left as it is.
 *
 * The recursive `mkdir` of Node.js (20, at least) tries for ever where a folder that is there takes no new ones, such as `/proc`.
 *
 * @throws the error of the operating system
 */
export function makeFolder(path: string): void {
  const folder = resolve(path);
  try {
    mkdirSync(folder);
  } catch (error) {
    if (existsSync(folder) && statSync(folder).isDirectory()) return;
    const parent = dirname(folder);
    // A drive that is not there is in no folder.
    if (codeOf(error) !== 'ENOENT' || parent === folder) throw error;
    if (existsSync(parent))
      throw withMessage(error, `cannot create ${folder}: ${parent} takes no new folders`);
    makeFolder(parent);
    makeFolder(folder);
  }
}
