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

/** The names of files that are written before they take their places: a tree that is rebuilt, and the record of use (journal/use-record.ts). */
export const DRAFT = /^tree-.*\.tmp$|\.use\.redo\.\d+\.tmp$/;
