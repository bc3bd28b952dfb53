import { readdirSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { OWNER_FILE } from '../../platform/owner-record.js';

/** What AceBase, or a client, makes beside the files of a database for a moment. */
const MOMENTARY = [
  // A tree that was being rebuilt.
  /^tree-.*\.tmp$/,
  // An index that was being made.
  /\.idx\.(?:tmp|build)/,
  // What says that a database is in use.
  /\.use\.redo\.\d+\.tmp$/,
  // How clients find out whether they have one folder.
  /^ipc-check-/,
  // A record of who uses the folder that was being made, or taken away.
  /^ipc-owner\.json\./,
];

/** Whether a file in the folder of a database is no part of it: it is there for a moment, or says who has the folder in use. */
export function isNoPart(name: string): boolean {
  const isOfUser = name.endsWith('.use.redo') || name.startsWith(OWNER_FILE);
  return isOfUser || MOMENTARY.some((pattern) => pattern.test(name));
}

/** The files that somebody who was cut short has left in the folder of a database. */
export function leftOvers(folder: string): readonly string[] {
  return readdirSync(folder)
    .filter((name) => MOMENTARY.some((pattern) => pattern.test(name)))
    .sort();
}

export function removeLeftOvers(folder: string): readonly string[] {
  const names = leftOvers(folder);
  for (const name of names) unlinkSync(join(folder, name));
  return names;
}
