/** Loaded before anything else, by every entry: what comes after it may need a newer Node.js to be loaded at all. */

import { IPCError } from './errors.js';

/** The least version of each line of Node.js that works, and the first line that works as a whole. */
const LEAST: readonly (readonly [major: number, minor: number])[] = [
  [20, 19],
  [22, 12],
];

/** What is wrong with a version of Node.js; `undefined` if nothing is. */
export function nodeProblem(version: string): IPCError | undefined {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const line = LEAST.filter((least) => least[0] === major)[0];
  if (line === undefined ? major > 22 : minor >= line[1]) return undefined;
  return new IPCError(
    'IPC_NODE_TOO_OLD',
    `acebase-ipc-server needs Node.js 20.19 or later, or 22.12 or later; this is ${version}`,
  );
}
