import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Pm2Example } from '../../support/pm2-example.js';
import { expectSharedDatabase } from '../../support/shared-database.js';

let example: Pm2Example;

beforeAll(async () => {
  example = await Pm2Example.create('pm2-elected-master', 3);
  await example.pm2.start();
  await example.untilItWorks();
});

afterAll(() => example?.end());

describe('examples/pm2-elected-master', () => {
  it('makes instance 0 the master, and serves one database from all instances', async () => {
    const instances = await example.pm2.processes('db-server');
    expect(instances.map((it) => it.instance)).toEqual([0, 1, 2]);
    const peers = await example.peers();
    expect(peers).toHaveLength(3);
    expect(peers.filter((id) => id === '[master]')).toHaveLength(1);
    const clients = [example.client({ keepAlive: true }), example.client({ keepAlive: true })] as const;
    await expectSharedDatabase(clients, await example.observer());
  });

  it('reloads all instances under load, and the new instance 0 is the master', async () => {
    const before = await example.pm2.processes('db-server');
    const load = await example.reloadUnderLoad('db-server');
    for (const { error } of load.failures) expect(error.message).toContain('lock denied');
    const after = await example.pm2.processes('db-server');
    expect(after.map((it) => it.instance).sort()).toEqual([0, 1, 2]);
    for (const { pid } of before) expect(after.map((it) => it.pid)).not.toContain(pid);
    // No process was refused as a second master and started again: each has been replaced once.
    expect(after.map((it) => it.restarts)).toEqual([1, 1, 1]);
    expect((await example.peers()).filter((id) => id === '[master]')).toHaveLength(1);
  });

  it('reloads the IPC server under load: all processes start afresh and work again', async () => {
    await example.reloadUnderLoad('ipc-server');
    await example.untilItWorks();
  });

  it('shuts down in the order servers, IPC server: every process ends by itself, and the data is there', async () => {
    const exits = await example.shutDown('db-server', 'ipc-server');
    expect(exits).toEqual([
      { name: 'db-server', code: 0, signal: 'SIGINT' },
      { name: 'db-server', code: 0, signal: 'SIGINT' },
      { name: 'db-server', code: 0, signal: 'SIGINT' },
      { name: 'ipc-server', code: 0, signal: 'SIGINT' },
    ]);
    await example.expectStored();
  });
});
