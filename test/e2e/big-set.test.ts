import { expect, it, onTestFinished } from 'vitest';
import { setMany } from '../support/big-set.js';
import { Cluster } from '../support/cluster.js';
import { isInFull } from '../support/in-full.js';

/** By default 100 requests of each kind have a place: fewer places, and fewer children, are the same sooner. */
const options = { maxOutstandingRequests: 5 };

const clients: [name: string, client: boolean][] = [['stock clients', false]];
if (isInFull) clients.push(['our client', true]);

it.each(clients)(
  'a worker with %s may ask for more at one time than the master is given, and nobody waits for long',
  async (_, client) => {
    const cluster = await Cluster.start(options);
    onTestFinished(() => cluster.end());
    const [, worker, other] = await cluster.form(2, { client });
    await setMany(worker, other, 100);
    expect(cluster.server.describe()).not.toContain('IPC_REQUEST_');
    await cluster.close();
    const stored = await cluster.reopened((file) => file.get<object>('many'));
    expect(Object.keys(stored)).toHaveLength(100);
  },
);
