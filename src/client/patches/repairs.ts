/** The repairs that can be switched off, by name; each is explained in docs/CLIENT.md. */
export const REPAIRS = [
  'values',
  'locks',
  'space',
  'unsubscribe',
  'index-files',
  'query-caches',
  'index-builds',
  'index-names',
  'node-cache',
  'file-writes',
  'closing',
] as const;

/** One of them. */
export type RepairName = (typeof REPAIRS)[number];
