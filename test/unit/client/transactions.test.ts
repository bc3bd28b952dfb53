import { expect, it } from 'vitest';
import type { Storage } from '../../../src/client/acebase.js';
import { Transactions } from '../../../src/client/transactions.js';

/** A storage that asks for a lock, if `tid` is given, and calls back some turns later, as AceBase's. */
function lab(tid: string | undefined) {
  const told: string[] = [];
  const storage = {
    async transactNode(path: string, callback: (value: unknown) => unknown) {
      if (tid !== undefined) transactions.asksForLock({ path, tid, write: true });
      await undefined;
      transactions.asksForLock({ path, tid: 'another', write: false });
      return await callback(7);
    },
  };
  const transactions: Transactions = new Transactions(storage as unknown as Storage, {
    entersUserCode: (id) => told.push(`enter ${id}`),
    leavesUserCode: (id) => told.push(`leave ${id}`),
  });
  return { told, transact: (callback: (value: unknown) => unknown) => storage.transactNode('a', callback) };
}

it('tells when a transaction is in the callback of the user, and when that has returned, failed, or kept its promise', async () => {
  const { told, transact } = lab('t');
  expect(await transact((value) => value)).toBe(7);
  const fail = (): never => {
    throw new Error('no');
  };
  await expect(transact(fail)).rejects.toThrow('no');
  expect(told).toEqual(['enter t', 'leave t', 'enter t', 'leave t']);
  let keep: (value: unknown) => void = () => undefined;
  const transaction = transact(
    () =>
      new Promise((resolve) => {
        keep = resolve;
      }),
  );
  await new Promise(setImmediate);
  expect(told.slice(4)).toEqual(['enter t']);
  keep(8);
  expect(await transaction).toBe(8);
  expect(told.slice(4)).toEqual(['enter t', 'leave t']);
});

it('tells nothing of one that holds no lock meanwhile', async () => {
  const { told, transact } = lab(undefined);
  expect(await transact((value) => value)).toBe(7);
  expect(told).toEqual([]);
});
