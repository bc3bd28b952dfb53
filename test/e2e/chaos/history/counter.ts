/** A key that transactions count up, one at a time; each is told what it made of it. */

import { linearize, type Model, type Operation, type Verdict } from './linearizability.js';

/** An increment whose outcome is not known has no `value`. */
export type CounterAction =
  | { readonly kind: 'increment'; readonly value?: number }
  | { readonly kind: 'read'; readonly value: number };

/** The state is the count. */
export const counter: Model<CounterAction> = {
  initial: 0,
  step(state, { kind, value }) {
    if (kind === 'read') return state === value ? state : undefined;
    return value === undefined || value === state + 1 ? state + 1 : undefined;
  },
};

/** Whether a history of a counter is linearizable. */
export function judgeCounter(
  history: readonly Operation<CounterAction>[],
  maxConfigurations?: number,
): Verdict<CounterAction> {
  return linearize(history, counter, maxConfigurations);
}

/**
 * Two operations that cannot both have had their outcomes: two increments with the same one, or a count that goes back. If there are no such two, what
 * was open when the last of it returned, and what returned last before.
 *
 * @param at the return that no order explains
 */
export function witnessOfCounter(
  history: readonly Operation<CounterAction>[],
  at: Operation<CounterAction>,
): readonly Operation<CounterAction>[] {
  return twoOfTheSame(history) ?? goesBack(history) ?? around(history, at);
}

function twoOfTheSame(
  history: readonly Operation<CounterAction>[],
): readonly Operation<CounterAction>[] | undefined {
  const byValue = new Map<number, Operation<CounterAction>>();
  for (const operation of history) {
    const { kind, value } = operation.action;
    if (kind !== 'increment' || value === undefined) continue;
    const other = byValue.get(value);
    if (other !== undefined) return [other, operation];
    byValue.set(value, operation);
  }
  return undefined;
}

function goesBack(
  history: readonly Operation<CounterAction>[],
): readonly Operation<CounterAction>[] | undefined {
  const countOf = ({ action }: Operation<CounterAction>): number => action.value ?? Number.NaN;
  const returned = history
    .filter(({ returnedAt }) => returnedAt !== undefined)
    .sort((a, b) => (a.returnedAt ?? 0) - (b.returnedAt ?? 0));
  let highest: Operation<CounterAction> | undefined;
  let next = 0;
  for (const operation of [...history].sort((a, b) => a.invokedAt - b.invokedAt)) {
    for (; next < returned.length; next++) {
      const before = returned[next] as Operation<CounterAction>;
      if ((before.returnedAt ?? 0) >= operation.invokedAt) break;
      if (highest === undefined || countOf(before) > countOf(highest)) highest = before;
    }
    if (highest !== undefined && countOf(operation) < countOf(highest)) return [highest, operation];
  }
  return undefined;
}

function around(
  history: readonly Operation<CounterAction>[],
  at: Operation<CounterAction>,
): readonly Operation<CounterAction>[] {
  const end = at.returnedAt ?? Number.POSITIVE_INFINITY;
  const isOpen = ({ invokedAt, returnedAt = Number.POSITIVE_INFINITY }: Operation<CounterAction>): boolean =>
    invokedAt <= end && returnedAt >= at.invokedAt;
  const before = history
    .filter(({ returnedAt }) => returnedAt !== undefined && returnedAt < at.invokedAt)
    .sort((a, b) => (b.returnedAt ?? 0) - (a.returnedAt ?? 0))
    .slice(0, 1);
  return [...before, ...history.filter(isOpen)];
}
