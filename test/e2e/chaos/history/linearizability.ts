/**
 * Whether a history is linearizable (Herlihy and Wing): whether its operations fit into one order in which each takes effect at some
 * moment between its invocation and its return, and has the outcome that the model gives it there.
 *
 * The search is that of Wing and Gong with Lowe's memory of what was tried, and linearizes as late as it can: it goes through the
 * invocations and returns in the order of time, and keeps all configurations that are possible so far. An operation takes effect at the latest
 * when it returns; a return that no configuration survives is where the history breaks.
 */

/** Something that a client did to one key. */
export interface Operation<Action> {
  /** Who did it, for people to read. */
  readonly client: string;
  /** What was done, its outcome included where that is known. */
  readonly action: Action;
  /** By one clock for all clients, in milliseconds. */
  readonly invokedAt: number;
  /** `undefined` if nobody knows what came of it: it may take effect at any time after it was invoked, or never. */
  readonly returnedAt: number | undefined;
}

/** What a key is. Its states are numbers. */
export interface Model<Action> {
  readonly initial: number;
  /** The state after an action; `undefined` if it cannot have had that outcome in that state. */
  step(state: number, action: Action): number | undefined;
}

/** What came of the search. */
export type Verdict<Action> =
  | { readonly kind: 'linearizable' }
  /** No order explains the return of this operation, together with all that was before. */
  | { readonly kind: 'violation'; readonly at: Operation<Action> }
  /** There were more configurations than the search may keep when this operation returned. */
  | { readonly kind: 'undecided'; readonly at: Operation<Action> };

/** How many configurations the search may try at one return, unless something else is asked for. */
export const MAX_CONFIGURATIONS = 200_000;

/** A state that the key can be in, and which of the open operations have taken effect by then, in ascending order. */
interface Configuration {
  readonly state: number;
  readonly done: readonly number[];
}

interface Event {
  readonly at: number;
  readonly isReturn: boolean;
  /** Of the operation. */
  readonly index: number;
}

/** Searches for an order of the operations. */
export function linearize<Action>(
  history: readonly Operation<Action>[],
  model: Model<Action>,
  maxConfigurations = MAX_CONFIGURATIONS,
): Verdict<Action> {
  /** Operations that were invoked and have not returned. Those whose outcome is unknown never do. */
  const open = new Set<number>();
  let configurations: readonly Configuration[] = [{ state: model.initial, done: [] }];
  for (const { index, isReturn } of eventsOf(history)) {
    if (!isReturn) {
      open.add(index);
      continue;
    }
    const survivors = afterReturn(index, { history, model, open, configurations, maxConfigurations });
    const at = history[index] as Operation<Action>;
    if (survivors === undefined) return { kind: 'undecided', at };
    if (survivors.length === 0) return { kind: 'violation', at };
    configurations = survivors;
    open.delete(index);
  }
  return { kind: 'linearizable' };
}

/** Of operations that touch in time it is not known which was first: they are concurrent. */
function eventsOf(history: readonly Operation<unknown>[]): readonly Event[] {
  const events: Event[] = [];
  for (const [index, { invokedAt, returnedAt }] of history.entries()) {
    if (returnedAt !== undefined && returnedAt < invokedAt) {
      throw new RangeError('An operation returned before it was invoked');
    }
    events.push({ at: invokedAt, isReturn: false, index });
    if (returnedAt !== undefined) events.push({ at: returnedAt, isReturn: true, index });
  }
  return events.sort((a, b) => a.at - b.at || Number(a.isReturn) - Number(b.isReturn));
}

interface Search<Action> {
  readonly history: readonly Operation<Action>[];
  readonly model: Model<Action>;
  readonly open: ReadonlySet<number>;
  readonly configurations: readonly Configuration[];
  readonly maxConfigurations: number;
}

/** The configurations in which an operation has taken effect, which is open no more; `undefined` if there are too many to try. */
function afterReturn<Action>(
  index: number,
  { history, model, open, configurations, maxConfigurations }: Search<Action>,
): readonly Configuration[] | undefined {
  const survivors = new Map<string, Configuration>();
  const tried = new Set<string>();
  const untried = [...configurations];
  for (let next = untried.pop(); next !== undefined; next = untried.pop()) {
    const { state, done } = next;
    if (done.includes(index)) {
      const survivor = { state, done: done.filter((it) => it !== index) };
      survivors.set(nameOf(survivor), survivor);
      continue;
    }
    for (const candidate of candidates(history, open, done)) {
      const after = model.step(state, (history[candidate] as Operation<Action>).action);
      if (after === undefined) continue;
      const configuration = { state: after, done: [...done, candidate].sort((a, b) => a - b) };
      const name = nameOf(configuration);
      if (tried.has(name)) continue;
      tried.add(name);
      if (tried.size > maxConfigurations) return undefined;
      untried.push(configuration);
    }
  }
  return [...survivors.values()];
}

/** What may take effect next. Of several that do the same and never return, the first one will do: the others can take its place. */
function* candidates<Action>(
  history: readonly Operation<Action>[],
  open: ReadonlySet<number>,
  done: readonly number[],
): Generator<number> {
  const alike = new Set<string>();
  for (const index of open) {
    if (done.includes(index)) continue;
    const { action, returnedAt } = history[index] as Operation<Action>;
    if (returnedAt === undefined) {
      const name = JSON.stringify(action);
      if (alike.has(name)) continue;
      alike.add(name);
    }
    yield index;
  }
}

function nameOf({ state, done }: Configuration): string {
  return `${state}:${done.join()}`;
}
