/** What was done to each key in a campaign, and whether that fits some order of the writes. */

import { type CounterAction, judgeCounter, witnessOfCounter } from './counter.js';
import type { Operation, Verdict } from './linearizability.js';
import { judgeRegister, type RegisterAction, witnessOfRegister } from './register.js';

/** A key whose history is not linearizable, or of which that could not be found out. */
export interface Violation {
  readonly key: string;
  readonly kind: 'violation' | 'undecided';
  /** The fewest operations that show it, one a line. */
  readonly story: readonly string[];
}

/** More would tell nobody more. */
const MAX_LINES = 12;

/** The histories of registers and counters, by their keys. Keys do not depend on each other, so each is judged by itself. */
export class Histories {
  readonly #registers = new Map<string, Operation<RegisterAction>[]>();
  readonly #counters = new Map<string, Operation<CounterAction>[]>();

  /** How many operations there are. */
  get size(): number {
    let size = 0;
    for (const history of [...this.#registers.values(), ...this.#counters.values()]) size += history.length;
    return size;
  }

  /** Something was done to a register. */
  addToRegister(key: string, operation: Operation<RegisterAction>): void {
    add(this.#registers, key, operation);
  }

  /** Something was done to a counter. */
  addToCounter(key: string, operation: Operation<CounterAction>): void {
    add(this.#counters, key, operation);
  }

  /** The keys whose histories fit no order of the writes. */
  judge(): readonly Violation[] {
    return [
      ...[...this.#registers].flatMap(([key, history]) =>
        violation(key, judgeRegister(history), () => witnessOfRegister(history)),
      ),
      ...[...this.#counters].flatMap(([key, history]) =>
        violation(key, judgeCounter(history), (at) => witnessOfCounter(history, at)),
      ),
    ];
  }
}

function add<Action>(
  histories: Map<string, Operation<Action>[]>,
  key: string,
  operation: Operation<Action>,
): void {
  const history = histories.get(key);
  if (history === undefined) histories.set(key, [operation]);
  else history.push(operation);
}

function violation<Action extends RegisterAction | CounterAction>(
  key: string,
  verdict: Verdict<Action>,
  witness: (at: Operation<Action>) => readonly Operation<Action>[],
): readonly Violation[] {
  if (verdict.kind === 'linearizable') return [];
  const { kind, at } = verdict;
  if (kind === 'undecided')
    return [{ key, kind, story: [`too many orders to try at: ${inWords(at, at.invokedAt)}`] }];
  const operations = [...witness(at)].sort((a, b) => a.invokedAt - b.invokedAt);
  const start = operations[0]?.invokedAt ?? 0;
  const lines = operations.map((operation) => inWords(operation, start));
  const left = lines.length - MAX_LINES;
  return [{ key, kind, story: left > 0 ? [...lines.slice(-MAX_LINES), `and ${left} before`] : lines }];
}

/** Times are milliseconds after `start`. */
function inWords(
  { client, action, invokedAt, returnedAt }: Operation<RegisterAction | CounterAction>,
  start: number,
): string {
  const from = (invokedAt - start).toFixed(3);
  const to = returnedAt === undefined ? 'outcome unknown' : `${(returnedAt - start).toFixed(3)} ms`;
  return `${client} ${deed(action)} (${from} … ${to})`;
}

function deed({ kind, value }: RegisterAction | CounterAction): string {
  if (kind === 'write') return `writes ${value}`;
  if (kind === 'increment') return value === undefined ? 'counts up' : `counts up to ${value}`;
  return value === 0 ? 'reads nothing' : `reads ${value}`;
}
