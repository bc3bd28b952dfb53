/** The way in for managed masters alone, while others on the machine hold connections to it. */

import { once } from 'node:events';
import { get } from 'node:http';
import { connect, type Socket } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../../../src/platform/clock.js';
import { PrivateDoor } from '../../../src/server/private-door.js';
import { CollectedLog } from '../../support/collected-log.js';

const SECRET = 'Bearer secret-of-the-process';

/** What a door of one database answers to whoever shows the secret. */
async function openDoor() {
  const door = new PrivateDoor({
    clock: systemClock,
    logger: new CollectedLog(),
    managed: { files: new Set(['mydb_data']), isOfMaster: (authorization) => authorization === SECRET },
    handshakeTimeout: 10_000,
    onRequest: (_request, response) => void response.end('in'),
    onUpgrade: (_request, socket) => {
      socket.destroy();
      return false;
    },
    onError: (error) => {
      throw error;
    },
  });
  const address = await door.open();
  onTestFinished(async () => {
    door.destroyConnections();
    await door.close();
  });
  return address;
}

async function idleConnection(address: { host: string; port: number }): Promise<Socket> {
  const socket = connect(address);
  // The other end may be gone already.
  socket.on('error', () => undefined);
  onTestFinished(() => void socket.destroy());
  await once(socket, 'connect');
  return socket;
}

it('lets a master in at once, however many connections say nothing, and ends those', async () => {
  const address = await openDoor();
  const idle = await Promise.all(Array.from({ length: 300 }, () => idleConnection(address)));
  const closed = idle.map((socket) => (socket.resume().closed ? undefined : once(socket, 'close')));
  const request = get({ ...address, headers: { Authorization: SECRET }, agent: false });
  const [response] = (await once(request, 'response')) as [{ statusCode: number }];
  expect(response.statusCode).toBe(200);
  expect(idle.filter((socket) => !socket.closed).length).toBeGreaterThan(0);
  await Promise.all(closed);
});
