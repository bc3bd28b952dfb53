import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PeerStatus } from '../../../../src/server/monitoring/status.js';
import { ContractProcess } from '../../../support/contract-process.js';
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

async function alone(log: boolean): Promise<Setting> {
  const path = await temporaryDirectory('contract');
  const process = await ContractProcess.start({ name: 'alone', database: 'mydb', path, log });
  const end = async () => {
    await process.kill();
    await removeDirectory(path);
  };
  return { one: process, two: process, end };
}

function isConnected({ state }: PeerStatus): boolean {
  return state === 'connected';
}

async function clustered(log: boolean, isDisturbed: boolean): Promise<Setting> {
  const path = await temporaryDirectory('contract');
  let server = await ServerProcess.start();
  const lines = await Promise.all([LineProxy.start(server.port), LineProxy.start(server.port)]);
  const start = (role: 'master' | 'worker', line: LineProxy) =>
    ContractProcess.start({ name: role, database: 'mydb', path, log, ipc: { port: line.port, role } });
  const [masterLine, workerLine] = lines as [LineProxy, LineProxy];
  const master = await start('master', masterLine);
  const worker = await start('worker', workerLine);
  let isOver = !isDisturbed;
  const disturb = async () => {
    let brokenAt = performance.now();
    for (let round = 0; !isOver; round++) {
      await untilStatus(server.port, 'mydb_data', ({ peers }) => peers.filter(isConnected).length === 2);
      // However slow the machine, both are at work for half of the time.
      await delay(Math.max(250, performance.now() - brokenAt));
      if (isOver) return;
      brokenAt = performance.now();
      if (round % 4 === 3) {
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
    await Promise.all([master.kill(), worker.kill(), server.kill(), ...lines.map((line) => line.close())]);
    await removeDirectory(path);
  };
  // The worker does what a user does; the master too, since users are told to let it do nothing else, and do.
  return { one: worker, two: master, end };
}

async function run({ steps }: Spec, { one, two }: Setting): Promise<unknown> {
  let last: unknown;
  for (const { by, code } of steps) last = await (by === 'one' ? one : two).run(code);
  return last;
}

const settings = [
  { name: 'one process without IPC', make: (log: boolean) => alone(log) },
  { name: 'a worker and a master with our client', make: (log: boolean) => clustered(log, false) },
  { name: 'the same, while the server and its lines break', make: (log: boolean) => clustered(log, true) },
] as const;

describe.each(settings)('$name', ({ make }) => {
  let setting: Setting;
  let withLog: Setting;

  beforeAll(async () => {
    [setting, withLog] = await Promise.all([make(false), make(true)]);
  });
  afterAll(async () => {
    await Promise.all([setting?.end(), withLog?.end()]);
  });

  it.each(specs.map((spec) => [spec.name, spec] as const))('%s', async (_name, spec) => {
    expect(await run(spec, spec.log === true ? withLog : setting)).toEqual(spec.expected);
  });
});
