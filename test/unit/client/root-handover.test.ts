import { expect, it } from 'vitest';
import type { LockInfo, Message } from '../../../src/client/core/host.js';
import { RootHandover } from '../../../src/client/core/master-locks.js';

/** The lock of a server that is gone. */
function lockOf(tid: string): { state: string; info: LockInfo } {
  const lock = { state: 'locked', release: async () => undefined };
  const info = { tid, granted: true, request: { path: '', tid, write: true }, lock } as unknown as LockInfo;
  return {
    info,
    get state() {
      return lock.state;
    },
    set state(state) {
      lock.state = state;
    },
  };
}

const asked = (tid: string): Message => ({
  type: 'lock-request',
  id: '1',
  from: '[server]',
  data: { path: '', tid, write: true },
});

it('a new server gets its lock in the name of the transaction that holds the one of the last server', () => {
  const root = new RootHandover();
  root.begin([lockOf('old').info]);
  expect(root.asked(asked('new')).data).toMatchObject({ tid: 'old' });
});

it('but not if that has run out while the request was on its way: it would be refused', () => {
  const root = new RootHandover();
  const old = lockOf('old');
  root.begin([old.info]);
  old.state = 'expired';
  expect(root.asked(asked('new')).data).toMatchObject({ tid: 'new' });
});
