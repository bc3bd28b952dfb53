/** The files of this package that new ones are made from. */

import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of this package: above `dist/cli` and `src/cli/init`, wherever this code runs. */
function packageFolder(): string {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'examples')) && existsSync(join(folder, 'deploy'))) return folder;
    if (dirname(folder) === folder)
      throw new Error('this installation of acebase-ipc-server has no examples');
  }
}

/** The text of a file of this package, by its path from there. */
export function template(path: string): string {
  return readFileSync(join(packageFolder(), path), 'utf8');
}

/** The text with each of these replaced, everywhere. @throws Error if one is not in it: the file has changed */
export function replaced(text: string, changes: readonly (readonly [from: string, to: string])[]): string {
  let result = text;
  for (const [from, to] of changes) {
    if (!result.includes(from)) throw new Error(`the template has no ${JSON.stringify(from)}`);
    result = result.replaceAll(from, to);
  }
  return result;
}

/** The programs of an example, with the client of this package in place of what only stock clients need. */
export function programs(example: string, names: readonly string[]): ReadonlyMap<string, string> {
  return new Map(
    names.map((name) => [
      name,
      template(`examples/${example}/${name}`)
        .replace(
          "require('acebase-ipc-server/stock').quiet();\n",
          "require('acebase-ipc-server/client').install();\n",
        )
        // A master with the client opens the file only when it may.
        .replace(/^(const { .*), untilNoMaster }/m, '$1 }')
        .replace(/^ *await untilNoMaster\(.*\n\n?/m, ''),
    ]),
  );
}

/**
 * The same programs under the names that Node.js takes for CommonJS in that folder: `.cjs` where the nearest package.json
 * says that `.js` is an ES module.
 */
export function asCommonJS(files: ReadonlyMap<string, string>, folder: string): ReadonlyMap<string, string> {
  if (!isModuleFolder(folder)) return files;
  const renamed = (name: string): string => name.replace(/\.js$/, '.cjs');
  const names = [...files.keys()];
  return new Map(
    [...files].map(([name, text]) => [
      renamed(name),
      names.reduce(
        (result, other) =>
          result
            // Also where it stands without quotes, in a unit or a list of words.
            .replaceAll(other, renamed(other)),
        text,
      ),
    ]),
  );
}

function isModuleFolder(folder: string): boolean {
  for (let at = folder; ; at = dirname(at)) {
    try {
      return (
        (JSON.parse(readFileSync(join(at, 'package.json'), 'utf8')) as { type?: unknown }).type === 'module'
      );
    } catch {
      if (dirname(at) === at) return false;
    }
  }
}
