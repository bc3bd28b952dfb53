/** `acebase-ipc-server init systemd <database> --dedicated-master`. */

import { IPCError } from '../../errors.js';
import type { NewFile } from './new-files.js';
import { installStep } from './pm2.js';
import { asCommonJS, programs, replaced, template } from './template.js';

/** Where the services run, and as whom. */
export interface SystemdSurroundings {
  /** Absolute. */
  readonly folder: string;
  /** The path of Node.js. */
  readonly node: string;
  readonly user: string;
  /** For the `admin` account of a new database. */
  readonly password: string;
}

const PROGRAMS = ['start-db.js'];

/** What systemd would read otherwise than it is meant. */
const UNSAFE_PATH = /[^A-Za-z0-9/_.@+-]/;

/**
 * The files for systemd: the IPC server, a master, any number of acebase-servers, and the programs of the last two.
 *
 * @throws IPCError `IPC_OPTION_INVALID`, for a folder that cannot stand in a unit as it is
 */
export function systemdFiles(database: string, surroundings: SystemdSurroundings): readonly NewFile[] {
  const { folder, node, password } = surroundings;
  for (const path of [folder, node]) {
    if (!UNSAFE_PATH.test(path)) continue;
    throw new IPCError(
      'IPC_OPTION_INVALID',
      `--folder: ${JSON.stringify(path)} is not allowed. Allowed: a path of letters, digits and / _ . @ + -`,
    );
  }
  const files = asCommonJS(programs('cloud', PROGRAMS), folder);
  const start = [...files.keys()].find((name) => name.startsWith('start-db')) ?? 'start-db.js';
  return [
    ...[...files].map(([name, contents]) => ({ name, contents })),
    { name: `${database}.env`, contents: environment(database, folder, password), isSecret: true },
    { name: `${database}-ipc.service`, contents: serverUnit(database, surroundings) },
    {
      name: `${database}-master.service`,
      contents: databaseUnit(database, surroundings, start, 'master', 'the master'),
    },
    {
      name: `${database}-server@.service`,
      contents: databaseUnit(database, surroundings, start, 'worker', 'acebase-server on port %i'),
    },
  ];
}

/** What is to be done with them. */
export function systemdSteps(database: string, folder: string): readonly string[] {
  return [
    ...installStep(['acebase', 'acebase-server', 'acebase-ipc-server', 'ws'], folder),
    `sudo cp ${folder}/${database}-*.service /etc/systemd/system/ && sudo systemctl daemon-reload`,
    `sudo systemctl enable --now ${database}-ipc ${database}-master ${database}-server@5757`,
    `sudo systemctl enable --now ${database}-server@5758    # when the first answers http://localhost:5757/ping/${database}`,
    `npx acebase-ipc-server doctor ${database}`,
  ];
}

function environment(database: string, folder: string, password: string): string {
  return [
    '# Read by the services of the AceBase processes.',
    `DB_NAME=${database}`,
    `DB_PATH=${folder}`,
    'ACEBASE_IPC_HOST=localhost',
    'ACEBASE_IPC_PORT=9163',
    'HTTP_HOST=localhost',
    '# For the account "admin", when the database is new.',
    `DB_ADMIN_PASSWORD=${password}`,
    '',
  ].join('\n');
}

/** The unit of `deploy/systemd`, as a user who owns files, and with the programs of this folder. */
function serverUnit(database: string, { folder, node, user }: SystemdSurroundings): string {
  const script = `${folder}/node_modules/acebase-ipc-server/dist/cli/main.js`;
  return replaced(template('deploy/systemd/acebase-ipc-server.service'), [
    ['Description=AceBase IPC server', `Description=AceBase IPC server for ${database}`],
    [
      '/usr/bin/node /opt/acebase-ipc-server/node_modules/acebase-ipc-server/dist/cli/main.js --config /etc/acebase-ipc-server/config.json',
      `${node} ${script} --databases ${database}`,
    ],
    [
      '# A user that exists while the server runs. The group may read the token, the key and the config file.\nDynamicUser=yes\nSupplementaryGroups=acebase-ipc\n',
      `User=${user}\n`,
    ],
    ['ProtectHome=yes', 'ProtectHome=read-only'],
  ]);
}

function databaseUnit(
  database: string,
  { folder, node, user }: SystemdSurroundings,
  script: string,
  role: 'master' | 'worker',
  what: string,
): string {
  return [
    '[Unit]',
    `Description=AceBase ${database}: ${what}`,
    `Wants=${database}-ipc.service`,
    `After=${database}-ipc.service${role === 'worker' ? ` ${database}-master.service` : ''}`,
    'StartLimitIntervalSec=0',
    '',
    '[Service]',
    `User=${user}`,
    `WorkingDirectory=${folder}`,
    `EnvironmentFile=${folder}/${database}.env`,
    `Environment=ACEBASE_IPC_ROLE=${role}${role === 'worker' ? ' HTTP_PORT=%i' : ''}`,
    `ExecStart=${node} ${script}`,
    '# A process that has lost its place in the cluster ends, and a fresh one takes it.',
    'Restart=always',
    'RestartSec=1',
    'TimeoutStopSec=20',
    'NoNewPrivileges=yes',
    'ProtectSystem=strict',
    'ProtectHome=read-only',
    `ReadWritePaths=${folder}`,
    'PrivateTmp=yes',
    'PrivateDevices=yes',
    '',
    '[Install]',
    'WantedBy=multi-user.target',
    '',
  ].join('\n');
}
