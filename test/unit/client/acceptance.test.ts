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

it('a client that was given up is accepted anew, and says nothing of the folder until then', async () => {
  const acceptance = new Acceptance();
  acceptance.folderIs(1_000);
  acceptance.accept();
  acceptance.beginAnew();
  expect([acceptance.isWaiting, acceptance.parameters]).toEqual([true, {}]);
  const waiting = acceptance.wait();
  acceptance.folderIs(2_000);
  acceptance.accept();
  await waiting;
  expect(acceptance.parameters).toEqual({ folderSince: '2000' });
  acceptance.refuse(new IPCError('IPC_CLIENT_GAVE_UP'));
  acceptance.beginAnew();
  await expect(acceptance.wait()).rejects.toThrow(IPCError);
});
