/** The files of `deploy/templates`, for a database: the IPC server runs its master. */

import { randomBytes } from 'node:crypto';
import { IPCError } from '../../errors.js';
import type { NewFile } from './new-files.js';
import { authoritySteps, installStep, SECURE } from './pm2.js';
import { asCommonJS, template } from './template.js';

/** What there are files for. */
export const FORMS = ['pm2', 'systemd', 'compose', 'kubernetes'] as const;

/** One of them. */
export type Form = (typeof FORMS)[number];

/** For whom, and where. */
export interface TemplateWords {
  readonly database: string;
  /** Absolute. */
  readonly folder: string;
  /** Whether the server gets a certificate and a token; for pm2 only. */
  readonly tls: boolean;
  /** The path of Node.js, and who runs the services: for systemd. */
  readonly node: string;
  readonly user: string;
}

const PROGRAM = 'start-db-server.js';
const SETTINGS = 'ipc.json';

const NAMES: Readonly<Record<Form, readonly string[]>> = {
  pm2: ['ecosystem.config.js', SETTINGS],
  systemd: ['mydb-ipc.service', 'mydb-server@.service', 'mydb.env', SETTINGS],
  compose: ['compose.yaml', 'Dockerfile', '.dockerignore', 'mydb.env', SETTINGS],
  kubernetes: ['mydb.yaml', 'Dockerfile', '.dockerignore'],
};

/** Characters that names of Kubernetes may have, with what is put behind them. */
const LONGEST_NAME = 50;

/** What systemd would read otherwise than it is meant. */
const UNSAFE_PATH = /[^A-Za-z0-9/_.@+-]/;

/**
 * The files of one form.
 *
 * @throws IPCError `IPC_OPTION_INVALID`, for a folder that cannot stand in a unit as it is
 */
