import { expect, it } from 'vitest';
import { clientFrame } from '../support/client-frames.js';
import { rawPeer } from '../support/raw-socket.js';
import { serve } from '../support/served.js';

const textFrame = (text: string) => clientFrame(1, Buffer.from(text));

it('a peer that floods its database keeps nobody of another one waiting until it is done', async () => {
  const { port } = await serve();
  const join = (id: string, database: string) => rawPeer({ port }, { id, database });
  const flooder = await join('flooder0', 'loud_data');
  const witness = await join('witness0', 'loud_data');
  for (let n = 0; n < 30; n++) (await join(`reader${n}0`, 'loud_data')).socket.pause();
  const [asking, answering] = [await join('asking00', 'calm_data'), await join('answer00', 'calm_data')];
  const noise = textFrame('{"type":"event","from":"flooder0","data":1}');
  const last = textFrame('to:witness0;{"type":"event","from":"flooder0","data":"last"}');
  const arrived: string[] = [];
  const wait = async (peer: typeof witness, what: string): Promise<void> => {
    let text = '';
    while (!text.includes(`"${what}"`)) text = await peer.text();
    arrived.push(what);
  };
  flooder.send(Buffer.concat([...Array.from({ length: 8_000 }, () => noise), last]));
  const isOver = wait(witness, 'last');
  for (let round = 0; round < 3; round++) {
    asking.send(textFrame('to:answer00;{"type":"event","from":"asking00","data":"ask"}'));
    await wait(answering, 'ask');
    answering.send(textFrame('to:asking00;{"type":"event","from":"answer00","data":"answer"}'));
    await wait(asking, 'answer');
  }
  await isOver;
  expect(arrived).toEqual(['ask', 'answer', 'ask', 'answer', 'ask', 'answer', 'last']);
});

it('a database whose peers have the server keep all it can does not have one of another database refused', async () => {
  const { port, log } = await serve({ maxTotalBuffered: 256 * 1_024 });
  const ask = async (id: string, database: string, comment: string) => {
    const peer = await rawPeer({ port }, { id, database });
    const request = { type: 'lock-request', id: 'lock', from: id, to: '[master]' };
    const data = { path: 'a', tid: `of-${id}`, write: true, comment };
    peer.send(textFrame(`to:[master];${JSON.stringify({ ...request, data })}`));
    peer.send(textFrame('ping'));
    return peer;
  };
  const flood = [];
  for (let n = 0; n < 12; n++) flood.push(await ask(`worker${n}0`, 'loud_data', 'x'.repeat(12 * 1_024)));
  let answer = '';
  while (!answer.includes('"lock-result"')) answer = (await flood.at(-1)?.text()) ?? '';
  expect(answer).toContain('IPC_REQUEST_NO_MEMORY');
  const other = await ask('worker00', 'calm_data', 'x'.repeat(24 * 1_024));
  // It waits for a master, and is not refused.
  expect(await other.text()).toBe('pong');
  expect(log.complaints).toContainEqual(
    expect.objectContaining({ incident: 'over-total', database: 'loud_data' }),
  );
  expect(await Promise.race(flood.map((peer) => peer.closeCode()))).toBe(1013);
});
