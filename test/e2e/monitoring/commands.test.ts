import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import type { WebSocket } from 'ws';
import { Cluster } from '../../support/cluster.js';
import { commandHere, runCommand } from '../../support/command.js';
import { join } from '../../support/conversation.js';
import { freePort } from '../../support/free-port.js';
import { joinAsGrantingMaster } from '../../support/granting-master.js';
import { itInFull } from '../../support/in-full.js';
import { rawPeer } from '../../support/raw-socket.js';
import { serve } from '../../support/served.js';
import { untilStatus } from '../../support/status.js';
import { Arrivals } from '../../support/waiting.js';

const script = fileURLToPath(new URL('../../../dist/cli/main.js', import.meta.url));

let cluster: Cluster | undefined;

afterEach(async () => {
  await cluster?.end();
  cluster = undefined;
});

const run = (...words: readonly string[]) => commandHere(words);

/** A command that goes on until it is ended, and what it prints. */
function watch(...words: readonly string[]) {
  const child: ChildProcess = spawn(process.execPath, [script, ...words, '--watch'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const printed = new Arrivals<string>();
  let all = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    all += text;
    printed.add(all);
  });
  return { until: (pattern: RegExp) => printed.first((text) => pattern.test(text)) };
}

describe('peers, locks and databases', () => {
  it('show who is there, who holds a lock, and who waits', async () => {
    const token = 'sesame';
    const { port } = await serve({ token, masterSettle: 0, watchProcesses: false });
    await joinAsGrantingMaster({ port, token });
    const [holder, other] = [
      await join({ port, token }, 'worker01'),
      await join({ port, token }, 'worker02'),
    ];
    const ask = (peer: WebSocket, id: string, path: string) => {
      const data = { path, tid: `t-${id}`, write: true, comment: 'node.update' };
      peer.send(
        `to:[master];${JSON.stringify({ type: 'lock-request', from: id, to: '[master]', id: 'r', data })}`,
      );
    };
    ask(holder, 'worker01', 'orders/1');
    await untilStatus(port, 'mydb_data', ({ locks }) => locks.heldCount === 1, token);
    ask(other, 'worker02', 'orders');
    await untilStatus(port, 'mydb_data', ({ locks }) => locks.waitingCount === 1, token);

    const where = ['--port', String(port), '--token', token];
    const peers = await run('peers', ...where);
    expect(peers).toMatchObject({ code: 0, stderr: '' });
    expect(peers.stdout).toMatch(/^mydb_data +worker01 +connected /m);
    const locks = await run('locks', 'mydb', ...where);
    expect(locks.stdout).toMatch(/^mydb_data +worker01 +held .+ write +orders\/1/m);
    expect(locks.stdout).toMatch(/^mydb_data +worker02 +waiting .+ write +orders/m);
    const databases = await run('databases', ...where);
    expect(databases.stdout).toMatch(/^mydb_data +connected +3 +1 +1 /m);
    expect(JSON.parse((await run('locks', '--json', ...where)).stdout)).toMatchObject([
      { database: 'mydb_data', holder: 'worker01', state: 'held' },
      { database: 'mydb_data', requester: 'worker02', state: 'waiting' },
    ]);
    expect((await run('peers', 'nodb', ...where)).stdout).toBe('nobody is connected to nodb\n');
    other.terminate();
    await untilStatus(port, 'mydb_data', (it) => it.peers.some(({ state }) => state === 'away'), token);
    expect((await run('peers', 'mydb', ...where)).stdout).toMatch(/worker02 +away/);
  });

  itInFull('show a cluster of real processes', async () => {
    // So that who is killed is away for a while.
    cluster = await Cluster.start({ token: 'sesame', watchProcesses: false });
    const [, holder, other] = await cluster.form(2, { token: 'sesame' });
    const { port } = cluster.server;
    const where = ['--port', String(port), '--token', 'sesame'];
    await holder.hold('orders/1');
    other.set('orders/2', 1).catch(() => undefined);
    await untilStatus(port, 'mydb_data', ({ locks }) => locks.waitingCount > 0, 'sesame');
    const [holderId, otherId] = [await holder.ready(), await other.ready()];
    const peers = await runCommand(['peers', ...where]);
    expect(peers).toMatchObject({ code: 0, stderr: '' });
    expect(peers.stdout).toMatch(new RegExp(`^mydb_data +${holderId} +connected `, 'm'));
    const locks = await run('locks', 'mydb', ...where);
    expect(locks.stdout).toMatch(new RegExp(`^mydb_data +${holderId} +held .+ write +orders/1`, 'm'));
    expect(locks.stdout).toMatch(new RegExp(`^mydb_data +${otherId} +waiting .+ write +orders`, 'm'));
    const databases = await run('databases', ...where);
    expect(databases.stdout).toMatch(/^mydb_data +connected +3 +1 +1 /m);
    expect(JSON.parse((await run('locks', '--json', ...where)).stdout)).toMatchObject([
      { database: 'mydb_data', holder: holderId, state: 'held' },
      { database: 'mydb_data', requester: otherId, state: 'waiting' },
    ]);
    expect((await run('peers', 'nodb', ...where)).stdout).toBe('nobody is connected to nodb\n');

    const watching = watch('peers', 'mydb', ...where);
    await watching.until(new RegExp(`${otherId} +connected`));
    await other.kill();
    await watching.until(new RegExp(`${otherId} +away`));
  });

  it('wait for a server that goes away while they watch', async () => {
    const { server, port } = await serve();
    const watching = watch('databases', '--json', '--port', String(port));
    await watching.until(/^\[\]\n/);
    await server.stop();
    await watching.until(
      /^\{"error":\{"code":null,"message":"no IPC server answers at .*","remedy":null\}\}$/m,
    );
    await serve({ port });
    await watching.until(/\}\n\[\]\n/);
  });

  it('see all databases of a server that has a token for each', async () => {
    const { port } = await serve({ token: { first: 'sesame1', second: 'sesame2' } });
    const token = JSON.stringify({ first: 'sesame1', second: 'sesame2' });
    for (const [database, own] of [
      ['first', 'sesame1'],
      ['second', 'sesame2'],
    ] as const) {
      await rawPeer({ port }, { database, id: 'worker01', token: own });
    }
    const all = await run('databases', '--json', '--port', String(port), '--token', token);
    expect(JSON.parse(all.stdout)).toMatchObject([{ name: 'first' }, { name: 'second' }]);
    const one = await run('peers', 'second', '--json', '--port', String(port), '--token', token);
    expect(JSON.parse(one.stdout)).toMatchObject([{ database: 'second', id: 'worker01' }]);
    expect((await run('peers', 'third', '--port', String(port), '--token', token)).stderr).toBe(
      'acebase-ipc-server: there is no token for third: give --token, --token-file or --admin-token\n',
    );
  });

  it('take the variables of the AceBase processes, too', async () => {
    const { port } = await serve({ token: 'sesame' });
    await rawPeer({ port }, { database: 'mydb_data', id: 'worker01', token: 'sesame' });
    const place = { ACEBASE_IPC_HOST: 'localhost', ACEBASE_IPC_PORT: String(port) };
    const { stdout } = await commandHere(['peers', 'mydb', '--json'], {
      env: { ...place, ACEBASE_IPC_TOKEN: 'sesame' },
    });
    expect(JSON.parse(stdout)).toMatchObject([{ database: 'mydb_data', id: 'worker01' }]);
    const { stderr } = await commandHere(['peers', 'mydb'], { env: place });
    expect(stderr).toContain('wants a token: set ACEBASE_IPC_TOKEN');
  });

  it('tell that processes are refused, where nobody is in', async () => {
    const { port } = await serve({ token: 'sesame' });
    for (let n = 0; n < 3; n++) {
      await expect(
        rawPeer({ port }, { database: 'mydb_data', id: 'worker01', token: 'wrong' }),
      ).rejects.toThrow();
    }
    const { stdout } = await run('databases', '--port', String(port), '--token', 'sesame');
    expect(stdout).toBe(
      [
        'nobody is connected',
        '',
        'WARNING: 3 attempts to connect were refused in the last minute: the token is missing or wrong',
        '  Set `ipc.token` of the client to the token that the server was given for this database.',
        '',
      ].join('\n'),
    );
  });
});

