import { expect, it } from 'vitest';
import {
  type AllocationAnswer,
  BulkSpace,
  MAX_BULK_RECORDS,
  MAX_SINGLE,
} from '../../../src/client/core/bulk-space.js';
import type { RecordRange } from '../../../src/client/core/space-reserve.js';

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** A master that answers when the test wants. */
function lab() {
  const asked: number[] = [];
  const answers: { resolve: (answer: AllocationAnswer) => void; reject: (error: Error) => void }[] = [];
  const returned: RecordRange[] = [];
  const space = new BulkSpace({
    ask: (records) =>
      new Promise((resolve, reject) => {
        asked.push(records);
        answers.push({ resolve, reject });
      }),
    giveBack: (ranges) => void returned.push(...ranges),
  });
  const answer = async (index: number, ...allocation: RecordRange[]) => {
    answers[index]?.resolve({ ok: true, allocation });
    await turn();
  };
  const allocate = (count: number, records: number) =>
    Array.from({ length: count }, () => space.allocate(records));
  return { space, asked, answers, returned, answer, allocate };
}

const range = (recordNr: number, length: number, pageNr = 0) => ({ pageNr, recordNr, length });

it('asks for each by itself while they are few, and answers as the master does', async () => {
  const { asked, answer, allocate } = lab();
  const [first] = allocate(MAX_SINGLE, 3);
  expect(asked).toEqual(Array.from({ length: MAX_SINGLE }, () => 3));
  await answer(0, range(7, 1), range(9, 2));
  expect(await first).toEqual({ ok: true, allocation: [range(7, 1), range(9, 2)] });
  expect(asked).toHaveLength(MAX_SINGLE);
});

it('puts together what waits, no more than half a page, and everybody gets a part of his own in one piece', async () => {
  const { asked, answer, allocate } = lab();
  const all = allocate(MAX_SINGLE + 300, 2);
  await answer(0, range(0, 2));
  expect(asked.slice(MAX_SINGLE)).toEqual([MAX_BULK_RECORDS]);
  await answer(1, range(2, 2));
  expect(asked.slice(MAX_SINGLE)).toEqual([MAX_BULK_RECORDS, 88]);
  await answer(MAX_SINGLE, range(100, 512));
  const parts = await Promise.all(all.slice(MAX_SINGLE, MAX_SINGLE + 256));
  expect(parts.map(({ allocation }) => allocation)).toEqual(
    Array.from({ length: 256 }, (_, index) => [range(100 + 2 * index, 2)]),
  );
});

it('gives back what is too short to use, and asks again for who got nothing', async () => {
  const { asked, answer, returned, allocate } = lab();
  const all = allocate(MAX_SINGLE + 3, 4);
  await answer(0, range(0, 4));
  expect(asked.at(-1)).toBe(12);
  await answer(MAX_SINGLE, range(10, 7), range(30, 5, 1));
  expect(await all[MAX_SINGLE]).toEqual({ ok: true, allocation: [range(10, 4)] });
  expect(await all[MAX_SINGLE + 1]).toEqual({ ok: true, allocation: [range(30, 4, 1)] });
  expect(returned).toEqual([range(14, 3), range(34, 1, 1)]);
  expect(asked.at(-1)).toBe(4);
  await answer(asked.length - 1, range(50, 4));
  expect(await all[MAX_SINGLE + 2]).toEqual({ ok: true, allocation: [range(50, 4)] });
});

it('tells all whom it concerns of a failure, and goes on', async () => {
  const { space, asked, answers, answer, allocate } = lab();
  const all = allocate(MAX_SINGLE + 2, 1).map((it) => it.catch((error: Error) => error.message));
  await answer(0, range(0, 1));
  answers[MAX_SINGLE]?.reject(new Error('no master'));
  expect(await Promise.all(all.slice(MAX_SINGLE))).toEqual(['no master', 'no master']);
  answers[1]?.resolve({ ok: false });
  expect(await all[1]).toEqual({ ok: false });
  void space.allocate(1);
  expect(asked).toHaveLength(MAX_SINGLE + 2);
});

it('asks for one alone where what is free lies so scattered that it serves none of several', async () => {
  const { asked, answers, answer, allocate } = lab();
  const all = allocate(MAX_SINGLE + 2, 3);
  await answer(0, range(0, 3));
  expect(asked.at(-1)).toBe(6);
  await answer(MAX_SINGLE, range(10, 2), range(20, 2), range(30, 2));
  expect(asked.at(-1)).toBe(3);
  await answer(answers.length - 1, range(10, 2), range(20, 1));
  expect(await all[MAX_SINGLE]).toEqual({ ok: true, allocation: [range(10, 2), range(20, 1)] });
});
