/** What is to be done with the files that `acebase-ipc-server init` has written: commands, for people to read. */

import { installedVersion } from '../doctor/installed.js';
import type { NewFile } from './new-files.js';
import { type Form, nameOf, SETTINGS, type TemplateWords } from './templates.js';

/** The commands for the files of that form, in their order. */
export function templateSteps(
  form: Form,
  files: readonly NewFile[],
  { database, folder, tls, user }: TemplateWords,
): readonly string[] {
  const own = nameOf(form, database);
  const names = files.map(({ name }) => name);
  const doctor = `npx acebase-ipc-server doctor ${database}${names.includes(SETTINGS) ? ` --config ${SETTINGS}` : ''}`;
  switch (form) {
    case 'pm2':
      return [
        ...installStep(['acebase', 'acebase-server', 'acebase-ipc-server', 'pm2', 'ws'], folder),
        ...(tls
          ? [
              '(umask 077; openssl rand -hex 24 > ipc-token)',
              ...certificateSteps('localhost', 'DNS:localhost,IP:127.0.0.1,IP:::1'),
            ]
          : []),
        `npx pm2 start ${names.find((name) => name.startsWith('ecosystem'))}`,
        `${tls ? 'NODE_EXTRA_CA_CERTS=ipc-ca.pem ' : ''}${doctor}`,
      ];
    case 'systemd': {
      const units = names.filter((name) => name.endsWith('.service'));
      const first = units.map((name) => name.replace('.service', '').replace(/@$/, '@5757'));
      return [
        ...(user === 'root' ? [`edit User= in ${database}-*.service: the services would run as root`] : []),
        ...installStep(['acebase', 'acebase-server', 'acebase-ipc-server', 'ws'], folder),
        `sudo cp ${folder}/${database}-*.service /etc/systemd/system/ && sudo systemctl daemon-reload`,
        `sudo systemctl enable --now ${first.join(' ')}`,
        `sudo systemctl enable --now ${database}-server@5758    # when the first answers http://localhost:5757/ping/${database}`,
        doctor,
      ];
    }
    case 'compose':
      return [
        'openssl rand -hex 24 > ipc-token    # the user of the containers, 1000, must be able to read it',
        'docker compose up --build --detach --scale server=1',
        `docker compose up --detach    # when the first answers http://localhost:5757/ping/${database}`,
        `docker compose exec ipc node node_modules/acebase-ipc-server/dist/cli/main.js doctor ${database} --config ${SETTINGS}`,
      ];
    case 'kubernetes':
      return [
        ...certificateSteps(`${own}-ipc`, `DNS:${own}-ipc`),
        `kubectl create secret generic ${own}-ipc-tls --from-file=tls.crt=ipc-cert.pem --from-file=tls.key=ipc-key.pem --from-file=ca.crt=ipc-ca.pem`,
        `kubectl create secret generic ${own}-ipc-token --from-literal=token="$(openssl rand -hex 24)"`,
        `kubectl create secret generic ${own}-admin --from-literal=password="$(openssl rand -hex 12)"`,
        `docker build -t registry.example.com/${own}:1 . && docker push registry.example.com/${own}:1    # your registry, also in ${own}.yaml`,
        `kubectl apply -f ${own}.yaml`,
        `kubectl scale deployment ${own}-server --replicas 3    # when the first is ready; then put that number into ${own}.yaml, too`,
      ];
  }
}

/** The command that installs those of the packages that are not there; none if all are. */
function installStep(packages: readonly string[], folder: string): readonly string[] {
  const missing = packages.filter((name) => installedVersion(name, folder) === undefined);
  return missing.length === 0 ? [] : [`npm install ${missing.join(' ')}`];
}

/**
 * An authority that nobody else trusts, and a certificate of it: docs/OPERATIONS.md has the same.
 *
 * @param name whom the certificate is for
 * @param alternatives all names by which that is called, as openssl wants them
 */
function certificateSteps(name: string, alternatives: string): readonly string[] {
  const newKey = '-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes';
  return [
    `openssl req -x509 ${newKey} -days 3650 -keyout ipc-ca.key -out ipc-ca.pem -subj "/CN=IPC authority"`,
    `openssl req ${newKey} -keyout ipc-key.pem -out ipc.csr -subj "/CN=${name}"`,
    `echo "subjectAltName=${alternatives}" > ipc.san`,
    'openssl x509 -req -in ipc.csr -CA ipc-ca.pem -CAkey ipc-ca.key -CAcreateserial -days 365 -extfile ipc.san -out ipc-cert.pem',
  ];
}
