import { expect, test } from 'vitest';
import { ClosingTime } from '../../../src/broker/drain.js';
import { ByteBudget } from '../../../src/broker/memory.js';
import type { Peer } from '../../../src/broker/peers/peer.js';
import { OpenRequests } from '../../../src/broker/requests/request-table.js';

test('who holds a lock is looked up once for all peers', () => {
  const peers = Array.from({ length: 100 }, (_, n) => {
    const [state, isMaster] = [n % 2 === 0 ? 'present' : 'away', false];
    return { id: `worker${n}`, state, isMaster } as unknown as Peer;
  });
  let looks = 0;
  const closing = new ClosingTime({
    requests: new OpenRequests(new ByteBudget(0)),
    locks: {
      get holders() {
        looks += 1;
        return peers.slice(0, 7);
      },
      drain: () => undefined,
      failBeforeDraining: () => undefined,
      giveRootBack: () => undefined,
    },
    windows: { takeRequestsOf: () => [] },
    indexCreations: undefined as never,
    fail: () => undefined,
  });
  expect(closing.countBusy(peers)).toBe(7);
  expect(looks).toBe(1);
});
