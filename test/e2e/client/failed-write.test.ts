import { fileURLToPath } from 'node:url';
import { afterEach, expect, it } from 'vitest';
import { Cluster } from '../../support/cluster.js';
import { isInFull, itInFull } from '../../support/in-full.js';

const fullDisk = fileURLToPath(new URL('../../support/full-disk.cjs', import.meta.url));
const TEXT = 'half-way '.repeat(20);

let cluster: Cluster | undefined;

afterEach(async () => {
  await cluster?.end();
  cluster = undefined;
});

it.each(isInFull ? (['worker', 'master'] as const) : (['worker'] as const))(
  'a write of a %s that fails half-way is seen by nobody',
  async (writer) => {
    cluster = await Cluster.start();
    const env = { NODE_OPTIONS: `--require ${fullDisk}`, FULL_DISK_AFTER: TEXT };
    const full = { client: true, journal: 'off', env } as const;
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

it.each(isInFull ? (['worker', 'master'] as const) : [])(
  'a write of a %s that fails sets nothing free: what is in the file still leads there',
  async (writer) => {
    cluster = await Cluster.start();
    const env = { NODE_OPTIONS: `--require ${fullDisk}`, FULL_DISK_FOR: 'no room' };
    const full = { client: true, journal: 'off', env } as const;
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

it('a write that fails as it moves the root is none: all go on from the root in the file', async () => {
  cluster = await Cluster.start();
  const master = cluster.master({ client: true });
  await master.ready();
  const failing = cluster.worker({
    client: true,
    journal: 'off',
    env: { NODE_OPTIONS: `--require ${fullDisk}`, FULL_DISK_AT: '12', FULL_DISK_TIMES: '1' },
  });
  const other = cluster.worker({ client: true });
  await Promise.all([failing.ready(), other.ready()]);
  const notes = Object.fromEntries(Array.from({ length: 3 }, (_, n) => [`note${n}`, 'x'.repeat(50)]));
  for (const [key, value] of Object.entries(notes)) await master.set(key, value);
  for (const each of [other, failing]) expect(await each.get('')).toEqual(notes);
  // What is left fits into one record, in the place of two.
  await expect(failing.remove('note2')).rejects.toThrow('ENOSPC');
  for (const each of [other, failing, master]) {
    notes['note0'] = each.name.slice(0, 1).repeat(50);
    await each.set('note0', notes['note0']);
    // Whatever happens to them now, that is in the file.
    await cluster.reopened(async (file) => expect(await file.get('')).toEqual(notes));
  }
  for (const each of [master, failing, other]) expect(await each.get('')).toEqual(notes);
});

itInFull(
  'space is not allotted that is free in the file still: the next master would give it to others',
  async () => {
    cluster = await Cluster.start();
    const first = cluster.master({ client: true });
    await first.ready();
    await first.set('accounts', { ann: 1 });
    await first.closeAndEnd();
    const full = { NODE_OPTIONS: `--require ${fullDisk}`, FULL_DISK_AT: '65536', FULL_DISK_TIMES: '100' };
    const master = cluster.master({ client: true, env: full });
    await master.ready();
    const worker = cluster.worker({ client: true });
    await worker.ready();
    const accounts: Record<string, unknown> = { ann: 1 };
    await worker.set('accounts/bob', { note: 'b'.repeat(300) }).then(
      () => Object.assign(accounts, { bob: { note: 'b'.repeat(300) } }),
      () => undefined,
    );
    // Before anything else is written of the table.
    await master.kill();
    await worker.kill();
    const next = cluster.master({ client: true, name: 'next master' });
    await next.ready();
    for (let n = 0; n < 10; n++) {
      accounts[`n${n}`] = { note: `${n}`.repeat(300) };
      await next.set(`accounts/n${n}`, accounts[`n${n}`]);
    }
    expect(await next.get('accounts')).toEqual(accounts);
  },
);
