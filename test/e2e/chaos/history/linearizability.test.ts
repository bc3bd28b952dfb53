import { describe, expect, it } from 'vitest';
import { Random } from '../../../torture/random.js';
import { type CounterAction, counter, judgeCounter, witnessOfCounter } from './counter.js';
import { Histories } from './histories.js';
import { linearize, type Model, type Operation } from './linearizability.js';
import { judgeRegister, type RegisterAction, register, witnessOfRegister } from './register.js';

/** `a: write 1` and the like, with its time: `[invoked, returned]`, or `[invoked]` if its outcome is unknown. */
type Line<Action> = readonly [client: string, action: Action, invokedAt: number, returnedAt?: number];

function history<Action>(...lines: readonly Line<Action>[]): Operation<Action>[] {
  return lines.map(([client, action, invokedAt, returnedAt]) => ({ client, action, invokedAt, returnedAt }));
}

const write = (value: number): RegisterAction => ({ kind: 'write', value });
const read = (value: number): RegisterAction => ({ kind: 'read', value });
const increment = (value?: number): CounterAction => ({
  kind: 'increment',
  ...(value !== undefined && { value }),
});
const count = (value: number): CounterAction => ({ kind: 'read', value });

describe('a register', () => {
  it.each<[string, Line<RegisterAction>[]]>([
    ['nothing', []],
    ['a read of nothing', [['a', read(0), 0, 1]]],
    [
      'a read of what was written',
      [
        ['a', write(1), 0, 1],
        ['b', read(1), 2, 3],
      ],
    ],
    [
      'a read beside a write, of the old value',
      [
        ['a', write(1), 0, 4],
        ['b', read(0), 1, 2],
      ],
    ],
    [
      'a read beside a write, of the new value',
      [
        ['a', write(1), 0, 4],
        ['b', read(1), 1, 2],
      ],
    ],
    [
      'a write and a read that touch',
      [
        ['a', write(1), 0, 2],
        ['b', read(0), 2, 3],
      ],
    ],
    [
      'two writes at one time, read in the other order',
      [
        ['a', write(1), 0, 9],
        ['b', write(2), 1, 8],
        ['c', read(2), 2, 3],
        ['d', read(1), 4, 5],
      ],
    ],
    [
      // Herlihy and Wing, figure 1 (b), with registers.
      'a write in the midst of two reads that saw it in turn',
      [
        ['a', write(1), 0, 1],
        ['a', write(2), 2, 8],
        ['b', read(1), 3, 4],
        ['c', read(2), 5, 6],
      ],
    ],
    [
      'a write of unknown outcome that never happened',
      [
        ['a', write(1), 0],
        ['b', read(0), 1, 2],
        ['b', read(0), 3, 4],
      ],
    ],
    [
      'a write of unknown outcome that happened',
      [
        ['a', write(1), 0],
        ['b', read(1), 1, 2],
      ],
    ],
    [
      'a write of unknown outcome that happened late',
      [
        ['a', write(1), 0],
        ['b', write(2), 1, 2],
        ['b', read(2), 3, 4],
        ['b', read(1), 5, 6],
      ],
    ],
  ])('may be so: %s', (_name, lines) => {
    expect(judgeRegister(history(...lines))).toEqual({ kind: 'linearizable' });
    expect(linearize(history(...lines), register).kind).toBe('linearizable');
  });

  const wrong: [string, Line<RegisterAction>[]][] = [
    [
      'a stale read',
      [
        ['a', write(1), 0, 1],
        ['a', write(2), 2, 3],
        ['b', read(1), 4, 5],
      ],
    ],
    [
      'a lost write',
      [
        ['a', write(1), 0, 1],
        ['b', read(0), 2, 3],
      ],
    ],
    [
      'a read of what is written later',
      [
        ['b', read(1), 0, 1],
        ['a', write(1), 2, 3],
      ],
    ],
    ['a read of what nobody wrote', [['b', read(7), 0, 1]]],
    [
      'two readers that do not agree',
      [
        ['a', write(1), 0, 9],
        ['b', read(1), 1, 2],
        ['c', read(0), 3, 4],
      ],
    ],
    [
      'two writes at one time, read in both orders',
      [
        ['a', write(1), 0, 20],
        ['b', write(2), 0, 20],
        ['c', read(1), 1, 2],
        ['c', read(2), 3, 4],
        ['d', read(1), 5, 6],
      ],
    ],
    [
      'a write of unknown outcome that happens twice',
      [
        ['a', write(1), 0],
        ['b', read(1), 1, 2],
        ['b', write(2), 3, 4],
        ['c', read(1), 5, 6],
      ],
    ],
    [
      'a read of a write of unknown outcome, before it',
      [
        ['b', read(1), 0, 1],
        ['a', write(1), 2],
      ],
    ],
  ];
  it.each(wrong)('cannot be so: %s', (_name, lines) => {
    expect(judgeRegister(history(...lines)).kind).toBe('violation');
    expect(linearize(history(...lines), register).kind).toBe('violation');
  });

  it('says which return breaks the history', () => {
    const operations = history<RegisterAction>(
      ['a', write(1), 0, 1],
      ['b', read(1), 2, 3],
      ['b', read(0), 4, 5],
      ['b', read(1), 6, 7],
    );
    expect(judgeRegister(operations)).toEqual({ kind: 'violation', at: operations[2] });
  });

  it('shows a violation in as few operations as it takes', () => {
    const long = history<RegisterAction>(
      ...Array.from({ length: 50 }, (_, n): Line<RegisterAction> => ['a', write(n + 1), 2 * n, 2 * n + 1]),
      ...Array.from({ length: 50 }, (_, n): Line<RegisterAction> => ['b', read(n + 1), 2 * n + 1, 2 * n + 2]),
      ['c', read(20), 61, 62],
    );
    const witness = witnessOfRegister(long);
    expect(witness).toHaveLength(3);
    expect(witness).toContainEqual(long.at(-1));
    expect(judgeRegister(witness).kind).toBe('violation');
  });

  it('is undecided where there are too many orders to try', () => {
    const many = history<RegisterAction>(
      ...Array.from({ length: 10 }, (_, n): Line<RegisterAction> => ['a', write(n + 1), 0, 99]),
      ['b', read(99), 1, 2],
    );
    expect(judgeRegister(many, 100).kind).toBe('undecided');
    expect(judgeRegister(many).kind).toBe('violation');
  });

  it('refuses times that go backwards', () => {
    expect(() => judgeRegister(history(['a', read(0), 2, 1]))).toThrow(RangeError);
  });
});

