import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Pm2Example } from '../../support/pm2-example.js';

const register = fileURLToPath(new URL('../../../dist/register.js', import.meta.url));

const dedicated = { name: 'pm2-dedicated-master', servers: 2, apps: ['db-server', 'db-master'] };
const elected = { name: 'pm2-elected-master', servers: 3, apps: ['db-server'] };

describe.each([dedicated, elected])('examples/$name with the one line', ({ name, servers, apps }) => {
  let example: Pm2Example;

  beforeAll(async () => {
    example = await Pm2Example.create(name, servers, { NODE_OPTIONS: `--import ${register}` });
    await example.pm2.start();
    await example.untilItWorks();
  });

  afterAll(() => example?.end());

  it('reloads the IPC server under load: no request fails, and no other process ends', async () => {
    const others = async () => (await example.pm2.processes()).filter((it) => it.name !== 'ipc-server');
    const before = await others();
    const load = await example.reloadUnderLoad('ipc-server');
    expect(load.failures).toEqual([]);
    expect(await others()).toEqual(before);
  });

  it('ends by itself, and the data is there', async () => {
    const exits = await example.shutDown(...apps, 'ipc-server');
    expect(exits).toHaveLength(servers + apps.length);
    for (const exit of exits) expect(exit).toMatchObject({ code: 0, signal: 'SIGINT' });
    await example.expectStored();
  });
});
