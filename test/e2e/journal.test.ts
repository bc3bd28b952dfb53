/** The journal of a cluster [PROTOCOL-16.1 to 16.5], over real connections: who keeps none waits at the door. */
import { expect, it } from 'vitest';
import type { Status } from '../../src/index.js';
import { clientFrame } from '../support/client-frames.js';
import { connectPath, RawSocket, upgradeRequest } from '../support/raw-socket.js';
import { serve } from '../support/served.js';
import { eventually } from '../support/waiting.js';

async function connect(port: number, path: string): Promise<RawSocket> {
  const socket = await RawSocket.connect({ port });
  socket.send(upgradeRequest({ path }));
  return socket;
}

/** A master that keeps a journal: without one it is not switched on. */
async function keeper(port: number): Promise<RawSocket> {
  const session = 'client=ours/1&session=0123456789abcdef&can=resume,journal';
  const socket = await connect(port, `${connectPath({ id: '%5Bmaster%5D' })}&${session}`);
  expect(await socket.response()).toMatchObject({ status: 101 });
  return socket;
}

const stock = (port: number, id: string): Promise<RawSocket> => connect(port, connectPath({ id }));

/** The next text frame that has this in it. */
async function heard(socket: RawSocket, part: string): Promise<string> {
  for (;;) {
    const { opcode, payload } = await socket.frame();
    if (opcode === 1 && payload.toString().includes(part)) return payload.toString();
  }
}

const journalOf = ({ databases }: Status) => databases[0]?.journal;

it('a stock process comes in when one that keeps a journal has looked at it', async () => {
  const { port, server } = await serve();
  const first = await keeper(port);
  expect(await heard(first, 'welcome:')).toContain('"journal":true');
  expect(journalOf(server.status())).toEqual({ inForce: true, without: [], withoutCount: 0 });
  const second = await stock(port, 'stock1');
  await heard(first, '"look":true');
  expect(journalOf(server.status())).toEqual({ inForce: false, without: ['stock1'], withoutCount: 1 });
  first.send(clientFrame(1, 'looked'));
  expect(await second.response()).toMatchObject({ status: 101 });
  expect(server.peers('mydb_data')).toMatchObject([{ keepsJournal: true }, { keepsJournal: false }]);
  const response = await fetch(`http://127.0.0.1:${port}/mydb_data/clients`);
  const clients = (await response.json()) as readonly object[];
  expect(clients).toMatchObject([{ id: '[master]', keepsJournal: true }, { id: 'stock1' }]);
  expect(clients[1]).not.toHaveProperty('keepsJournal');
  second.send(clientFrame(1, '{"type":"bye","from":"stock1"}'));
  await heard(first, '"on":true');
});

it('one that dies while it waits is not waited for; one that waits for too long is to come again', async () => {
  const { port, server } = await serve();
  const first = await keeper(port);
  const dies = await stock(port, 'stock1');
  await heard(first, '"look":true');
  dies.socket.resetAndDestroy();
  await eventually(() => (journalOf(server.status())?.withoutCount === 0 ? true : undefined));
  const waits = await stock(port, 'stock2');
  const { status, headers, body } = await waits.response();
  expect({ status, again: headers['retry-after'] }).toEqual({ status: 503, again: '1' });
  expect(JSON.parse(body)).toMatchObject({ code: 'IPC_REFUSED_JOURNAL' });
  first.send(clientFrame(1, 'looked'));
  await heard(first, '"on":true');
});