describe('a counter', () => {
  it.each<[string, Line<CounterAction>[]]>([
    [
      'one after the other',
      [
        ['a', increment(1), 0, 1],
        ['b', increment(2), 2, 3],
        ['c', count(2), 4, 5],
      ],
    ],
    [
      'at one time, in any order',
      [
        ['a', increment(2), 0, 9],
        ['b', increment(1), 1, 8],
        ['c', count(1), 2, 3],
      ],
    ],
    [
      'unknown, and it happened',
      [
        ['a', increment(), 0],
        ['b', increment(2), 1, 2],
      ],
    ],
    [
      'unknown, and it did not happen',
      [
        ['a', increment(), 0],
        ['b', increment(1), 1, 2],
        ['b', count(1), 3, 4],
      ],
    ],
    [
      'two unknown, of which one happened late',
      [
        ['a', increment(), 0],
        ['b', increment(), 0],
        ['c', count(0), 1, 2],
        ['c', increment(2), 3, 4],
      ],
    ],
  ])('may be so: %s', (_name, lines) => {
    expect(judgeCounter(history(...lines))).toEqual({ kind: 'linearizable' });
  });

  it.each<[string, Line<CounterAction>[], number]>([
    [
      'two increments with one result',
      [
        ['a', increment(1), 0, 9],
        ['b', increment(1), 1, 8],
      ],
      2,
    ],
    [
      'a count that goes back',
      [
        ['a', increment(1), 0, 1],
        ['b', increment(2), 2, 3],
        ['c', count(1), 4, 5],
      ],
      2,
    ],
    [
      'an increment too many',
      [
        ['a', increment(1), 0, 1],
        ['b', count(2), 2, 3],
      ],
      2,
    ],
    [
      'an unknown one that comes before it was begun',
      [
        ['b', count(1), 0, 1],
        ['a', increment(), 2],
      ],
      1,
    ],
  ])('cannot be so: %s', (_name, lines, length) => {
    const operations = history(...lines);
    const verdict = judgeCounter(operations);
    if (verdict.kind !== 'violation') throw new Error(verdict.kind);
    expect(witnessOfCounter(operations, verdict.at)).toHaveLength(length);
  });

  it('is soon judged, however many outcomes are unknown', () => {
    const operations = history<CounterAction>(
      ...Array.from({ length: 80 }, (_, n): Line<CounterAction> => ['a', increment(), n]),
      ...Array.from(
        { length: 80 },
        (_, n): Line<CounterAction> => ['b', count(n), 1000 + 2 * n, 1001 + 2 * n],
      ),
    );
    expect(judgeCounter(operations, 10_000).kind).toBe('linearizable');
  });
});

/** An atomic register, and clients that use it at random; some never hear what came of a write. */
function play(random: Random, { isStale }: { readonly isStale: boolean }): Operation<RegisterAction>[] {
  const operations: Operation<RegisterAction>[] = [];
  let [value, written, staleValue] = [0, 0, 0];
  let now = 0;
  for (let step = 0; step < 200; step++) {
    now += 1;
    const client = `c${random.below(4)}`;
    // Effects are in the order of the steps; each within an interval that may reach over some others.
    const invokedAt = now - random.fraction() * 5;
    const returnedAt = now + random.fraction() * 5;
    if (random.chance(0.4)) {
      written += 1;
      const isUnknown = random.chance(0.1);
      if (!isUnknown || random.chance(0.5)) value = written;
      // Long overwritten in the end.
      if (!isUnknown && step < 120) staleValue = written;
      operations.push({
        client,
        action: write(written),
        invokedAt,
        returnedAt: isUnknown ? undefined : returnedAt,
      });
    } else {
      operations.push({ client, action: read(value), invokedAt, returnedAt });
    }
  }
  if (isStale)
    operations.push({ client: 'late', action: read(staleValue), invokedAt: now + 20, returnedAt: now + 21 });
  return operations;
}

