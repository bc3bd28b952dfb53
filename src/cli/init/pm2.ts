/** `acebase-ipc-server init pm2 <database>`. */

import type { NewFile } from './new-files.js';
import { asCommonJS, programs, replaced } from './template.js';

const ECOSYSTEM = 'ecosystem.config.js';

const PROGRAMS = [
  ECOSYSTEM,
  'start-ipc-server.js',
  'start-db-master.js',
  'start-db-server.js',
  'end-with-connection.js',
  'release-clients.js',
  'until-no-master.js',
];

/** The files for pm2: those of the example with a dedicated master, for that database. */
export function pm2Files(database: string, folder: string): readonly NewFile[] {
  const files = new Map(programs('pm2-dedicated-master', PROGRAMS));
  const ecosystem = replaced(files.get(ECOSYSTEM) ?? '', [
    ["process.env.DB_NAME ?? 'mydb'", `process.env.DB_NAME ?? '${database}'`],
  ]);
  files.set(ECOSYSTEM, ecosystem);
  return [...asCommonJS(files, folder)].map(([name, contents]) => ({ name, contents }));
}

/** What is to be done with them. */
export function pm2Steps(files: readonly NewFile[], database: string): readonly string[] {
  const ecosystem = files.map(({ name }) => name).find((name) => name.startsWith('ecosystem')) ?? ECOSYSTEM;
  return [
    'npm install acebase acebase-server acebase-ipc-server pm2 ws',
    `npx pm2 start ${ecosystem}`,
    `npx acebase-ipc-server doctor ${database}`,
  ];
}
