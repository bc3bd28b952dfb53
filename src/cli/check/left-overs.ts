import { readdirSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { DRAFT } from '../../client/patches/file-layout.js';
import { OWNER_FILE } from '../../platform/owner-record.js';

/** What AceBase, or a client, makes beside the files of a database for a moment. */
const MOMENTARY = [
  DRAFT,
  // An index that was being made.
  /\.idx\.(?:tmp|build)/,
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
