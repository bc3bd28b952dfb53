import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { isInFull } from '../../support/in-full.js';
import { peakMemory } from '../../support/process-memory.js';
import { unnoticedByProcess } from '../../support/served.js';

const CONNECTIONS = isInFull ? 10_000 : 500;

/** No more than the system queues for a server that has not taken them yet. */
const BATCH = 250;

it(`ends ${CONNECTIONS} connections that never speak`, async () => {
  const options = { handshakeTimeout: 3_000, maxConnections: CONNECTIONS + 100 };
  await unnoticedByProcess(options, async (server, conversation) => {
    const sockets: Socket[] = [];
    onTestFinished(() => {
      for (const socket of sockets) socket.destroy();
    });
    const closed: Promise<unknown>[] = [];
    const answers = new Set<string>();
    while (sockets.length < CONNECTIONS) {
      const batch = Array.from({ length: BATCH }, () => connect(server.port, '127.0.0.1'));
      sockets.push(...batch);
      for (const socket of batch) {
        closed.push(new Promise((resolve) => socket.once('close', resolve)));
        socket.on('data', (data) => answers.add(data.toString('latin1').split('\r\n', 1)[0] ?? ''));
      }
      await Promise.all(batch.map((socket) => once(socket, 'connect')));
    }
    await Promise.all(closed);
    expect([...answers]).toEqual(['HTTP/1.1 408 Request Timeout']);
    const refused = server.lines.filter(({ code }) => code !== undefined);
    expect(new Set(refused.map(({ code }) => code))).toEqual(new Set(['IPC_REFUSED_TIMEOUT']));
    // One in ten seconds, with the number of those that were left out.
    expect(refused.length).toBeLessThan(20);
    expect(conversation.overheard).toEqual([]);
    expect(await peakMemory(server.pid)).toBeLessThan(600_000_000);
    expect((await fetch(`http://127.0.0.1:${server.port}/health`)).status).toBe(200);
  });
});
