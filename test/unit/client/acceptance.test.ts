import { expect, it } from 'vitest';
import { Acceptance } from '../../../src/client/core/acceptance.js';
import { IPCError } from '../../../src/errors.js';

it('an accepted client says since when its folder has been that of the database, as it was told first', () => {
  const acceptance = new Acceptance();
  expect(acceptance.parameters).toEqual({});
  acceptance.folderIs(1_000);
  expect(acceptance.parameters).toEqual({});
  acceptance.accept();
  acceptance.folderIs(2_000);
  acceptance.accept();
  expect(acceptance.parameters).toEqual({ folderSince: '1000' });
});

it('a client that was not accepted where it was told of a folder says nothing of that one', () => {
  const acceptance = new Acceptance();
  acceptance.folderIs(1_000);
  acceptance.folderIs(undefined);
  acceptance.accept();
  expect(acceptance.parameters).toEqual({});
  acceptance.folderIs(3_000);
  acceptance.accept();
  expect(acceptance.parameters).toEqual({ folderSince: '3000' });
});

it('a client that is refused before it was accepted says nothing', async () => {
  const acceptance = new Acceptance();
  acceptance.folderIs(1_000);
  acceptance.refuse(new IPCError('IPC_CLOSED_OTHER_FILE'));
  acceptance.accept();
  await expect(acceptance.wait()).rejects.toThrow(IPCError);
  expect(acceptance.parameters).toEqual({});
});
