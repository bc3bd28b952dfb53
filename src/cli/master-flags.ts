/** `--master mydb --path data`: the masters that a command line names, each with its folder. */

import { IPCError } from '../errors.js';

/** The flag for the folder of a database. */
export const PATH_FLAG = '--path';

/**
 * What the two flags say, in their order: a folder belongs to the master before it. One that stands before all of them is for a
 * command, such as `check`.
 *
 * Both are flags of the program, since that takes its own wherever they stand, also behind the name of a command.
 */
export class MasterFlags {
  readonly #masters = new Map<string, { readonly path?: string }>();
  readonly #strayPaths: string[] = [];
  #last: string | undefined;

  /** `--master`. @throws {IPCError} IPC_OPTION_INVALID, if it was named before, or is a list as the variable takes it */
  addMaster(name: string): void {
    if (name.includes(',')) throw invalid(`--master: names one database. Write ${flagsFor(name)}`);
    if (this.#masters.has(name)) throw invalid(`--master: ${JSON.stringify(name)} is given twice`);
    this.#masters.set(name, {});
    this.#last = name;
  }

  /** `--path`. @throws {IPCError} IPC_OPTION_INVALID, if the master before it has one */
  addPath(path: string): void {
    if (this.#last === undefined) {
      this.#strayPaths.push(path);
      return;
    }
    if (this.#masters.get(this.#last)?.path !== undefined)
      throw invalid(`${PATH_FLAG}: --master ${this.#last} has one already`);
    this.#masters.set(this.#last, { path });
  }

  /** The option `masters` in JSON, as other sources have it; `undefined` if no master was named. */
  get text(): string | undefined {
    return this.#masters.size === 0 ? undefined : JSON.stringify(Object.fromEntries(this.#masters));
  }

  /**
   * The one folder that a command asks for.
   *
   * @param usage how the command is written
   * @throws {IPCError} IPC_OPTION_INVALID, if there is none, or more than one
   */
  pathOf(command: string, usage: string): string {
    const [path, ...more] = this.#strayPaths;
    if (path === undefined) throw invalid(`${command}: missing option: ${PATH_FLAG}. Usage: ${usage}`);
    if (more.length > 0) throw invalid(`${PATH_FLAG}: is given twice. Usage: ${usage}`);
    return path;
  }

  /** For what takes no folder of its own. @throws {IPCError} IPC_OPTION_INVALID, if one stands before all masters */
  refuseStrayPaths(): void {
    if (this.#strayPaths.length > 0)
      throw invalid(`${PATH_FLAG}: must follow a --master. Write --master mydb --path ./data`);
  }
}

function flagsFor(list: string): string {
  const names = list.split(',').map((name) => name.trim());
  return names
    .filter((name) => name !== '')
    .map((name) => `--master ${name}`)
    .join(' ');
}

function invalid(detail: string): IPCError {
  return new IPCError('IPC_OPTION_INVALID', detail);
}
