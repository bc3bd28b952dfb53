import { expect, it } from 'vitest';
import { Space } from '../../../src/client/core/allocator.js';
import type { IPCPeer, Log, Message } from '../../../src/client/core/host.js';
import { VirtualClock } from '../../support/virtual-clock.js';

const turn = () => new Promise((resolve) => setImmediate(resolve));
const range = (recordNr: number) => ({ pageNr: 0, recordNr, length: 1 });

/** A worker that writes often; the master answers when it is told to. */
async function writer() {
  const asked: {
    readonly data: { readonly type: string; readonly ranges?: unknown };
    answer(data: object): void;
  }[] = [];
  let isInTouch = true;
  const space = new Space({
    ipc: {
      id: 'worker',
      masterPeerId: '[master]',
      request: ({ data }: Message) =>
        new Promise((resolve) => asked.push({ data: data as { type: string }, answer: resolve })),
    } as unknown as IPCPeer,
    clock: new VirtualClock(),
    log: { warn: () => undefined, error: () => undefined } as unknown as Log,
    createId: () => 'id',
    isInTouch: () => isInTouch,
    letWait: () => undefined,
  });
  const allocate = () => space.request({ type: 'fst.allocate', records: 1 });
  const release = (record: number) => void space.request({ type: 'fst.release', ranges: [range(record)] });
  for (let count = 0; count < 2; count++) void allocate();
  for (const [index, { answer }] of asked.splice(0).entries())
    answer({ ok: true, allocation: [range(index)] });
  await turn();
  return {
    space,
    asked,
    allocate,
    release,
    /** What was released at the master since. */
    released: () => asked.filter(({ data }) => data.type === 'fst.release').map(({ data }) => data.ranges),
    isOutOfTouch: () => {
      isInTouch = false;
    },
  };
}

it('keeps what is set free, and asks the master for nothing', async () => {
  const { allocate, release, asked } = await writer();
  for (let record = 10; record < 30; record++) {
    release(record);
    expect(await allocate()).toMatchObject({ ok: true });
  }
  // What it asked for while it had nothing.
  expect(asked.length).toBeLessThanOrEqual(1);
});

it('gives everything by the master that is set free behind a root that it moved, until the master has read of that', async () => {
  const { space, release, released, asked } = await writer();
  space.rootMoved();
  release(10);
  release(11);
  expect(released()).toEqual([[range(10)], [range(11)]]);
  const [first, second] = asked.filter(({ data }) => data.type === 'fst.release');
  space.rootMoved();
  first?.answer({ ok: true });
  await turn();
  // That was said before the root was moved again.
  release(12);
  expect(released()).toHaveLength(3);
  // Nobody answered that: it was sent to a server that is gone.
  const last = asked.at(-1);
  last?.answer({ ok: true, isAssumed: true });
  second?.answer({ ok: true });
  await turn();
  release(13);
  expect(released()).toHaveLength(4);
  asked.at(-1)?.answer({ ok: true });
  await turn();
  release(14);
  expect(released()).toHaveLength(4);
});

it('gives everything back by the master when the server was not heard for a while, or the process closes', async () => {
  const one = await writer();
  one.isOutOfTouch();
  one.release(10);
  expect(one.released()).toEqual([[range(10)]]);
  const two = await writer();
  two.release(10);
  void two.space.close();
  two.release(11);
  expect(two.released().flat()).toEqual(expect.arrayContaining([range(10), range(11)]));
});
