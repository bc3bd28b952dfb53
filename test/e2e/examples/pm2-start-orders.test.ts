import { afterEach, describe, expect, it } from 'vitest';
import { isInFull } from '../../support/in-full.js';
import { Pm2Example } from '../../support/pm2-example.js';
import { eventually } from '../../support/waiting.js';

/** In which whoever is waited for comes last. */
const worstOrders = [
  ['ipc-server', 'db-server', 'db-master'],
  ['db-server', 'db-master', 'ipc-server'],
] as const;

const otherOrders = [
  ['ipc-server', 'db-master', 'db-server'],
  ['db-master', 'ipc-server', 'db-server'],
  ['db-master', 'db-server', 'ipc-server'],
  ['db-server', 'ipc-server', 'db-master'],
] as const;

const running = new Set<Pm2Example>();

afterEach(async () => {
  await Promise.all(Array.from(running, (example) => example.end()));
  running.clear();
});

/** Starts the apps in this order, from nothing: there is no database yet. Each is launched before the next. */
async function startInOrder(apps: readonly string[]): Promise<void> {
  const example = await Pm2Example.create('pm2-dedicated-master', 2);
  running.add(example);
  const commands: Promise<void>[] = [];
  for (const app of apps) {
    // The command itself takes until the app is ready, and that may need the apps that are to come.
    commands.push(example.pm2.start(app));
    await eventually(async () => (await example.pm2.log()).includes(`App [${app}:`));
  }
  await example.untilItWorks();

  const client = example.client();
  await client.set('order', apps.join(' '));
  expect(await client.get('order')).toBe(apps.join(' '));
  await Promise.all(commands);
  await eventually(async () => {
    const online = (await example.pm2.processes()).filter((it) => it.status === 'online');
    return online.length === 4;
  });

  running.delete(example);
  await example.end();
}

describe('examples/pm2-dedicated-master, started in any order', () => {
  // Two at a time: most of it is waiting for one process or another to come back.
  it.each(isInFull ? [worstOrders, otherOrders.slice(0, 2), otherOrders.slice(2)] : [worstOrders])(
    '%j and %j',
    async (...both) => {
      await Promise.all(both.map(startInOrder));
    },
  );
});
