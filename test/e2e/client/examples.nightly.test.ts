import { fileURLToPath } from 'node:url';
import { afterEach, expect, it } from 'vitest';
import { runCommand } from '../../support/command.js';
import { EmbeddedServer } from '../../support/embedded-server.js';
import { exampleFile, startExample } from '../../support/example.js';
import { freePorts } from '../../support/free-port.js';
import { DatabaseClient } from '../../support/http-load.js';
import { removeDirectory, temporaryDirectory } from '../../support/temporary-directory.js';
import { eventually } from '../../support/waiting.js';

const register = fileURLToPath(new URL('../../../dist/register.js', import.meta.url));
const ends: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

const OURS = { NODE_OPTIONS: `--import ${register}` };

/** Who of the example has the one line; in full, both or none. */
const WITH_IT = [['master'], ['master', 'worker'], []];

it.each(WITH_IT.map((roles) => ({ roles })))(
  'the example for containers runs with the one line in $roles, and the command `peers` tells',
  async ({ roles }) => {
    const path = await temporaryDirectory('example');
    ends.push(() => removeDirectory(path));
    const server = await EmbeddedServer.start({});
    ends.push(() => server.kill());
    const [httpPort = 0] = await freePorts(1);
    const environment = {
      DB_NAME: 'mydb',
      DB_PATH: path,
      DB_ADMIN_PASSWORD: 'correct horse',
      HTTP_HOST: 'localhost',
      HTTP_PORT: String(httpPort),
      ACEBASE_IPC_HOST: 'localhost',
      ACEBASE_IPC_PORT: String(server.port),
    };
    const start = (role: 'master' | 'worker') => {
      const started = startExample(role, exampleFile('cloud', 'start-db.js'), {
        ...environment,
        ...(roles.includes(role) && OURS),
        ACEBASE_IPC_ROLE: role,
      });
      ends.push(() => started.end('SIGKILL'));
      return started;
    };
    const connected = (isMaster: boolean) =>
      server.line(({ msg, peer }) => msg === 'peer connected' && (peer === '[master]') === isMaster);
    const master = start('master');
    await connected(true);
    const worker = start('worker');
    await eventually(() => new DatabaseClient(`http://localhost:${httpPort}`, 'mydb').ping());
    const { stdout: json } = await runCommand([
      'peers',
      'mydb',
      '--json',
      '--url',
      `http://localhost:${server.port}`,
    ]);
    const clients = (JSON.parse(json) as { database: string; id: string; client: string }[])
      .filter(({ database }) => database === 'mydb_data')
      .map(({ id, client }) => [id === '[master]' ? 'master' : 'worker', client.split('/')[0]]);
    const kind = (role: string) => (roles.includes(role) ? 'acebase-ipc-server' : 'stock');
    expect(Object.fromEntries(clients)).toEqual({ master: kind('master'), worker: kind('worker') });
    expect(clients).toHaveLength(2);
    const { stdout: table } = await runCommand(['peers', 'mydb', '--port', String(server.port)]);
    expect(table).toMatch(/^DATABASE +PEER +STATE +CAME +CLIENT .*\nmydb_data +\[master\] +connected /);
    expect(await worker.end('SIGTERM')).toEqual({ code: 0, signal: null });
    expect(await master.end('SIGTERM')).toEqual({ code: 0, signal: null });
  },
);
