/** The client in a program of this package, which opens a database itself. */

import { IPCError } from '../errors.js';
import { type AceBaseModule, loadAceBase } from '../platform/acebase-package.js';
import { installForRequire } from './install.js';
import type { InstallOptions } from './install-options.js';

/**
 * Loads an acebase package with the client in it, in half the time that a program needs which may import AceBase, and observe what it finds.
 *
 * @param acebase its folder, and the file that `require()` loads
 * @throws {IPCError} IPC_MASTER_UNKNOWN_ACEBASE, and those of `install()`
 */
export function acebaseWithClient<Database>(
  { folder, entry }: { readonly folder: string; readonly entry: string },
  options: Omit<InstallOptions, 'packages'>,
): AceBaseModule<Database> {
  return withoutObservables(() => {
    const builds = installForRequire({ ...options, packages: [folder] });
    // One that was installed before, by NODE_OPTIONS for instance, has found its packages by itself.
    if (!builds.some((build) => build.folder === folder))
      throw new IPCError('IPC_MASTER_UNKNOWN_ACEBASE', `the client is not in the acebase of ${folder}`);
    return loadAceBase<Database>(entry);
  });
}

/** AceBase looks for this class when it is loaded, and loads the 250 files of rxjs if there is none. */
function withoutObservables<T>(load: () => T): T {
  const place = globalThis as { Observable?: unknown };
  if (place.Observable !== undefined) return load();
  place.Observable = class {};
  try {
    return load();
  } finally {
    delete place.Observable;
  }
}
