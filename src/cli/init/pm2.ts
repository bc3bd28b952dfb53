/** `acebase-ipc-server init pm2 <database> --dedicated-master`. */

import { installedVersion } from '../doctor/installed.js';
import type { NewFile } from './new-files.js';
import { asCommonJS, programs, replaced } from './template.js';

/** What the files are for. */
export interface Pm2Words {
  readonly database: string;
  readonly folder: string;
  /** Whether the server gets a certificate and a token. */
  readonly tls: boolean;
}

const ECOSYSTEM = 'ecosystem.config.js';
const SETTINGS = 'ipc.json';

const PROGRAMS = [ECOSYSTEM, SETTINGS, 'start-db-master.js', 'start-db-server.js'];

/** What {@link authoritySteps} makes. */
export const SECURE = {
  tokenFile: 'ipc-token',
  ssl: { certPath: 'ipc-cert.pem', keyPath: 'ipc-key.pem' },
};

/** The files for pm2: those of the example with a dedicated master, for that database. */
export function pm2Files({ database, folder, tls }: Pm2Words): readonly NewFile[] {
  const files = new Map(programs('pm2-dedicated-master', PROGRAMS));
  const ecosystem = replaced(files.get(ECOSYSTEM) ?? '', [
    ["process.env.DB_NAME ?? 'mydb'", `process.env.DB_NAME ?? '${database}'`],
  ]);
  files.set(ECOSYSTEM, ecosystem);
  if (tls) {
    const settings = { ...JSON.parse(files.get(SETTINGS) ?? '{}'), ...SECURE };
    files.set(SETTINGS, `${JSON.stringify(settings, undefined, 2)}\n`);
  }
  return [...asCommonJS(files, folder)].map(([name, contents]) => ({ name, contents }));
}

/** What is to be done with them. */
export function pm2Steps(files: readonly NewFile[], { database, folder, tls }: Pm2Words): readonly string[] {
  const ecosystem = files.map(({ name }) => name).find((name) => name.startsWith('ecosystem')) ?? ECOSYSTEM;
  return [
    ...installStep(['acebase', 'acebase-server', 'acebase-ipc-server', 'pm2', 'ws'], folder),
    ...(tls ? authoritySteps() : []),
    `npx pm2 start ${ecosystem}`,
    `${tls ? 'NODE_EXTRA_CA_CERTS=ipc-ca.pem ' : ''}npx acebase-ipc-server doctor ${database} --config ${SETTINGS}`,
  ];
}

/** The command that installs those of the packages that are not there; none if all are. */
export function installStep(packages: readonly string[], folder: string): readonly string[] {
  const missing = packages.filter((name) => installedVersion(name, folder) === undefined);
  return missing.length === 0 ? [] : [`npm install ${missing.join(' ')}`];
}

/** A token, an authority that nobody else trusts, and a certificate of it for this machine: docs/OPERATIONS.md has the same. */
export function authoritySteps(): readonly string[] {
  const newKey = '-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes';
  return [
    '(umask 077; openssl rand -hex 24 > ipc-token)',
    `openssl req -x509 ${newKey} -days 3650 -keyout ipc-ca.key -out ipc-ca.pem -subj "/CN=IPC authority"`,
    `openssl req ${newKey} -keyout ipc-key.pem -out ipc.csr -subj "/CN=localhost"`,
    'echo "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1" > ipc.san',
    'openssl x509 -req -in ipc.csr -CA ipc-ca.pem -CAkey ipc-ca.key -CAcreateserial -days 365 -extfile ipc.san -out ipc-cert.pem',
  ];
}