describe('random histories', () => {
  it.each(Array.from({ length: 12 }, (_, seed) => seed))(
    'of an atomic register are linearizable, and with a stale read they are not (seed %i)',
    (seed) => {
      expect(judgeRegister(play(new Random(seed), { isStale: false })).kind).toBe('linearizable');
      const stale = play(new Random(seed), { isStale: true });
      expect(judgeRegister(stale).kind).toBe('violation');
      expect(judgeRegister(witnessOfRegister(stale)).kind).toBe('violation');
    },
  );
});

/** Tries every order there is. */
function isLinearizable<Action>(
  left: readonly Operation<Action>[],
  model: Model<Action>,
  state = model.initial,
): boolean {
  if (left.every(({ returnedAt }) => returnedAt === undefined)) return true;
  const firstReturn = Math.min(...left.map(({ returnedAt = Number.POSITIVE_INFINITY }) => returnedAt));
  return left.some((operation) => {
    if (operation.invokedAt > firstReturn) return false;
    const after = model.step(state, operation.action);
    const rest = left.filter((it) => it !== operation);
    return after !== undefined && isLinearizable(rest, model, after);
  });
}

describe('small histories', () => {
  /** Up to seven operations with times and outcomes that may be anything. */
  function any<Action>(random: Random, action: (random: Random, n: number) => Action): Operation<Action>[] {
    return Array.from({ length: 2 + random.below(6) }, (_, n) => {
      const invokedAt = random.below(10);
      const returnedAt = random.chance(0.2) ? undefined : invokedAt + random.below(6);
      return { client: `c${n}`, action: action(random, n), invokedAt, returnedAt };
    });
  }

  it('of a register are judged as by trying every order', () => {
    const random = new Random(1);
    const verdicts = Array.from({ length: 1500 }, () => {
      const operations = any(random, (_, n) => (random.chance(0.5) ? write(n + 1) : read(random.below(4))));
      const isFine = isLinearizable(operations, register);
      expect(judgeRegister(operations).kind, JSON.stringify(operations)).toBe(
        isFine ? 'linearizable' : 'violation',
      );
      if (!isFine) expect(isLinearizable(witnessOfRegister(operations), register)).toBe(false);
      return isFine;
    });
    expect(new Set(verdicts)).toEqual(new Set([true, false]));
  });

  it('of a counter are judged as by trying every order', () => {
    const random = new Random(2);
    const verdicts = Array.from({ length: 1500 }, () => {
      const operations = any(random, () =>
        random.chance(0.5) ? increment(1 + random.below(3)) : count(random.below(3)),
      ).map((operation): Operation<CounterAction> => {
        const isUnknown = operation.action.kind === 'increment' && operation.returnedAt === undefined;
        return isUnknown ? { ...operation, action: increment() } : operation;
      });
      const isFine = isLinearizable(operations, counter);
      expect(judgeCounter(operations).kind, JSON.stringify(operations)).toBe(
        isFine ? 'linearizable' : 'violation',
      );
      return isFine;
    });
    expect(new Set(verdicts)).toEqual(new Set([true, false]));
  });
});

describe('histories by key', () => {
  it('are judged one by one, and told in words', () => {
    const histories = new Histories();
    const add = (key: string, ...lines: Line<RegisterAction>[]) => {
      for (const operation of history(...lines)) histories.addToRegister(key, operation);
    };
    add('good', ['w0', write(1), 0, 1], ['w1', read(1), 2, 3]);
    add(
      'bad',
      ['w0', write(1), 10, 11],
      ['w1', read(1), 11.5, 11.6],
      ['w0', write(2), 12, 13],
      ['w1', read(1), 14, 15.25],
    );
    for (const operation of history(['w0', increment(1), 0, 1], ['w1', increment(1), 2, 3])) {
      histories.addToCounter('count', operation);
    }
    expect(histories.size).toBe(8);
    expect(histories.judge()).toEqual([
      {
        key: 'bad',
        kind: 'violation',
        story: [
          'w0 writes 1 (0.000 … 1.000 ms)',
          'w0 writes 2 (2.000 … 3.000 ms)',
          'w1 reads 1 (4.000 … 5.250 ms)',
        ],
      },
      {
        key: 'count',
        kind: 'violation',
        story: ['w0 counts up to 1 (0.000 … 1.000 ms)', 'w1 counts up to 1 (2.000 … 3.000 ms)'],
      },
    ]);
  });
});
