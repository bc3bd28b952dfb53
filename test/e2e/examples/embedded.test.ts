import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { WatchedProcess } from '../../support/child-process.js';
import { exampleFile, slowDisk, startExample } from '../../support/example.js';
import { freePorts } from '../../support/free-port.js';
import { isInFull, itInFull } from '../../support/in-full.js';
import { untilStatus } from '../../support/status.js';
import { removeDirectory, temporaryDirectory } from '../../support/temporary-directory.js';
import { eventually } from '../../support/waiting.js';

interface Order {
  readonly status: 'new' | 'packed';
  readonly by?: number;
}

const processes: WatchedProcess[] = [];
let path: string;
let orders: string;
let app: WatchedProcess;
let workers: readonly WatchedProcess[];

async function begin(options: Readonly<Record<string, string>>): Promise<void> {
  path = await temporaryDirectory('embedded');
  const [ipcPort = 0, httpPort] = await freePorts(2);
  orders = `http://localhost:${httpPort}/orders`;
  const env = { DB_PATH: path, IPC_PORT: String(ipcPort), HTTP_PORT: String(httpPort), ...options };
  const start = (name: string, file: string) => {
    const started = startExample(name, exampleFile('embedded', file), env);
    processes.push(started);
    return started;
  };
  app = start('app', 'app.js');
  await eventually(() => fetch(orders));
  workers = [start('worker 1', 'worker.js'), start('worker 2', 'worker.js')];
  // One worker can pack all orders while the other is still being loaded, and would die of a signal.
  await untilStatus(ipcPort, 'shop_data', ({ peerCount }) => peerCount === 3);
}

async function finish(): Promise<void> {
  await Promise.all(processes.splice(0).map((process) => process.end('SIGKILL')));
  await removeDirectory(path);
}

async function placeOrder(): Promise<string> {
  return (await fetch(orders, { method: 'POST' })).text();
}

async function order(number: string): Promise<Order> {
  return (await (await fetch(`${orders}/${number}`)).json()) as Order;
}

function untilPacked(number: string): Promise<Order> {
  return eventually(async () => {
    const found = await order(number);
    return found.status === 'packed' && found;
  });
}

type Clients = [name: string, options: Readonly<Record<string, string>>];

const register = fileURLToPath(new URL('../../../dist/register.js', import.meta.url));

const stock: Clients = ['with stock clients', {}];
const ours: Clients = ['with the client', { NODE_OPTIONS: `--import ${register}` }];

describe.each(isInFull ? [stock, ours] : [stock])('examples/embedded, %s,', (_, options) => {
  beforeAll(() => begin(options));
  afterAll(finish);

  it('hands what the application writes to the workers, and what they write back', async () => {
    const numbers = await Promise.all(Array.from({ length: 10 }, placeOrder));
    expect(new Set(numbers).size).toBe(10);
    for (const number of numbers) {
      const { by } = await untilPacked(number);
      expect(workers.map((worker) => worker.pid)).toContain(by);
    }
  });

  it('goes on with the other worker when one ends', async () => {
    const [leaving, staying] = workers as [WatchedProcess, WatchedProcess];
    expect(await leaving.end('SIGINT')).toEqual({ code: 0, signal: null });
    expect(await untilPacked(await placeOrder())).toMatchObject({ by: staying.pid });
  });

  it('ends at SIGINT, workers first', async () => {
    for (const process of [...workers, app]) {
      expect(await process.end('SIGINT')).toEqual({ code: 0, signal: null });
    }
  });
});

itInFull(
  'examples/embedded, interrupted while it starts, closes the new database well, and starts again',
  async () => {
    onTestFinished(finish);
    path = await temporaryDirectory('embedded');
    const start = async (options: Readonly<Record<string, string>>) => {
      const [ipcPort, httpPort] = await freePorts(2);
      orders = `http://localhost:${httpPort}/orders`;
      const env = { DB_PATH: path, IPC_PORT: String(ipcPort), HTTP_PORT: String(httpPort), ...options };
      app = startExample('app', exampleFile('embedded', 'app.js'), env);
      processes.push(app);
    };
    await start(slowDisk);
    await eventually(() => existsSync(join(path, 'shop.acebase', 'data.db')));
    expect(await app.end('SIGINT')).toEqual({ code: 0, signal: null });

    await start({});
    expect(await order(await eventually(placeOrder))).toMatchObject({ status: 'new' });
    expect(await app.end('SIGINT')).toEqual({ code: 0, signal: null });
  },
);
