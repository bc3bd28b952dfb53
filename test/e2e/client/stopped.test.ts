import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import type { AceBaseProcess } from '../../support/acebase-process.js';
import { Cluster } from '../../support/cluster.js';
import { itInFull, someOf } from '../../support/in-full.js';

const stopAt = fileURLToPath(new URL('../../support/stop-at.cjs', import.meta.url));

const text = (what: string): string => what.repeat(100);

let cluster: Cluster | undefined;

afterEach(async () => {
  await cluster?.end();
  cluster = undefined;
});

/** A master, a worker, and one that can be stopped at what it does with the file. */
async function begin(journal: 'off' | 'process' = 'process') {
  cluster = await Cluster.start({ reconnectGrace: 3_000 });
  const { path } = cluster;
  const master = cluster.master({ client: true });
  await master.ready();
  await master.set('items', { mine: text('m') });
  const worker = cluster.worker({ client: true });
  const file = join(path, 'stop');
  const env = { NODE_OPTIONS: `--require ${stopAt}`, STOP_AT: file };
  const other = cluster.worker({ client: true, journal, env });
  await Promise.all([worker.ready(), other.ready()]);
  /** Stops it there. @returns what comes of what it does */
  const stopped = async (at: 'record' | 'root', act: (it: AceBaseProcess) => Promise<unknown>) => {
    await writeFile(file, at);
    const done = act(other).then(
      (value) => `it did not fail: ${value}`,
      (error: Error) => error.message,
    );
    while (existsSync(file)) await delay(20);
    return { done };
  };
  return { cluster, master, worker, other, stopped };
}

describe('of a process that is stopped at the very moment at which it uses the file, and given up', () => {
  itInFull('what is read does not count: it may belong to others', async () => {
    const { worker, other, stopped } = await begin();
    expect(await other.get('items/mine')).toBe(text('m'));
    const { done } = await stopped('record', (it) => it.get('items/mine'));
    await worker.set('items/mine', text('n'));
    for (let n = 0; n < 20; n++) await worker.set(`others/n${n}`, text('o'));
    process.kill(other.pid, 'SIGCONT');
    expect(await done).toContain('IPC_CLIENT_LEASE_LOST');
    expect(await other.get('items/mine')).toBe(text('n'));
  });

  const outcomes = [
    // What it had logged, the others have carried out.
    ['process', 'IPC_CLIENT_OUTCOME_UNKNOWN'],
    ['off', 'IPC_CLIENT_LEASE_LOST'],
  ] as const;
  it.each(someOf(outcomes))(
    'a write fails, and the root that it writes late is written over: others have gone on from another one; journal %s',
    async (journal, code) => {
      const { cluster, master, worker, other, stopped } = await begin(journal);
      expect(await other.get('items/mine')).toBe(text('m'));
      const { done } = await stopped('root', async (it) => {
        for (let n = 0; ; n++) await it.set(`note${n}`, 'x'.repeat(50));
      });
      await worker.set('items/mine', text('n'));
      process.kill(other.pid, 'SIGCONT');
      expect(await done).toContain(code);
      await other.untilComplains(/is back as a new peer/);
      const items: Record<string, string> = { mine: text('n') };
      expect(await other.get('items')).toEqual(items);
      for (let n = 0; n < 20; n++) {
        items[`n${n}`] = text('o');
        await worker.update('items', { [`n${n}`]: items[`n${n}`] });
      }
      for (const each of [master, worker, other]) expect(await each.get('items')).toEqual(items);
      for (const each of [other, worker, master]) await each.kill();
      await cluster.reopened(async (it) => expect(await it.get('items')).toEqual(items));
    },
  );
});
