import { createRequire } from 'node:module';
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

/** What a program that opens a database takes of AceBase. */
export interface AceBaseModule<Database> {
  readonly AceBase: new (name: string, settings: object) => Database;
}

/** Loads the AceBase that was found, as a program that requires it has it. @param entry of the package @see findAceBasePackage */
export function loadAceBase<Database>(entry: string): AceBaseModule<Database> {
  return createRequire(entry)(entry) as AceBaseModule<Database>;
}

/**
 * AceBase prints its logo whenever a database is made, and later what it has to say, to where a program has its output.
 *
 * @param errors whether it is not to tell of errors either, which whoever uses it is told anyway
 * @returns what lets it print again
 */
export function silenceAceBase({ errors = false } = {}): () => void {
  const silenced = (errors ? ['log', 'error'] : ['log']).map((name) => {
    const original: unknown = Reflect.get(console, name);
    Reflect.set(console, name, () => undefined);
    return () => void Reflect.set(console, name, original);
  });
  return () => {
    for (const speakAgain of silenced) speakAgain();
  };
}
