import { fileURLToPath } from 'node:url';
import { afterEach, expect, it } from 'vitest';
import { Cluster } from '../../support/cluster.js';

const fullDisk = fileURLToPath(new URL('../../support/full-disk.cjs', import.meta.url));
const TEXT = 'half-way '.repeat(20);

let cluster: Cluster | undefined;

afterEach(async () => {
  await cluster?.end();
  cluster = undefined;
});

it.each(['worker', 'master'] as const)(
  'a write of a %s that fails half-way is seen by nobody',
  async (writer) => {
    cluster = await Cluster.start();
    const full = { client: true, env: { NODE_OPTIONS: `--require ${fullDisk}`, FULL_DISK_AFTER: TEXT } };
    const master = cluster.master(writer === 'master' ? full : { client: true });
    await master.ready();
    await master.set('accounts', { ann: { note: 'x'.repeat(100) } });
    const failing = writer === 'master' ? master : cluster.worker(full);
    const other = cluster.worker({ client: true });
    await Promise.all([failing.ready(), other.ready()]);
    expect(await other.get('accounts/ann/note')).toBe('x'.repeat(100));
    await expect(failing.set('accounts/eve', { note: TEXT })).rejects.toThrow('ENOSPC');
    for (const each of [other, failing]) {
      expect(await each.get('accounts/eve/note')).toBeNull();
      expect(await each.get('accounts')).toEqual({ ann: { note: 'x'.repeat(100) } });
    }
    await failing.set('accounts/eve', { note: TEXT });
    expect(await other.get('accounts/eve/note')).toBe(TEXT);
  },
);

it.each(['worker', 'master'] as const)(
  'a write of a %s that fails sets nothing free: what is in the file still leads there',
  async (writer) => {
    cluster = await Cluster.start();
    const full = { client: true, env: { NODE_OPTIONS: `--require ${fullDisk}`, FULL_DISK_FOR: 'no room' } };
    const master = cluster.master(writer === 'master' ? full : { client: true });
    await master.ready();
    const failing = writer === 'master' ? master : cluster.worker(full);
    const other = cluster.worker({ client: true });
    await Promise.all([failing.ready(), other.ready()]);
    for (let removed = 1; removed < 4; removed++) {
      const path = `items${removed}`;
      const items = Object.fromEntries(Array.from({ length: 30 }, (_, n) => [`item${n}`, 'x'.repeat(45)]));
      await failing.set(path, items);
      // It would need less room than it has.
      const fewer = Object.fromEntries(Array.from({ length: removed }, (_, n) => [`item${n}`, null]));
      await expect(failing.update(path, { ...fewer, item20: `no room ${'x'.repeat(37)}` })).rejects.toThrow(
        'ENOSPC',
      );
      for (let n = 0; n < 20; n++) await failing.set(`others/${path}-${n}`, 'o'.repeat(100));
      for (const each of [other, failing]) expect(await each.get(path)).toEqual(items);
    }
  },
);
