import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { IPCLock, Message } from '../../../src/client/core/host.js';
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
    const before = types().length;
    await held.release();
    // What it says of its write leaves, and the next one goes on.
    expect(types().slice(before)).toEqual(['flush']);
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

  it('ends behind the one that writes when somebody of its process wants to read, who asks for himself', async () => {
    const { locks, first, types, asked, grant } = await writer();
    const write = locks.lock(want('u', true));
    const reads = ['r', 's'].map((tid) => locks.lock(want(tid, false)));
    expect(asked.at(-1)).toMatchObject({ type: 'lock-request', data: { write: false } });
    await first.release();
    expect(types()).toEqual(['lock-request', 'lock-request', 'unlock-request', 'lock-request', 'flush']);
    grant(1, 8);
    expect(await Promise.all(reads)).toMatchObject([{ id: 8 }, { id: 8 }]);
    grant(2, 9);
    expect(await write).toMatchObject({ id: 9, tid: 'u' });
  });

  it('that nobody uses goes back at once when somebody of its process wants to read', async () => {
    const { locks, types, grant } = lab(true, SLICE);
    for (const [index, tid] of ['t', 'u', 'v'].entries()) {
      const lock = locks.lock(want(tid, true));
      grant(index, index + 7);
      await (await lock).release();
    }
    expect(types().at(-1)).toBe('flush');
    void locks.lock(want('r', false));
    expect(types().slice(-2)).toEqual(['unlock-request', 'lock-request']);
  });

  it('is over when it has run out, though the one that writes goes on: it may wait for another one', async () => {
    const { locks, clock, first, types, grant } = await writer();
    const inner = locks.lock(want('u', true));
    clock.advance(120_000);
    expect(types()).toEqual(['lock-request', 'lock-request']);
    grant(1, 8);
    expect(await inner).toMatchObject({ id: 8, tid: 'u' });
    await first.release();
    await (await inner).release();
    expect(types().filter((type) => type === 'unlock-request')).toHaveLength(2);
    expect(clock.pending).toBe(0);
  });

  it('does not serve another one shortly before it runs out, by whatever clock', async () => {
    const worker = lab(true, SLICE);
    const first = worker.locks.lock(want('t', true));
    worker.grant(0, 7, 50_000);
    const second = worker.locks.lock(want('u', true));
    await (await first).release();
    expect(worker.types()).toEqual(['lock-request', 'unlock-request', 'lock-request', 'flush']);
    worker.grant(1, 8);
    expect(await second).toMatchObject({ id: 8 });
  });

  it('is not kept where others have waited for it: they may come back', async () => {
    const { locks, types, grant } = lab(true, SLICE);
    for (const [index, tid] of ['t', 'u', 'v', 'w'].entries()) {
      const lock = locks.lock(want(tid, true));
      grant(index, index + 7);
      locks.yieldWrite(index + 7);
      await (await lock).release();
    }
    expect(types().slice(-2)).toEqual(['unlock-request', 'flush']);
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

  it('that is refused is refused to all who waited when it was asked for, and asked for again by those who came later', async () => {
    const { locks, asked, open, grant } = lab(true, SLICE);
    const states = async (all: readonly Promise<IPCLock>[]) =>
      (await Promise.allSettled(all)).map(({ status }) => status);
    const [first, ...others] = ['t', 'u', 'v', 'w'].map((tid) => locks.lock(want(tid, true)));
    const refused = Promise.all([states([first as Promise<IPCLock>]), states(others)]);
    open[0]?.reject(new Error('no master'));
    await turnOfTheLoop();
    const late = locks.lock(want('x', true));
    open[1]?.reject(new Error('no master'));
    await turnOfTheLoop();
    expect(asked.filter(({ type }) => type === 'lock-request')).toHaveLength(3);
    expect(await refused).toEqual([['rejected'], ['rejected', 'rejected', 'rejected']]);
    grant(2, 2);
    expect(await late).toMatchObject({ tid: 'x' });
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

  it('that was granted to what the process was before it lost its place is asked for again', async () => {
    for (const ticks of [0, 1, 2, 3, 4, 5]) {
      const worker = lab(true, SLICE);
      const waiting = ['t', 'u'].map((tid) => worker.locks.lock(want(tid, true)));
      worker.grant(0, 7);
      for (let tick = 0; tick < ticks; tick++) await Promise.resolve();
      const lost = worker.locks.lose();
      const outcomes = Promise.allSettled(
        waiting.map(async (lock) => {
          await (await lock).release();
        }),
      );
      for (let id = 8; id < 12; id++) {
        await turnOfTheLoop();
        if (worker.open.length > id - 7) worker.grant(id - 7, id);
      }
      await lost;
      // Neither had done anything under it.
      expect((await outcomes).map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled']);
    }
  });

  it('that is lost while its process gets ready for it is asked for again', async () => {
    for (const outcome of ['ready', 'not ready']) {
      const worker = lab(true, SLICE);
      let settle: () => void = () => undefined;
      worker.makeReady(
        () =>
          new Promise<void>((resolve, reject) => {
            settle = () => (outcome === 'ready' ? resolve() : reject(new Error('it was given up')));
          }),
      );
      const waiting = worker.locks.lock(want('t', true));
      worker.grant(0, 7);
      await turnOfTheLoop();
      const lost = worker.locks.lose();
      settle();
      await turnOfTheLoop();
      await lost;
      worker.makeReady(() => undefined);
      worker.grant(1, 8);
      expect(await waiting).toMatchObject({ id: 8, tid: 't' });
    }
  });

  it('is refused to all who wait in a process that may not take part any more', async () => {
    const { locks } = await writer();
    const waiting = [locks.lock(want('u', true)), locks.lock(want('v', true))];
    const refused = Promise.allSettled(waiting);
    locks.end(new Error('given up'));
    expect((await refused).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    for (const write of [true, false]) await expect(locks.lock(want('w', write))).rejects.toThrow('given up');
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
      act: fc.constantFrom('read', 'write', 'scan', 'release', 'release', 'grant', 'yield', 'wait'),
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
  // What reads holds its lock while it waits for a part of itself, which asks for another one.
  const scan = async (tid: string): Promise<void> => {
    waiting++;
    const lock = await locks.lock(want(`${tid} scans`, false));
    await turnOfTheLoop();
    const part = await locks.lock(want(`${tid}, a part`, false));
    await part.release();
    await lock.release();
    waiting--;
  };
  for (const { tid, act } of steps) {
    if (act === 'read' || act === 'write') ask(`t${tid}`, act === 'write');
    else if (act === 'scan') void scan(`t${tid}`);
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
  expect(clock.pending).toBe(0);
}
