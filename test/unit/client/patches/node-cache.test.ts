import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Storage } from '../../../../src/client/acebase.js';
import { lookUpWithoutLease, NodeCache } from '../../../../src/client/patches/node-cache.js';
import type { NodeInfo, RecordAddress } from '../../../../src/client/patches/node-info.js';
import { systemClock } from '../../../../src/platform/clock.js';
import { countedSteps } from '../../../support/counted-steps.js';

const cjs = fileURLToPath(new URL('../../../../node_modules/acebase/dist/cjs', import.meta.url));
const load = createRequire(import.meta.url);
const { NodeInfo: Info } = load(`${cjs}/node-info.js`) as {
  NodeInfo: new (info: Partial<NodeInfo>) => NodeInfo;
};

/** Both have these; that of AceBase has its entries in `_cache`. */
type AnyCache = Omit<NodeCache, 'bytes' | '_cache'>;
declare class OriginalCache implements AnyCache {
  readonly _cache: Map<string, { readonly nodeInfo: NodeInfo }>;
  has(path: string): boolean;
  find(path: string, checkAnnounced?: boolean): NodeInfo | Promise<NodeInfo> | null;
  update(info: NodeInfo): void;
  invalidate(path: string, recursive?: Parameters<NodeCache['invalidate']>[1]): void;
  delete(path: string): void;
  invalidateAddress(addresses: readonly RecordAddress[]): void;
  announce(path: string): void;
  rejectAnnouncement(path: string, reason: unknown): void;
  clear(): void;
  cleanup(): void;
}
const { NodeCache: Original } = load(`${cjs}/node-cache.js`) as {
  NodeCache: typeof OriginalCache;
};

/** AceBase's, but that it goes on behind an entry without an address, where AceBase's stops looking. */
class Model extends Original {
  override invalidateAddress(addresses: readonly RecordAddress[]): void {
    for (const [path, { nodeInfo }] of this._cache) {
      if (addresses.some((address) => isAt(nodeInfo, address))) this._cache.delete(path);
    }
  }
}

const isAt = ({ address }: NodeInfo, { pageNr, recordNr }: RecordAddress): boolean =>
  address?.pageNr === pageNr && address.recordNr === recordNr;
const ours = (maxBytes = 1e9) =>
  new NodeCache({ NodeInfo: Info, clock: systemClock, maxBytes: () => maxBytes });
