import { once } from 'node:events';
import { expect, it, vi } from 'vitest';
import { BrokenInvariant } from '../../src/broker/invariants.js';
import { RequestTable } from '../../src/broker/requests/request-table.js';
import { join } from '../support/conversation.js';
import { unnoticed } from '../support/served.js';

it('closes the connections of its database with 1011, and no others; its processes come back', async () => {
  await unnoticed({}, async ({ port, log, server }) => {
    const place = { port, database: 'broken_data' };
    const peers = [await join(place, '[master]'), await join(place, 'peerA')];
    const closed = peers.map((peer) => once(peer, 'close'));
    const fault = vi.spyOn(RequestTable.prototype, 'add').mockImplementationOnce(() => {
      throw new BrokenInvariant('request-table');
    });
    peers[1]?.send(
      'to:[master];{"type":"request","id":"1","from":"peerA","to":"[master]","data":{"type":"x"}}',
    );
    for (const [code, reason] of await Promise.all(closed)) {
      expect([code, String(reason)]).toEqual([1011, 'IPC_CLOSED_INVARIANT']);
    }
    fault.mockRestore();
    expect(await log.line(({ incident }) => incident === 'broken-invariant')).toMatchObject({
      level: 'error',
      database: 'broken_data',
      invariant: 'request-table',
    });
    expect(server.peers('broken_data')).toEqual([]);
    await join(place, 'peerA');
    expect(server.peers('broken_data')).toMatchObject([{ id: 'peerA' }]);
  });
});
