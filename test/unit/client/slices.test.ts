import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { IPCLock, Message } from '../../../src/client/core/host.js';
import { READER_DELAY_MS } from '../../../src/client/core/slices.js';
import { lab, want } from '../../support/locks-lab.js';

const SLICE = 20;
const turnOfTheLoop = () => new Promise(setImmediate);

/** A worker that writes, and the promises of what it asked for. */
async function writer() {
  const worker = lab(true, SLICE);
  const first = worker.locks.lock(want('t', true));
  worker.grant(0, 7);
  return { ...worker, first: await first };
}

/** Whether a lock was granted by now. */
async function isGranted(lock: Promise<IPCLock>): Promise<boolean> {
  let is = false;
  void lock.then(() => {
    is = true;
  });
  await turnOfTheLoop();
  return is;
}

describe('a slice: a lock for writing of a worker [PROTOCOL-14.8]', () => {
  it('serves those that write one after the other, and goes back with the last', async () => {
    const { locks, first, types } = await writer();
    const second = locks.lock(want('u', true));
    const third = locks.lock(want('v', true));
    expect(await isGranted(second)).toBe(false);
    await first.release();
    const held = await second;
    expect(held).toMatchObject({ id: 7, tid: 'u', forWriting: true });
    // Its further locks are granted at once, though somebody waits.
    await (await locks.lock(want('u', false))).release();
    expect(await isGranted(third)).toBe(false);
    await held.release();
    expect(types().filter((type) => type !== 'flush')).toEqual(['lock-request']);
    await (await third).release();
    expect(types().filter((type) => type !== 'flush')).toEqual(['lock-request', 'unlock-request']);
  });

  it('is asked for once, however many wait, under a name of its own', async () => {
    const { locks, asked, grant } = lab(true, SLICE);
    const all = ['t', 'u', 'v'].map((tid) => locks.lock(want(tid, true)));
    expect(asked).toMatchObject([{ type: 'lock-request', data: { write: true } }]);
    expect(asked[0]).not.toMatchObject({ data: { tid: expect.stringMatching(/^[tuv]$/) } });
    grant(0, 1);
    for (const lock of all) await (await lock).release();
    expect(asked.filter(({ type }) => type === 'lock-request')).toHaveLength(1);
  });

  it('has no use after its time: the next one is asked for as this one goes back', async () => {
    const { locks, clock, first, types, grant } = await writer();
    const second = locks.lock(want('u', true));
    clock.advance(SLICE);
    await first.release();
    expect(types()).toEqual(['lock-request', 'unlock-request', 'lock-request', 'flush']);
    grant(1, 8);
    expect(await second).toMatchObject({ id: 8, tid: 'u' });
  });

  it('serves the one that it was asked for even if its time is over before that can begin', async () => {
    const { locks, clock, grant, makeReady, types } = lab(true, SLICE);
    let ready: () => void = () => undefined;
    makeReady(
      () =>
        new Promise<void>((resolve) => {
          ready = resolve;
        }),
    );
    const first = locks.lock(want('t', true));
    const second = locks.lock(want('u', true));
    grant(0, 1);
    await turnOfTheLoop();
    clock.advance(SLICE + 1);
    ready();
    await (await first).release();
    expect(await isGranted(second)).toBe(false);
    expect(types()).toEqual(['lock-request', 'unlock-request', 'lock-request', 'flush']);
  });

  it('goes back behind the one that writes when others wait for it, also if that was said with the grant', async () => {
    const { locks, first, types, grant } = await writer();
    const others = ['u', 'v'].map((tid) => locks.lock(want(tid, true)));
    locks.yieldWrite(7);
    await first.release();
    expect(types()).toEqual(['lock-request', 'unlock-request', 'lock-request', 'flush']);
    grant(1, 8);
    locks.yieldWrite(8);
    await (await others[0])?.release();
    expect(types().filter((type) => type === 'lock-request')).toHaveLength(3);
  });

  it('is not given up for what was said of an older one', async () => {
    const { locks, first } = await writer();
    const second = locks.lock(want('u', true));
    locks.yieldWrite(6);
    await first.release();
    expect(await isGranted(second)).toBe(true);
  });

  it('serves those that read between those that write, in the order in which they came, together', async () => {
    const { locks, first } = await writer();
    const [read, write, late] = [
      locks.lock(want('r', false)),
      locks.lock(want('u', true)),
      locks.lock(want('s', false)),
    ];
    await first.release();
    const reading = await read;
    expect([await isGranted(write), await isGranted(late)]).toEqual([false, false]);
    await reading.release();
    expect([await isGranted(write), await isGranted(late)]).toEqual([true, false]);
    await (await write).release();
    expect(await isGranted(late)).toBe(true);
  });

  it('lets no reading wait for long for what waits for it: it may be part of it', async () => {
    const { locks, clock, first } = await writer();
    const scan = locks.lock(want('r', false));
    const write = locks.lock(want('u', true));
    await first.release();
    const scanning = await scan;
    // Others wait, too: nothing new begins.
    locks.yieldWrite(7);
    const part = locks.lock(want('part', false));
    clock.advance(READER_DELAY_MS - 1);
    expect(await isGranted(part)).toBe(false);
    clock.advance(1);
    expect([await isGranted(part), await isGranted(write)]).toEqual([true, false]);
    await (await part).release();
    await scanning.release();
    expect(clock.pending).toBe(0);
  });

  it('lets those that read ask for themselves when it goes back', async () => {
    const { locks, first, types, asked, grant } = await writer();
    const read = locks.lock(want('r', false));
    locks.yieldWrite(7);
    await first.release();
    await turnOfTheLoop();
    expect(types()).toEqual(['lock-request', 'unlock-request', 'flush', 'lock-request']);
    expect(asked.at(-1)).toMatchObject({ data: { write: false } });
    grant(1, 8);
    expect(await read).toMatchObject({ id: 8, forWriting: false });
  });

  it('is kept for the next one if writes come without a pause, until the end of the turn', async () => {
    const { locks, first, types, grant } = await writer();
    await first.release();
    // The second one comes right behind, but twice is no habit.
    for (const [index, tid] of ['u', 'v'].entries()) {
      const lock = locks.lock(want(tid, true));
      grant(index + 1, index + 8);
      await (await lock).release();
    }
    const before = types().length;
    const next = await locks.lock(want('w', true));
    await next.release();
    expect(types().slice(before)).toEqual(['flush']);
    await turnOfTheLoop();
    expect(types().slice(before)).toEqual(['flush', 'unlock-request']);
  });

  it('is not kept behind writes that came at one time, nor after a pause', async () => {
    const { locks, clock, first, types, grant } = await writer();
    const burst = ['u', 'v', 'w', 'x'].map((tid) => locks.lock(want(tid, true)));
    await first.release();
    for (const lock of burst) await (await lock).release();
    expect(types().at(-2)).toBe('unlock-request');
    for (const [index, tid] of ['a', 'b', 'c', 'd'].entries()) {
      clock.advance(5);
      const lock = locks.lock(want(tid, true));
      grant(index + 1, index + 8);
      await (await lock).release();
      expect(types().at(-2)).toBe('unlock-request');
    }
  });

  it('is not given to who reads under it and wants to write, before all others have ended', async () => {
    const { locks, first, types, grant } = await writer();
    const reads = ['r', 's'].map((tid) => locks.lock(want(tid, false)));
    await first.release();
    const [one, other] = await Promise.all(reads);
    const write = locks.lock(want('r', true));
    await turnOfTheLoop();
    expect(types().filter((type) => type === 'lock-request')).toHaveLength(1);
    await other?.release();
    await turnOfTheLoop();
    // By the name under which the server knows what it holds.
    expect(types().filter((type) => type === 'lock-request')).toHaveLength(2);
    grant(1, 8);
    await (await write).release();
    await one?.release();
    expect(types().filter((type) => type === 'unlock-request')).toHaveLength(2);
  });

  it('that is refused is refused to the one that it was asked for, and asked for again', async () => {
    const { locks, open, grant } = lab(true, SLICE);
    const [first, second] = [locks.lock(want('t', true)), locks.lock(want('u', true))];
    open[0]?.reject(new Error('too many'));
    await expect(first).rejects.toThrow('too many');
    grant(1, 2);
    expect(await second).toMatchObject({ tid: 'u' });
  });

  it('is lost with the place: the one that writes may not go on, and who waits asks anew', async () => {
    const { locks, first, grant } = await writer();
    const second = locks.lock(want('u', true));
    const lost = locks.lose();
    expect(first.expires).toBe(0);
    await expect(locks.lock(want('t', false))).rejects.toThrow('was lost');
    await first.release();
    await lost;
    grant(1, 8);
    expect(await second).toMatchObject({ id: 8, tid: 'u' });
  });

  it('is refused to all who wait in a process that may not take part any more', async () => {
    const { locks } = await writer();
    const waiting = [locks.lock(want('u', true)), locks.lock(want('r', false))];
    const refused = Promise.allSettled(waiting);
    locks.end(new Error('given up'));
    expect((await refused).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    await expect(locks.lock(want('v', true))).rejects.toThrow('given up');
  });

  it('does without, where the server does not say when others want it', async () => {
    const { locks, asked } = lab(true);
    void locks.lock(want('t', true));
    void locks.lock(want('u', true));
    expect(asked.map(({ data }) => (data as { tid: string }).tid)).toEqual(['t', 'u']);
  });

  it('keeps the rule of AceBase, and lets everybody have a turn, whatever comes in which order', async () => {
    const step = fc.record({
      tid: fc.integer({ min: 0, max: 5 }),
      act: fc.constantFrom('read', 'write', 'release', 'release', 'grant', 'yield', 'wait'),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        await playOut(steps);
      }),
      { numRuns: 150 },
    );
  });
});