/** A node with a record of its own. */
const stored = (path: string, recordNr = 0, pageNr = 0): NodeInfo =>
  new Info({ path, type: 1, address: { pageNr, recordNr } });

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('does what that of AceBase does', () => {
  const PATHS = [
    [
      '',
      'a',
      'ab',
      'a/b',
      'a/bb',
      'a/b/c',
      'a/b/d',
      'a/b/c/e',
      'a/constructor',
      'a/constructor/x',
      'z/y/x/w',
    ],
    ['list', 'list[0]', 'list[1]', 'list[10]', 'list[0]/b', 'list[0]/b[1]', 'list[1]/c'],
  ].flat();
  // Some more often than others, so that something happens to them again.
  const path = fc.oneof(fc.constantFrom('a', 'a/b', 'a/b/c', 'list[0]'), fc.constantFrom(...PATHS));
  const address = fc.record({ pageNr: fc.nat(1), recordNr: fc.nat(3) });
  const node = fc.oneof(
    fc.record({ type: fc.constant(1), address }),
    fc.record({ type: fc.constant(5), value: fc.string() }),
    fc.constant({ exists: false }),
  );
  const recursive = fc.oneof(
    fc.boolean(),
    fc.dictionary(
      fc.constantFrom('a', 'b', 'c', '0', '1', 'constructor', 'nothing'),
      fc.constantFrom('delete', 'invalidate', 'other' as 'invalidate'),
    ),
  );
  type Step = { readonly say: string; readonly act: (cache: AnyCache) => unknown };
  const step = (say: string, act: Step['act']): Step => ({ say, act });
  const steps: fc.Arbitrary<Step> = fc.oneof(
    {
      weight: 12,
      // Each has its own: to delete one changes it.
      arbitrary: fc
        .tuple(path, node)
        .map(([at, info]) =>
          step(`update ${at} ${JSON.stringify(info)}`, (it) => it.update(new Info({ path: at, ...info }))),
        ),
    },
    {
      weight: 6,
      arbitrary: fc
        .tuple(path, fc.boolean())
        .map(([at, isAnnounced]) => step(`find ${at} ${isAnnounced}`, (it) => it.find(at, isAnnounced))),
    },
    {
      weight: 3,
      arbitrary: fc
        .tuple(path, recursive)
        .map(([at, what]) =>
          step(`invalidate ${at} ${JSON.stringify(what)}`, (it) => it.invalidate(at, what)),
        ),
    },
    path.map((at) => step(`delete ${at}`, (it) => it.delete(at))),
    path.map((at) => step(`announce ${at}`, (it) => it.announce(at))),
    path.map((at) => step(`reject ${at}`, (it) => it.rejectAnnouncement(at, 'a reason'))),
    fc
      .array(address, { maxLength: 3 })
      .map((which) => step(`addresses ${JSON.stringify(which)}`, (it) => it.invalidateAddress(which))),
    fc.constant(step('cleanup', (it) => it.cleanup())),
    fc.constant(step('clear', (it) => it.clear())),
  );
  const pause = fc
    .oneof(fc.nat(100), fc.constantFrom(20_000, 29_999, 30_000, 30_001, 60_000))
    .map((milliseconds) => ({ milliseconds }));

  /** What became of a lookup that somebody waits for. */
  const outcome = (found: unknown): Promise<unknown> =>
    Promise.race([
      Promise.resolve(found).then(
        (result) => ['resolved', result],
        (reason: unknown) => ['rejected', reason],
      ),
      new Promise((resolve) => setImmediate(resolve, 'waits')),
    ]);

  it('after any sequence of operations, at any time', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof({ weight: 6, arbitrary: steps }, pause), { maxLength: 60, size: 'max' }),
        async (sequence) => {
          const [cache, model] = [ours(), new Model()];
          const waited: (readonly [unknown, unknown])[] = [];
          for (const each of sequence) {
            if ('milliseconds' in each) {
              vi.advanceTimersByTime(each.milliseconds);
            } else {
              const [result, expected] = [each.act(cache), each.act(model)];
              expect(result instanceof Promise, each.say).toBe(expected instanceof Promise);
              if (result instanceof Promise) waited.push([result, expected]);
              else expect(result, each.say).toEqual(expected);
            }
            const had = (it: AnyCache) => PATHS.filter((at) => it.has(at));
            expect(had(cache), 'say' in each ? each.say : 'time passes').toEqual(had(model));
          }
          for (const at of PATHS) expect(cache.find(at), at).toEqual(model.find(at));
          vi.useRealTimers();
          for (const [result, expected] of waited)
            expect(await outcome(result)).toEqual(await outcome(expected));
          vi.useFakeTimers();
          for (const at of PATHS) cache.invalidate(at);
          expect([cache.bytes, cache._cache.size]).toEqual([0, 0]);
        },
      ),
      { numRuns: 100 },
    );
  });

  it('wherever the same node has several names: it never has what AceBase has forgotten', () => {
    const names = fc.constantFrom(
      'a',
      '/a',
      'a/',
      'a/0',
      'a[0]',
      'a/[0]',
      '/a[0]/',
      'a/0/b',
      'a[0]/b',
      'a[0]/b/c',
      'b',
    );
    const forget = fc.oneof(
      fc.boolean(),
      fc.dictionary(fc.constantFrom('0', 'a', 'b'), fc.constant('invalidate' as const)),
    );
    const acts = fc.oneof(
      fc.tuple(names, fc.nat(2)).map(
        ([at, record]) =>
          (it: AnyCache) =>
            it.update(stored(at, record)),
      ),
      fc.nat(2).map((recordNr) => (it: AnyCache) => it.invalidateAddress([{ pageNr: 0, recordNr }])),
      fc.tuple(names, forget).map(
        ([at, what]) =>
          (it: AnyCache) =>
            it.invalidate(at, what),
      ),
    );
    fc.assert(
      fc.property(fc.array(acts, { maxLength: 30, size: 'max' }), names, (sequence, at) => {
        const [cache, model] = [ours(), new Model()];
        for (const act of sequence) for (const it of [cache, model]) act(it);
        expect([null, model.find(at)]).toContainEqual(cache.find(at));
        // Whatever it is called, once it is forgotten it is.
        cache.invalidate('a/0', true);
        for (const name of ['a/0', 'a[0]', '/a[0]/', 'a/0/b', 'a[0]/b/c'])
          expect(cache.has(name)).toBe(false);
      }),
    );
  });

  it('but it takes a key that looks like a wildcard for a key, and not for any', () => {
    const [cache, original] = [ours(), new Original()];
    for (const it of [cache, original]) {
      for (const at of ['users/$id', 'users/$id/name', 'users/anna/name']) it.update(stored(at));
      it.invalidate('users/$id', { name: 'delete' });
    }
    expect(original.find('users/anna/name')).toMatchObject({ exists: false });
    expect(cache.find('users/anna/name')).toMatchObject({ exists: true });
    expect(cache.find('users/$id/name')).toMatchObject({ exists: false });
  });

  it('but it forgets every node whose record is freed, wherever others have none, without a word', () => {
    const said = vi.spyOn(console, 'error').mockImplementation(() => undefined);
    const [cache, original] = [ours(), new Original()];
    for (const it of [cache, original]) {
      it.update(new Info({ path: 'a/small', value: 1 }));
      it.update(stored('a/freed', 7));
      it.update(stored('a/moved', 7));
      it.update(stored('a/moved', 8));
      it.invalidateAddress([{ pageNr: 0, recordNr: 7 }]);
    }
    expect([original.has('a/freed'), cache.has('a/freed')]).toEqual([true, false]);
    expect([cache.has('a/small'), cache.has('a/moved')]).toEqual([true, true]);
    expect(said).not.toHaveBeenCalled();
    said.mockRestore();
  });

  it('whoever looks up what is being looked up gets what comes of it', async () => {
    const cache = ours();
    for (const at of ['a', 'b']) cache.announce(at);
    const [found, failed] = ['a', 'b'].map((at) => cache.find(at, true));
    cache.clear();
    const info = stored('a');
    cache.update(info);
    cache.rejectAnnouncement('b', new Error('not read'));
    await expect(found).resolves.toBe(info);
    await expect(failed).rejects.toThrow('not read');
    expect([cache.find('a', true), cache.find('b', true)]).toEqual([info, null]);
  });

  it('only nodes of its AceBase get in', () => {
    const message = 'nodeInfo must be an instance of NodeInfo';
    for (const it of [ours(), new Original()]) expect(() => it.update({ path: 'a' })).toThrow(message);
  });
});