export function templateFiles(form: Form, words: TemplateWords): readonly NewFile[] {
  const { database, folder, node, user, tls } = words;
  if (form === 'systemd') for (const path of [folder, node]) checkPath(path);
  const password = randomBytes(12).toString('hex');
  const texts = new Map([[PROGRAM, template(`deploy/templates/${PROGRAM}`)]]);
  for (const name of NAMES[form]) texts.set(name, template(`deploy/templates/${form}/${name}`));
  const filled = fillIn([
    [/\/srv\/mydb/, folder],
    [/\/usr\/bin\/node/, node],
    [/(?<=User=)acebase/, user],
    [/change-me/, password],
    [/(?<=["'])mydb(?=["'])|(?<=\/ping\/|the master of )mydb|mydb(?=\.acebase)/, database],
    // What is named after the database.
    [/mydb/, nameOf(form, database)],
  ]);
  const files = [...asCommonJS(texts, folder)].map(
    ([name, text]): NewFile => ({
      name: filled(name),
      contents: filled(text),
      ...(name.endsWith('.env') ? { isSecret: true } : {}),
    }),
  );
  return tls ? files.map((file) => (file.name === SETTINGS ? secured(file) : file)) : files;
}

/**
 * Puts what differs from cluster to cluster into a template, in one pass: what has been put in is not looked at again, so a path or a user of
 * any name stays as it is.
 *
 * @param blanks what a template says, with what is to stand there. Of two that begin at the same character, the first counts.
 */
function fillIn(blanks: readonly (readonly [blank: RegExp, value: string])[]): (text: string) => string {
  const any = new RegExp(blanks.map(([{ source }]) => `(${source})`).join('|'), 'g');
  const values = blanks.map(([, value]) => value);
  return (text) =>
    text.replace(any, (_, ...groups) => values[groups.findIndex((it) => it !== undefined)] ?? '');
}

/** What things of that database are called: Docker and Kubernetes know lower-case letters, digits and dashes. */
function nameOf(form: Form, database: string): string {
  if (form !== 'compose' && form !== 'kubernetes') return database;
  const plain = database.toLowerCase().replaceAll('_', '-');
  const begun = /^[a-z]/.test(plain) ? plain : `db-${plain}`;
  return begun.slice(0, LONGEST_NAME).replace(/-+$/, '');
}

/** What is to be done with them. */
export function templateSteps(
  form: Form,
  files: readonly NewFile[],
  words: TemplateWords,
): readonly string[] {
  const { database, folder, tls, user } = words;
  const own = nameOf(form, database);
  const doctor = `npx acebase-ipc-server doctor ${database} --config ${SETTINGS}`;
  switch (form) {
    case 'pm2': {
      const ecosystem = files.find(({ name }) => name.startsWith('ecosystem'))?.name ?? 'ecosystem.config.js';
      return [
        ...installStep(['acebase', 'acebase-server', 'acebase-ipc-server', 'pm2', 'ws'], folder),
        ...(tls ? authoritySteps() : []),
        `npx pm2 start ${ecosystem}`,
        `${tls ? 'NODE_EXTRA_CA_CERTS=ipc-ca.pem ' : ''}${doctor}`,
      ];
    }
    case 'systemd':
      return [
        ...(user === 'root' ? [`edit User= in ${database}-*.service: the services would run as root`] : []),
        ...installStep(['acebase', 'acebase-server', 'acebase-ipc-server', 'ws'], folder),
        `sudo cp ${folder}/${database}-*.service /etc/systemd/system/ && sudo systemctl daemon-reload`,
        `sudo systemctl enable --now ${database}-ipc ${database}-server@5757`,
        `sudo systemctl enable --now ${database}-server@5758    # when the first answers http://localhost:5757/ping/${database}`,
        doctor,
      ];
    case 'compose':
      return [
        'openssl rand -hex 24 > ipc-token    # the user of the containers, 1000, must be able to read it',
        'docker compose up --build --detach --scale server=1',
        `docker compose up --detach    # when the first answers http://localhost:5757/ping/${database}`,
        `docker compose exec ipc node node_modules/acebase-ipc-server/dist/cli/main.js doctor ${database} --config ${SETTINGS}`,
      ];
    case 'kubernetes':
      return [
        ...certificateSteps(`${own}-ipc`),
        `kubectl create secret generic ${own}-ipc-tls --from-file=tls.crt=tls.crt --from-file=tls.key=tls.key --from-file=ca.crt=ca.crt`,
        `kubectl create secret generic ${own}-ipc-token --from-literal=token="$(openssl rand -hex 24)"`,
        `kubectl create secret generic ${own}-admin --from-literal=password="$(openssl rand -hex 12)"`,
        `docker build -t registry.example.com/${own}:1 . && docker push registry.example.com/${own}:1    # your registry, also in ${own}.yaml`,
        `kubectl apply -f ${own}.yaml`,
      ];
  }
}

/** An authority that nobody else trusts, and a certificate of it for that name: deploy/README.md has the same. */
function certificateSteps(name: string): readonly string[] {
  const newKey = '-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes';
  return [
    `openssl req -x509 ${newKey} -days 3650 -keyout ca.key -out ca.crt -subj "/CN=${name} authority"`,
    `openssl req ${newKey} -keyout tls.key -out tls.csr -subj "/CN=${name}"`,
    `echo "subjectAltName=DNS:${name}" > san`,
    'openssl x509 -req -in tls.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 365 -extfile san -out tls.crt',
  ];
}

function secured(file: NewFile): NewFile {
  const settings = { ...(JSON.parse(file.contents) as object), ...SECURE };
  return { ...file, contents: `${JSON.stringify(settings, undefined, 2)}\n` };
}

function checkPath(path: string): void {
  if (!UNSAFE_PATH.test(path)) return;
  throw new IPCError(
    'IPC_OPTION_INVALID',
    `--folder: ${JSON.stringify(path)} is not allowed. Allowed: a path of letters, digits and / _ . @ + -`,
  );
}
