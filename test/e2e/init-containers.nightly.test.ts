/** What `init compose` and `init kubernetes` write, without an engine: each container is a process, and each volume a folder. */

import { execFile, spawn } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseEnv, promisify } from 'node:util';
import { expect, it, onTestFinished } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { WatchedProcess } from '../support/child-process.js';
import { runCommand } from '../support/command.js';
import { freePorts } from '../support/free-port.js';
import { DatabaseClient } from '../support/http-load.js';
import { userProject } from '../support/user-project.js';
import { eventually } from '../support/waiting.js';

const SERVICE_NAME = fileURLToPath(new URL('../support/service-name.cjs', import.meta.url));

/** What runs in a container. */
interface Container {
  /** For Node.js, which is the entry point of the image. */
  readonly words: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** The processes of a cluster, by what their containers are told. */
interface Deployment {
  readonly server: Container;
  /** An acebase-server. */
  readonly worker: Container;
  readonly password: string;
}

/** A folder with the files of that form in it, and the commands that are to be carried out. */
async function initialized(form: string) {
  const { folder, remove } = await userProject('commonjs', ['acebase', 'acebase-server', 'ws']);
  onTestFinished(remove);
  const { code, stdout, stderr } = await runCommand(['init', form, 'shop'], { folder });
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const steps = stdout.split('\nnow:\n')[1] ?? '';
  expect(steps).not.toBe('');
  const [port = 0, ...httpPorts] = await freePorts(3);
  /** With what is elsewhere than in a container: a folder for the path of each volume, and the port of the server. */
  const located = (text: string, volumes: Readonly<Record<string, string>>): string => {
    const places = Object.entries(volumes).map(([path, place]) => [path, join(folder, place)] as const);
    return places
      .reduce(
        (result, [path, place]) => result.replaceAll(new RegExp(`${path}(?=[/"\\s]|$)`, 'g'), place),
        text,
      )
      .replaceAll('9163', String(port))
      .replaceAll('0.0.0.0', '127.0.0.1');
  };
  await mkdir(join(folder, 'data'));
  return { folder, steps, httpPorts, located };
}

/** Carries out the commands that were printed: those of an engine are left out, but that secrets are folders. */
async function carryOut(steps: string, folder: string): Promise<void> {
  const script = `
docker() { :; }
kubectl() {
  [ "$1 $2" = "create secret" ] || return 0
  secret=secrets/$4
  mkdir -p "$secret"
  shift 4
  for word; do
    pair=\${word#*=}
    case $word in
      --from-file=*) cp "\${pair#*=}" "$secret/\${pair%%=*}" ;;
      --from-literal=*) printf %s "\${pair#*=}" > "$secret/\${pair%%=*}" ;;
    esac
  done
}
${steps}`;
  await promisify(execFile)('sh', ['-euc', script], { cwd: folder });
}

/** Starts them in the order of the guide, writes by one acebase-server and reads by another, and ends all as an engine does. */
async function play(
  { server, worker, password }: Deployment,
  folder: string,
  ports: readonly number[],
): Promise<void> {
  const processes: WatchedProcess[] = [];
  const start = (
    name: string,
    { words, env }: Container,
    more: Readonly<Record<string, string>> = {},
  ): void => {
    const own = { PATH: process.env['PATH'], NODE_OPTIONS: `--require ${SERVICE_NAME}` };
    const child = spawn(process.execPath, words, {
      cwd: folder,
      env: { ...own, ...env, ...more },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const started = new WatchedProcess(name, child);
    processes.push(started);
    onTestFinished(async () => void (await started.end('SIGKILL')));
  };
  start('IPC server', server);
  const clients: DatabaseClient[] = [];
  for (const port of ports) {
    start(`acebase-server on ${port}`, worker, { HTTP_PORT: String(port) });
    const origin = `http://localhost:${port}`;
    const signedIn = eventually(() => new DatabaseClient(origin, 'shop').signIn('admin', password), {
      timeout: 60_000,
      interval: 200,
    });
    const accessToken = await signedIn.catch((cause: unknown) => {
      throw new Error(processes.map((each) => each.describe()).join('\n'), { cause });
    });
    clients.push(new DatabaseClient(origin, 'shop', { accessToken }));
  }
  await clients[0]?.set('greeting', 'hello');
  expect(await clients[1]?.get('greeting')).toBe('hello');
  for (const each of processes.reverse())
    expect(await each.end('SIGTERM'), each.describe()).toEqual({ code: 0, signal: null });
}

/** A service of a compose file, as far as it is started here. */
interface ComposeService {
  readonly command: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly env_file?: string;
}

it('init compose writes commands that make a cluster', async () => {
  const { folder, steps, httpPorts, located } = await initialized('compose');
  await carryOut(steps, folder);
  const volumes = { '/run/secrets': '.', '/data': 'data' };
  const settings = join(folder, 'ipc.json');
  await writeFile(settings, located(await readFile(settings, 'utf8'), volumes));
  const { services } = parse(located(await readFile(join(folder, 'compose.yaml'), 'utf8'), volumes)) as {
    services: Readonly<Record<'ipc' | 'server', ComposeService>>;
  };
  const variables = parseEnv(located(await readFile(join(folder, 'shop.env'), 'utf8'), volumes));
  const container = ({ command, environment, env_file: file }: ComposeService): Container => ({
    words: command,
    env: { ...environment, ...(file === 'shop.env' && (variables as Record<string, string>)) },
  });
  const [server, worker] = [container(services.ipc), container(services.server)];
  const password = worker.env['DB_ADMIN_PASSWORD'] ?? '';
  expect(password).not.toBe('');
  await play({ server, worker, password }, folder, httpPorts);
});

/** What is read of the objects of a manifest. */
interface Manifest {
  readonly kind: string;
  readonly data?: Readonly<Record<string, string>>;
  readonly spec?: { readonly template?: { readonly spec: Pod } };
}

interface Pod {
  readonly containers: readonly [
    {
      readonly args: readonly string[];
      readonly env?: readonly {
        readonly name: string;
        readonly value?: string;
        readonly valueFrom?: { readonly secretKeyRef: { readonly name: string; readonly key: string } };
      }[];
      readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[];
    },
  ];
  readonly volumes: readonly {
    readonly name: string;
    readonly secret?: { readonly secretName: string };
    readonly configMap?: object;
  }[];
}

it('init kubernetes writes commands that make a cluster', async () => {
  const { folder, steps, httpPorts, located } = await initialized('kubernetes');
  await carryOut(steps, folder);
  const manifests = parseAllDocuments(await readFile(join(folder, 'shop.yaml'), 'utf8')).map(
    (document) => document.toJS() as Manifest,
  );
  const podOf = (kind: string): Pod => {
    const pod = manifests.find((it) => it.kind === kind)?.spec?.template?.spec;
    if (pod === undefined) throw new Error(`no ${kind}`);
    return pod;
  };
  /** Where in the folder the volumes of that pod are. */
  const volumesOf = ({ containers: [{ volumeMounts }], volumes }: Pod): Readonly<Record<string, string>> =>
    Object.fromEntries(
      volumeMounts.map(({ name, mountPath }) => {
        const volume = volumes.find((it) => it.name === name);
        const { secret, configMap } = volume ?? {};
        return [mountPath, secret ? join('secrets', secret.secretName) : configMap ? 'config' : 'data'];
      }),
    );
  const container = async (pod: Pod): Promise<Container> => {
    const { args, env = [] } = pod.containers[0];
    const volumes = volumesOf(pod);
    const variables = env.map(async ({ name, value, valueFrom }) => {
      const { secretKeyRef: ref } = valueFrom ?? {};
      if (ref === undefined) return [name, located(value ?? '', volumes)] as const;
      return [name, await readFile(join(folder, 'secrets', ref.name, ref.key), 'utf8')] as const;
    });
    return {
      words: args.map((word) => located(word, volumes)),
      env: Object.fromEntries(await Promise.all(variables)),
    };
  };
  const [serverPod, workerPod] = [podOf('StatefulSet'), podOf('Deployment')];
  await mkdir(join(folder, 'config'));
  for (const [name, text] of Object.entries(manifests.find(({ kind }) => kind === 'ConfigMap')?.data ?? {}))
    await writeFile(join(folder, 'config', name), located(text, volumesOf(serverPod)));
  const [server, worker] = [await container(serverPod), await container(workerPod)];
  await play({ server, worker, password: worker.env['DB_ADMIN_PASSWORD'] ?? '' }, folder, httpPorts);
});
