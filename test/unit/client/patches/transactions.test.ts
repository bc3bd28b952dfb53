import { expect, it } from 'vitest';
import type { Storage } from '../../../../src/client/acebase.js';
import { Transactions } from '../../../../src/client/patches/transactions.js';

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
  return {
    told,
    transactions,
    transact: (callback: (value: unknown) => unknown) => storage.transactNode('a', callback),
  };
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

it('writes when all has been read that began under its lock, whether its callback waits for that or not', async () => {
  const { told, transactions, transact } = lab('t');
  let ends: (() => void)[] = [];
  let result: unknown;
  const transaction = transact(async () => {
    ends = [transactions.readBegins('t'), transactions.readBegins('t'), transactions.readBegins('other')];
    await undefined;
    return 8;
  }).then((value) => {
    result = value;
  });
  await new Promise(setImmediate);
  expect([told, result]).toEqual([['enter t', 'leave t'], undefined]);
  ends[0]?.();
  await new Promise(setImmediate);
  expect(result).toBeUndefined();
  ends[1]?.();
  await transaction;
  expect(result).toBe(8);
  ends[2]?.();
});

it('tells nothing of one that holds no lock meanwhile', async () => {
  const { told, transact } = lab(undefined);
  expect(await transact((value) => value)).toBe(7);
  expect(told).toEqual([]);
});
