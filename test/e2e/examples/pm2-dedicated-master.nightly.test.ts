import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Pm2Example } from '../../support/pm2-example.js';
import { expectSharedDatabase } from '../../support/shared-database.js';

let example: Pm2Example;

beforeAll(async () => {
  example = await Pm2Example.create('pm2-dedicated-master', 2);
  // In which whoever is waited for comes last; pm2-start-orders.nightly.test.ts has the other orders.
  await example.startInOrder(['db-server', 'db-master', 'ipc-server']);
});

afterAll(() => example?.end());

describe('examples/pm2-dedicated-master', () => {
  it('serves one database from several processes', async () => {
    const processes = await example.pm2.processes();
    expect(processes.map(({ name, status }) => [name, status]).sort()).toEqual([
      ['db-master', 'online'],
      ['db-server', 'online'],
      ['db-server', 'online'],
      ['ipc-server', 'online'],
    ]);
    expect(await example.peers()).toHaveLength(3);
    const clients = [example.client({ keepAlive: true }), example.client({ keepAlive: true })] as const;
    await expectSharedDatabase(clients, await example.observer());
    // Messages between the processes are kept out of their logs.
    expect(await example.pm2.output()).not.toMatch(/^(\{"type":|welcome:)/m);
  });

  it('reloads the workers under load without a failing request', async () => {
    const before = await example.pm2.processes('db-server');
    const load = await example.reloadUnderLoad('db-server');
    expect(load.failures).toEqual([]);
    const after = await example.pm2.processes('db-server');
    for (const { pid } of before) expect(after.map((it) => it.pid)).not.toContain(pid);
  });

  it('reloads the master under load: some requests are refused, and none of those acknowledged is lost', async () => {
    const load = await example.reloadUnderLoad('db-master');
    for (const { error } of load.failures) expect(error.message).toContain('lock denied');
  });

  it('reloads the IPC server under load: all processes start afresh and work again', async () => {
    await example.reloadUnderLoad('ipc-server');
    await example.untilItWorks();
  });

  it('shuts down in the order workers, master, server: every process ends by itself, and the data is there', async () => {
    const exits = await example.shutDown('db-server', 'db-master', 'ipc-server');
    expect(exits).toEqual([
      { name: 'db-server', code: 0, signal: 'SIGINT' },
      { name: 'db-server', code: 0, signal: 'SIGINT' },
      { name: 'db-master', code: 0, signal: 'SIGINT' },
      { name: 'ipc-server', code: 0, signal: 'SIGINT' },
    ]);
    await example.expectStored();
  });
});
