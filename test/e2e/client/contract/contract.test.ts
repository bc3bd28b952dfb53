import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PeerStatus } from '../../../../src/server/monitoring/status.js';
import { ContractProcess } from '../../../support/contract-process.js';
import { EmbeddedServer } from '../../../support/embedded-server.js';
import { isInFull } from '../../../support/in-full.js';
import { LineProxy } from '../../../support/line-proxy.js';
import { ServerProcess } from '../../../support/server-process.js';
import { untilStatus } from '../../../support/status.js';
import { removeDirectory, temporaryDirectory } from '../../../support/temporary-directory.js';
import { type Spec, specs } from './specs.js';

/** Where the specs run: what `one` and `two` are, and what disturbs them. */
interface Setting {
  readonly one: ContractProcess;
  readonly two: ContractProcess;
  end(): Promise<void>;
}

async function alone(): Promise<Setting> {
  const path = await temporaryDirectory('contract');
  const process = await ContractProcess.start({ name: 'alone', database: 'mydb', path });
  const end = async () => {
    await process.kill();
    await removeDirectory(path);
  };
  return { one: process, two: process, end };
}

async function formed(path: string, masterPort: number, workerPort: number) {
  const start = (role: 'master' | 'worker', port: number) =>
    ContractProcess.start({ name: role, database: 'mydb', path, ipc: { port, role } });
  const master = await start('master', masterPort);
  const worker = await start('worker', workerPort);
  const end = () => Promise.all([master.kill(), worker.kill()]);
  // The worker does what a user does; the master too, since users are told to let it do nothing else, and do.
  return { one: worker, two: master, end };
}

async function clustered(): Promise<Setting> {
  const path = await temporaryDirectory('contract');
  const server = await EmbeddedServer.start({});
  const cluster = await formed(path, server.port, server.port);
  const end = async () => {
    await cluster.end();
    await server.kill();
    await removeDirectory(path);
  };
  return { ...cluster, end };
}

function isConnected({ state }: PeerStatus): boolean {
  return state === 'connected';
}

/** After so many breaks of a line the server is killed; in the short form, it is not. */
const BREAKS = 3;
/** For so long at least both are at work between two breaks. */
const PAUSE_MS = isInFull ? 250 : 500;

async function disturbed(): Promise<Setting> {
  const path = await temporaryDirectory('contract');
  let server = isInFull ? await ServerProcess.start() : await EmbeddedServer.start({});
  const lines = await Promise.all([LineProxy.start(server.port), LineProxy.start(server.port)]);
  const cluster = await formed(path, lines[0].port, lines[1].port);
  let isOver = false;
  const disturb = async () => {
    let brokenAt = performance.now();
    for (let round = 0; !isOver; round++) {
      await untilStatus(server.port, 'mydb_data', ({ peers }) => peers.filter(isConnected).length === 2);
      // However slow the machine, both are at work for half of the time.
      await delay(Math.max(PAUSE_MS, performance.now() - brokenAt));
      if (isOver) return;
      brokenAt = performance.now();
      if (isInFull && round % (BREAKS + 1) === 1) {
        await server.kill();
        server = await ServerProcess.start();
        for (const line of lines) line.target = server.port;
      } else lines[round % 2]?.cut();
    }
  };
  const disturbing = disturb();
  const end = async () => {
    isOver = true;
    await disturbing;
    await Promise.all([cluster.end(), server.kill(), ...lines.map((line) => line.close())]);
    await removeDirectory(path);
  };
  return { ...cluster, end };
}

async function run({ steps }: Spec, { one, two }: Setting): Promise<unknown> {
  let last: unknown;
  for (const { by, code } of steps) last = await (by === 'one' ? one : two).run(code);
  return last;
}

const disturbedOne = {
  name: `a worker and a master with our client, while ${isInFull ? 'the server and its' : 'their'} lines break`,
  make: disturbed,
};
const settings = isInFull
  ? [
      { name: 'one process without IPC', make: alone },
      { name: 'a worker and a master with our client', make: clustered },
      disturbedOne,
    ]
  : [disturbedOne];

describe.each(settings)('$name', ({ make }) => {
  let setting: Setting;

  beforeAll(async () => {
    setting = await make();
  });
  afterAll(() => setting?.end());

  it.each(specs.map((spec) => [spec.name, spec] as const))('%s', async (_name, spec) => {
    expect(await run(spec, setting)).toEqual(spec.expected);
  });
});
