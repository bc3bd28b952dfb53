import { expect, it } from 'vitest';
import { Answers } from '../../../src/client/core/answer-cache.js';

const ask = (id: string, from = 'worker') => ({ type: 'lock-request', id, from, to: '[master]', data: {} });
const grant = (id: string, lock: number) => ({
  type: 'lock-result',
  id,
  from: '[master]',
  to: 'worker',
  ok: true,
  data: { id: lock },
});

it('repeats an answer, and makes none twice', () => {
  const answers = new Answers(
    () => 0,
    () => undefined,
  );
  expect(answers.ask(ask('1'))).toBe('new');
  expect(answers.ask(ask('1'))).toBe('answering');
  answers.answer(grant('1', 7));
  expect(answers.ask(ask('1'))).toEqual(grant('1', 7));
  expect(answers.ask(ask('1', 'other'))).toBe('new');
});

it('grants a lock anew that has gone back', () => {
  const answers = new Answers(
    () => 0,
    () => undefined,
  );
  answers.ask(ask('1'));
  answers.answer(grant('1', 7));
  answers.ask({ type: 'unlock-request', id: '[server]1', from: '[server]', data: { id: 7 } });
  expect(answers.ask(ask('1'))).toBe('new');
});

it("grants no lock again that has run out: it may be another one's", () => {
  let now = 0;
  const over: number[] = [];
  const answers = new Answers(
    () => now,
    (lockId) => over.push(lockId),
  );
  answers.ask(ask('1'));
  const granted = grant('1', 7);
  answers.answer({ ...granted, data: { ...granted.data, expires: 100 } });
  now = 99;
  expect(answers.ask(ask('1'))).toMatchObject({ type: 'lock-result', id: '1' });
  now = 100;
  expect(over).toEqual([]);
  expect(answers.ask(ask('1'))).toBe('new');
  expect(over).toEqual([7]);
  // What comes late for the old lock does not touch the new question.
  answers.ask({ type: 'unlock-request', id: '[server]1', from: '[server]', data: { id: 7 } });
  expect(answers.ask(ask('1'))).toBe('answering');
});

it('takes each request of the server for a new one: a new server counts from one', () => {
  const answers = new Answers(
    () => 0,
    () => undefined,
  );
  const request = { type: 'unlock-request', id: '[server]1', from: '[server]', data: { id: 7 } };
  expect([answers.ask(request), answers.ask(request)]).toEqual(['new', 'new']);
});

it('forgets the oldest answer when there are too many, and nothing that is not answered', () => {
  const answers = new Answers(
    () => 0,
    () => undefined,
    3,
  );
  answers.ask(ask('open'));
  for (const id of ['1', '2', '3', '4']) {
    answers.ask(ask(id));
    answers.answer(grant(id, Number(id)));
  }
  expect(answers.size).toBe(3);
  expect(answers.ask(ask('open'))).toBe('answering');
  expect(answers.ask(ask('4'))).toEqual(grant('4', 4));
  expect(answers.ask(ask('1'))).toBe('new');
});
