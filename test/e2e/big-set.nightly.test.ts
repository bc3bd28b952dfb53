import { expect, it, onTestFinished } from 'vitest';
import { setMany } from '../support/big-set.js';
import { Cluster } from '../support/cluster.js';
import { peakMemory } from '../support/process-memory.js';

const MIB = 1_048_576;

/** A single AceBase without IPC takes minutes for 100,000. */
const timeoutMs = 1_800_000;

// A stock process with 100,000 children ends itself: it is busy for so long that its own timer takes the server for dead.
it.each([
  { clients: 'stock clients', client: false, children: 6_000 },
  { clients: 'our client', client: true, children: 6_000 },
  { clients: 'our client', client: true, children: 100_000 },
])(
  'a worker with $clients writes $children children at once',
  { timeout: timeoutMs + 60_000 },
  async ({ client, children }) => {
    // However slow the machine is: a transaction whose lock has expired is not committed.
    const cluster = await Cluster.startProcess({ options: { logLevel: 'info', lockTimeout: timeoutMs } });
    onTestFinished(() => cluster.end());
    const [master, worker, other] = await cluster.form(2, { client, lockTimeout: timeoutMs / 1_000 });
    const { duration, otherWrites, longestOther } = await setMany(worker, other, children, timeoutMs);
    const memory = await Promise.all([cluster.serverProcess, master].map(({ pid }) => peakMemory(pid)));
    const [server = 0, masters = 0] = memory.map((bytes) => Math.round(bytes / MIB));
    console.info(
      `${children} children, ${client ? 'our client' : 'stock clients'}: ${Math.round(duration)} ms; another worker wrote ${otherWrites} times meanwhile, ${Math.round(longestOther)} ms at most; server ${server} MiB, master ${masters} MiB at most`,
    );
    expect(server).toBeLessThan(512);
  },
);

/** By default 100 requests of each kind have a place: fewer places, and fewer children, are the same sooner. */
const options = { maxOutstandingRequests: 5 };

it.each([
  { clients: 'stock clients', client: false },
  { clients: 'our client', client: true },
])(
  'a worker with $clients may ask for more at one time than the master is given, and nobody waits for long',
  async ({ client }) => {
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
