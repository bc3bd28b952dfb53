import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { expect, it } from 'vitest';
import { Strangers } from '../../../src/server/strangers.js';

const socket = (remotePort: number) =>
  ({ localAddress: '127.0.0.1', remoteAddress: '127.0.0.1', remotePort }) as Socket;

it('gives up the one first that has been a stranger for longest', () => {
  const strangers = new Strangers();
  const [first, second, third] = [socket(1), socket(2), socket(3)];
  for (const each of [first, second, third]) strangers.add(each);
  // What is encrypted has another socket with the same ends.
  expect([strangers.take(socket(1)), strangers.take(socket(1))]).toEqual([first, undefined]);
  strangers.add(first);
  expect([1, 2, 3, 4].map(() => strangers.takeOldest())).toEqual([second, third, first, undefined]);
});

it('forgets those that end, and no later one that has the same port', () => {
  const strangers = new Strangers();
  const [former, later, other] = [socket(1), socket(1), socket(2)];
  for (const each of [former, other, later]) strangers.add(each);
  strangers.delete(former);
  strangers.delete(other);
  expect([strangers.takeOldest(), strangers.takeOldest()]).toEqual([later, undefined]);
});

it('forgets one whose socket does not know its own address any more', async () => {
  const strangers = new Strangers();
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [accepted] = (await once(server, 'connection')) as [Socket];
  strangers.add(accepted);
  client.destroy();
  accepted.resume();
  await once(accepted, 'close');
  strangers.delete(accepted);
  expect(strangers.takeOldest()).toBeUndefined();
  server.close();
});