describe('what is wrong is said with what to do', () => {
  it('where a URL has no scheme', async () => {
    const { code, stderr } = await run('databases', '--url', 'localhost:9163');
    expect(code).toBe(2);
    expect(stderr).toContain('--url: begin it with http:// or https://');
  });

  it('where a connection is ended', async () => {
    const other = createTcpServer((socket) => void socket.once('data', () => socket.destroy()));
    onTestFinished(() => void other.close());
    await once(other.listen(0, '127.0.0.1'), 'listening');
    const url = `http://127.0.0.1:${(other.address() as AddressInfo).port}`;
    expect((await run('databases', '--url', url)).stderr).toContain(
      'gives no answer (it ended the connection)',
    );
  });

  it('where nobody listens', async () => {
    const port = await freePort();
    expect(await run('peers', '--port', String(port))).toEqual({
      code: 1,
      stdout: '',
      stderr: `acebase-ipc-server: no IPC server answers at http://localhost:${port} (nobody listens there): is it running, and are --host and --port right? --url says where it is otherwise\n`,
    });
  });

  it('where the token is missing or wrong', async () => {
    const { port } = await serve({ token: 'sesame' });
    const where = ['--port', String(port)];
    expect((await run('locks', ...where)).stderr).toContain(
      'wants a token: set ACEBASE_IPC_TOKEN or ACEBASE_IPC_SERVER_TOKEN',
    );
    const wrong = await run('locks', ...where, '--token', 'qX7-wrong');
    expect(wrong.stderr).toContain('rejected the token');
    expect(wrong.stderr).not.toContain('qX7');
  });

  it('where something else answers', async () => {
    const other = createServer((request, response) => {
      response.statusCode = request.url === '/status' ? 200 : 404;
      response.end('hello');
    }).listen(0, '127.0.0.1');
    onTestFinished(() => void other.close());
    await new Promise((resolve) => other.once('listening', resolve));
    const url = `http://127.0.0.1:${(other.address() as AddressInfo).port}`;
    expect((await run('databases', '--url', url)).stderr).toContain('something else than this IPC server');
    expect((await run('databases', '--url', `${url}/x`)).stderr).toContain('does not know /status');
    expect((await run('databases', '--url', url.replace('http', 'https'))).stderr).toContain(
      'does the server speak TLS?',
    );
  });

  it('where a host is not loopback, and has no token', async () => {
    const { stderr } = await run('peers', '--host', 'ipc.invalid', '--port', '1234');
    expect(stderr).toContain('no IPC server answers at http://ipc.invalid:1234');
  });
});
