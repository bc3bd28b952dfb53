/** A key that holds what was written last. No two writes write the same, so a value tells by which of them it was written. */

import { linearize, type Model, type Operation, type Verdict } from './linearizability.js';

/** A value is the number of its write; 0 is the value from before the first one. */
export type RegisterAction =
  | { readonly kind: 'write'; readonly value: number }
  | { readonly kind: 'read'; readonly value: number };

/** The state is the number of the last write. */
export const register: Model<RegisterAction> = {
  initial: 0,
  step(state, { kind, value }) {
    if (kind === 'write') return value;
    return state === value ? state : undefined;
  },
};

/** Whether a history of a register is linearizable. */
export function judgeRegister(
  history: readonly Operation<RegisterAction>[],
  maxConfigurations?: number,
): Verdict<RegisterAction> {
  return linearize(withoutDoubt(history), register, maxConfigurations);
}

/**
 * The same history, in which every write has taken effect or is left out. A write of unknown outcome whose value nobody read may as well not
 * have happened; one whose value was read has taken effect before the first of those reads returned.
 */
function withoutDoubt(history: readonly Operation<RegisterAction>[]): readonly Operation<RegisterAction>[] {
  const firstSeenAt = new Map<number, number>();
  for (const { action, returnedAt } of history) {
    if (action.kind !== 'read' || returnedAt === undefined) continue;
    firstSeenAt.set(
      action.value,
      Math.min(firstSeenAt.get(action.value) ?? Number.POSITIVE_INFINITY, returnedAt),
    );
  }
  return history.flatMap((operation) => {
    if (operation.returnedAt !== undefined) return [operation];
    if (operation.action.kind === 'read') return [];
    const seenAt = firstSeenAt.get(operation.action.value);
    if (seenAt === undefined) return [];
    // Read before it was written: no order will fit.
    return [{ ...operation, returnedAt: Math.max(seenAt, operation.invokedAt) }];
  });
}

/**
 * Some of the operations of a history that is not linearizable, which are not linearizable by themselves: none can be left out of them. A
 * write goes together with the reads of its value, so that what is left out explains nothing of what is left.
 */
export function witnessOfRegister(
  history: readonly Operation<RegisterAction>[],
): readonly Operation<RegisterAction>[] {
  const isViolation = (operations: readonly Operation<RegisterAction>[]): boolean =>
    judgeRegister(operations).kind === 'violation';
  const values = smallest([...new Set(history.map(({ action }) => action.value))], (kept) => {
    const those = new Set(kept);
    return isViolation(history.filter(({ action }) => those.has(action.value)));
  });
  const ofThem = history.filter(({ action }) => values.includes(action.value));
  const writes = ofThem.filter(({ action }) => action.kind === 'write');
  const reads = ofThem.filter(({ action }) => action.kind === 'read');
  return [...writes, ...smallest(reads, (kept) => isViolation([...writes, ...kept]))];
}

/** What is left when nothing more can be left out, larger pieces first (Zeller's ddmin). */
function smallest<T>(all: readonly T[], suffices: (kept: readonly T[]) => boolean): readonly T[] {
  let kept = all;
  for (let size = Math.ceil(all.length / 2); size > 0; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let start = 0; start < kept.length; ) {
      const without = [...kept.slice(0, start), ...kept.slice(start + size)];
      if (suffices(without)) kept = without;
      else start += size;
    }
  }
  return kept;
}
