import { expect, test } from 'vitest';
import { Dismissal } from '../../../src/broker/drain.js';
import type { Peer } from '../../../src/broker/peers/peer.js';

test('who holds a lock is looked up once for all peers', () => {
  const peers = Array.from({ length: 100 }, (_, n) => {
    const [state, isMaster] = [n % 2 === 0 ? 'present' : 'away', false];
    return { id: `worker${n}`, state, isMaster } as unknown as Peer;
  });
  let looks = 0;
  const dismissal = new Dismissal({
    isManaged: false,
    peers: new Map(peers.map((peer) => [peer.id, peer])),
    // Those that are away ask the next server.
    table: { isOwed: (peer) => peers.indexOf(peer) >= 94 },
    requests: { failBeforeDraining: () => undefined },
    locks: {
      get holders() {
        looks += 1;
        return peers.slice(0, 7);
      },
      failBeforeDraining: () => undefined,
      giveRootBack: () => undefined,
    },
    stability: { stop: () => undefined },
    inside: (act) => act(),
    remove: () => undefined,
  });
  expect(dismissal.busyWorkers).toBe(10);
  expect(looks).toBe(1);
});