/** Grants what AceBase's rule allows, one request at a time. */
class FakeServer {
  readonly #held = new Map<number, { readonly name: string; readonly write: boolean }>();
  readonly #waiting: { readonly index: number; readonly name: string; readonly write: boolean }[] = [];
  #read = 0;
  #requests = 0;
  #lastId = 100;

  /** @param grant grants the request of that number, with lock numbers from 101 on */
  constructor(
    readonly asked: readonly Message[],
    readonly grant: (index: number) => void,
  ) {}

  readonly grantNext = (): void => {
    for (const { type, data } of this.asked.slice(this.#read)) {
      const { tid: name, write, id } = (data ?? {}) as { tid: string; write: boolean; id: number };
      if (type === 'lock-request') this.#waiting.push({ index: this.#requests++, name, write });
      else if (type === 'unlock-request') this.#held.delete(id);
    }
    this.#read = this.asked.length;
    const allowed = ({ name, write }: { name: string; write: boolean }): boolean =>
      [...this.#held.values()].every((other) => other.name === name || !(other.write || write));
    const next = this.#waiting.findIndex(allowed);
    const [granted] = next < 0 ? [] : this.#waiting.splice(next, 1);
    if (granted === undefined) return;
    this.#held.set(++this.#lastId, granted);
    this.grant(granted.index);
  };
}

/** Plays steps of six transactions, then lets all of them end. */
async function playOut(steps: readonly { readonly tid: number; readonly act: string }[]): Promise<void> {
  const worker = lab(true, SLICE);
  const { locks, clock } = worker;
  const held = new Map<string, { lock: IPCLock; write: boolean }[]>();
  const problems: string[] = [];
  let waiting = 0;
  let lastId = 100;
  const { grantNext } = new FakeServer(worker.asked, (index) => worker.grant(index, ++lastId));
  const ask = (tid: string, write: boolean): void => {
    // A transaction that reads with others and wants to write, beside one that does too, waits until its lock expires, as in AceBase.
    if (write && held.has(tid) && held.get(tid)?.every((it) => !it.write)) return;
    waiting++;
    void locks.lock(want(tid, write)).then((lock) => {
      waiting--;
      const mine = held.get(tid) ?? [];
      held.set(tid, [...mine, { lock, write }]);
      const others = [...held].filter(([other]) => other !== tid).flatMap(([, list]) => list);
      if (others.some((other) => other.write || write)) problems.push(`${tid} beside others`);
    });
  };
  const release = (tid: string): void => {
    const list = held.get(tid) ?? [];
    const last = list.pop();
    if (list.length === 0) held.delete(tid);
    void last?.lock.release();
  };
  for (const { tid, act } of steps) {
    if (act === 'read' || act === 'write') ask(`t${tid}`, act === 'write');
    else if (act === 'release') release(`t${tid}`);
    else if (act === 'grant') grantNext();
    else if (act === 'yield') locks.yieldWrite(lastId);
    else clock.advance(7);
    await turnOfTheLoop();
  }
  for (let round = 0; round < 500 && (waiting > 0 || held.size > 0); round++) {
    grantNext();
    for (const tid of [...held.keys()]) release(tid);
    await turnOfTheLoop();
  }
  expect([waiting, held.size, problems]).toEqual([0, 0, []]);
  clock.advance(READER_DELAY_MS);
  expect(clock.pending).toBe(0);
}
