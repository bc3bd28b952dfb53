import { expect, it, vi } from 'vitest';
import type { Peer } from '../../../src/broker/peers/peer.js';
import { ServerRequests } from '../../../src/broker/server-requests.js';

const master = (): Peer => ({}) as Peer;
const message = new Uint8Array();

it('an answer reaches who asked, once, and only from the master that was asked', () => {
  const requests = new ServerRequests(35);
  const [one, two] = [master(), master()];
  const answered = vi.fn();
  const id = requests.open(one, answered);
  const other = requests.open(one, () => undefined);
  expect([id, other]).toEqual(['[server]z-1', '[server]z-2']);
  const answer = { id, lockId: 7 };
  expect(requests.answered(two, answer, message)).toBe(false);
  expect(answered).not.toHaveBeenCalled();
  expect([requests.answered(one, answer, message), requests.answered(one, answer, message)]).toEqual([
    true,
    false,
  ]);
  expect(answered.mock.calls).toEqual([[answer, message]]);
});

it('no id is one of a server before this one', () => {
  const [before, now] = [new ServerRequests(1_000), new ServerRequests(1_001)];
  const one = master();
  expect(now.open(one, () => undefined)).not.toBe(before.open(one, () => undefined));
  expect(now.answered(one, { id: before.open(one, () => undefined), lockId: undefined }, message)).toBe(
    false,
  );
});
