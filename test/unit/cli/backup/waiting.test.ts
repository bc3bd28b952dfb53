import { expect, it } from 'vitest';
import { whenThereIsAMaster } from '../../../../src/cli/backup/backup.js';
import { systemClock } from '../../../../src/platform/clock.js';
import type { Status } from '../../../../src/server/monitoring/status.js';

/** What the server says, one after the other, the last one again and again: of each file that is known there whether it has a master. */
function asked(...looks: readonly Readonly<Record<string, boolean>>[]) {
  const left = [...looks];
  let count = 0;
  const ask = async (): Promise<Status> => {
    count++;
    const files = (left.length > 1 ? left.shift() : left[0]) ?? {};
    const databases = Object.entries(files).map(([name, isThere]) => ({ name, master: isThere ? {} : null }));
    return { databases } as unknown as Status;
  };
  return { ask, looks: () => count };
}

const data = 'mydb_data';
const log = 'mydb_transaction';
const soon = () => systemClock.now() + 60_000;

it('a backup copies the transaction log where the master connects for that a moment after it has for its data', async () => {
  const late = asked({ [data]: false }, { [data]: true }, { [data]: true, [log]: true });
  expect(await whenThereIsAMaster(late.ask, 'mydb', soon())).toBe(true);
  const awaited = asked(
    { [data]: true, [log]: false },
    { [data]: true, [log]: false },
    { [data]: true, [log]: true },
  );
  expect(await whenThereIsAMaster(awaited.ask, 'mydb', soon())).toBe(true);
});

it('and none where there is none', async () => {
  const none = asked({ [data]: true, other_transaction: true });
  expect(await whenThereIsAMaster(none.ask, 'mydb', soon())).toBe(false);
  expect(none.looks()).toBe(2);
  expect(await whenThereIsAMaster(none.ask, 'mydb', systemClock.now())).toBe(false);
});

it.each([[{ [data]: false }], [{ [data]: true, [log]: false }], [{}]])(
  'a backup is not begun while a master is missing: %j',
  async (files) => {
    await expect(whenThereIsAMaster(asked(files).ask, 'mydb', systemClock.now())).rejects.toMatchObject({
      code: 'IPC_BACKUP_NO_CLUSTER',
    });
  },
);