describe('what it costs', () => {
  /** A cache with so many nodes beside those that something happens to. */
  const filled = <T extends AnyCache>(cache: T, count: number): T => {
    for (let index = 0; index < count; index++) {
      cache.update(stored(`records/r${index}`, index % 1_000, 1 + index));
      cache.update(stored(`records/r${index}/address`, index % 1_000, 1_000_000 + index));
    }
    return cache;
  };
  const bytesOf = (info: Partial<NodeInfo>): number => {
    const cache = ours();
    cache.update(new Info(info));
    return cache.bytes;
  };
  const change = (cache: AnyCache): void => {
    for (const at of ['records/w', 'records/w/address', 'records/w/tags', 'list', 'list[3]']) {
      cache.update(stored(at));
    }
    cache.find('records/w');
    cache.invalidate('records', { w: 'invalidate', r: 'delete' });
    cache.invalidate('list', true);
    cache.update(stored('records/w'));
    cache.delete('records/w');
    cache.invalidateAddress([{ pageNr: 0, recordNr: 0 }]);
    cache.invalidate('records/w', true);
  };

  it('does not grow with what is cached', () => {
    const stepsOf = (cache: AnyCache) => countedSteps(() => change(cache));
    const [few, many] = [500, 50_000].map((count) => stepsOf(filled(ours(), count / 2)));
    expect(many).toBe(few);
    expect(many).toBeLessThan(200);
    // All of it goes at once.
    expect(countedSteps(() => filled(ours(), 250).invalidate('', true))).toBe(
      countedSteps(() => filled(ours(), 250)),
    );
    // That of AceBase walks over it all, five times.
    expect(stepsOf(filled(new Original(), 250))).toBeGreaterThan(5 * 500);
  });

  it('expired ones leave some at a time, the oldest first', () => {
    const cache = filled(ours(), 1_250);
    vi.advanceTimersByTime(100);
    cache.update(stored('late'));
    vi.advanceTimersByTime(59_900);
    const left: number[] = [];
    for (let turn = 0; turn < 4; turn++) {
      left.push(cache._cache.size);
      vi.advanceTimersByTime(1);
    }
    expect(left).toEqual([1_501, 501, 1, 1]);
    vi.advanceTimersByTime(60_000);
    expect(cache._cache.size).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('stays below its bound: those go that were not used for longest, and announcements stay', () => {
    const bytes = bytesOf({ path: 'a', address: { pageNr: 0, recordNr: 0 } });
    const cache = ours(10 * bytes);
    for (const key of 'abcdefghij') cache.update(stored(key));
    expect(cache._cache.size).toBe(10);
    cache.announce('later');
    cache.find('a');
    cache.update(stored('b'));
    for (const key of 'klmnopqr') cache.update(stored(key));
    expect(cache.bytes).toBe(10 * bytes);
    expect([...'abcdefghijklmnopqr'].filter((key) => cache.has(key)).join('')).toBe('abklmnopqr');
    expect(cache.find('later', true)).toBeInstanceOf(Promise);
    // Whatever its size, what has just been put in is there.
    cache.update(new Info({ path: 'long', value: 'x'.repeat(20 * bytes) }));
    expect([cache.has('long'), cache._cache.size]).toEqual([true, 1]);
  });

  it('is counted by path and value', () => {
    const least = bytesOf({ path: 'a', value: 1 });
    expect(bytesOf({ path: 'a', value: 'x'.repeat(30) })).toBe(least + 60);
    expect(bytesOf({ path: 'a'.repeat(31), value: 1 })).toBe(least + 60);
    expect(bytesOf({ path: 'a', value: new Uint8Array(30) })).toBe(bytesOf({ path: 'a', value: {} }) + 30);
    expect(bytesOf({ path: 'a/b/c', value: 1 })).toBeGreaterThan(least + 2 * 8);
  });
});

it('what is cached is not told when others do not wait for this process any more: it is looked up', async () => {
  const asked: unknown[] = [];
  const storage = {
    getNodeInfo(this: unknown, path: string, options?: object) {
      asked.push([this === storage, path, options]);
      return Promise.resolve('info');
    },
  } as unknown as Storage;
  const gate = { isOpen: true };
  lookUpWithoutLease(storage, gate);
  expect(await storage.getNodeInfo?.('a')).toBe('info');
  gate.isOpen = false;
  const options = { include_child_count: true } as object;
  await storage.getNodeInfo?.('a', options);
  expect(asked).toEqual([
    [true, 'a', undefined],
    [true, 'a', { include_child_count: true, no_cache: true }],
  ]);
  expect(options).toEqual({ include_child_count: true });
});
