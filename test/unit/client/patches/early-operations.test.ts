import { expect, it } from 'vitest';
import type { Acceptance } from '../../../../src/client/core/acceptance.js';
import { type EarlyMethods, failEarlyOperations } from '../../../../src/client/patches/early-operations.js';

const operation = () => Promise.resolve();

it('keeps nothing for a call of ready() once the database is open, and fails one before that when the process is refused', async () => {
  let asked = 0;
  let refuse: (reason: Error) => void = () => undefined;
  const refused = new Promise<Error>((resolve) => {
    refuse = resolve;
  });
  const acceptance = {
    get refused() {
      asked++;
      return refused;
    },
  } as unknown as Acceptance;
  const methods: EarlyMethods = {
    database: {
      ready() {
        return this.isReady ? Promise.resolve() : new Promise(() => undefined);
      },
    },
    api: { createIndex: operation, getMutations: operation, getChanges: operation },
  };
  const undo = failEarlyOperations(methods, () => acceptance);
  const database = { isReady: true, api: { storage: {} as never }, ready: methods.database.ready };
  for (let call = 0; call < 3; call++) await database.ready();
  expect(asked).toBe(0);
  database.isReady = false;
  const early = database.ready();
  refuse(new Error('another one is the master'));
  await expect(early).rejects.toThrow('another one is the master');
  undo();
});
