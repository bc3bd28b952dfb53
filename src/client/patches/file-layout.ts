/** Where AceBase has what in its database files. Behind the header and the tables are the records. */

/** What a database file begins with. */
export const DESCRIPTOR = Buffer.from('AceBase⚡');

/** In the header, the address of the root record; and how long that is, in bytes. */
export const ROOT_ADDRESS_AT = 12;
export const ROOT_ADDRESS_BYTES = 6;

/** The table of keys. */
export const KEYS_AT = 64;

/** The table of free space. */
export const FREE_SPACE_AT = 65_536;

/** The first record. What is before it, all processes share. */
export const RECORDS_AT = 131_072;

/** Where the header of a database file has nothing, there are the marks of two logs. */
export const MARKS = {
  data: { position: 40, length: 16 },
  tables: { position: 56, length: 8 },
} as const;

/**
 * Where the logs of a file are: two of the data, which processes write to in turns, and one of the tables.
 *
 * @param folder of the database
 * @param type what kind of data the file has: `data`
 */
export function logPathsOf(folder: string, type: string) {
  const path = `${folder}/${type}`;
  return { data: [`${path}.redo`, `${path}.redo2`], tables: [`${path}.tables.redo`] } as const;
}

/** Where in a file the mark of a log is. */
export type MarkPlace = (typeof MARKS)[keyof typeof MARKS];

/** The names of files that are written before they take their places: a tree that is rebuilt, and the record of use (journal/use-record.ts). */
export const DRAFT = /^tree-.*\.tmp$|\.use\.redo\.\d+\.tmp$/;
