import { rm } from 'node:fs/promises';
import { within } from '../support/waiting.js';
import { Random } from '../torture/random.js';
import { dataFaults, indexFaults, walk } from './checks.js';
import { type Database, openDatabase, perform } from './database.js';
import { Disk } from './disk.js';
import { diskAfterPowerCut } from './power-cut.js';
import { isChange, isStep, type Step, type TraceEvent } from './trace.js';
import { applied, INDEXED, type IndexKey, type Operation, type Value, workload } from './workload.js';

/** How a database is after a crash; the worst comes first. `survivors fail`: other processes hang, or what they do fails. */
export const OUTCOMES = [
  'unreadable',
  'damaged',
  'survivors fail',
  'index wrong',
  'log wrong',
  'half done',
  'leaked',
  'clean',
] as const;

export type Outcome = (typeof OUTCOMES)[number];

/** Where a process was killed: before it made that change of files, or when it had made half of it. */
export interface CrashPoint {
  /** The number of the change, from 0. */
  readonly change: number;
  readonly isHalf: boolean;
  /** The power was cut: what was not synced may be lost. One number after the other loses other parts of it. */
  readonly loss?: number | undefined;
  /** Where the next process was killed, that was mending what this crash had left. */
  readonly mending?: CrashPoint | undefined;
}

/** How a database was after a crash. */
export interface Verdict extends CrashPoint {
  readonly outcome: Outcome;
  readonly leaked: number;
  /** What was being done; `undefined` while the database was made, or between two operations. */
  readonly operation: Operation | undefined;
  readonly faults: readonly string[];
}

/** What must be in a database: everything that was acknowledged, and all or nothing of what was being done. */
export interface Expectation {
  readonly before: Tree;
  /** What was being done, by its numbers. Each of these operations changes other places. */
  readonly underWay: ReadonlyMap<number, Operation>;
  readonly indexes: ReadonlySet<IndexKey>;
  /** The numbers of those that were acknowledged and changed something. */
  readonly acknowledged: readonly number[];
  /** The numbers of those that were begun, and are known not to have happened. */
  readonly dropped?: readonly number[];
}

export type Tree = Readonly<Record<string, Value>>;

/** What was found in a database, all in all. */
export class Findings {
  readonly faults: string[] = [];
  #outcome: Outcome = 'clean';

  /** The worst that was noted. */
  get outcome(): Outcome {
    return this.#outcome;
  }

  note(outcome: Outcome, faults: readonly string[]): void {
    if (faults.length === 0) return;
    this.faults.push(...faults.map((fault) => `${outcome}: ${fault}`));
    this.#atLeast(outcome);
  }

  /** Adds what was found otherwise. */
  add({ outcome, faults }: Pick<Verdict, 'outcome' | 'faults'>): void {
    this.faults.push(...faults);
    this.#atLeast(outcome);
  }

  #atLeast(outcome: Outcome): void {
    if (OUTCOMES.indexOf(outcome) < OUTCOMES.indexOf(this.#outcome)) this.#outcome = outcome;
  }
}

/** How many writes come behind a crash. */
const WRITES_BEHIND = 50;

/** The writes that come behind a crash. */
export function writesBehind(): Operation[] {
  return [...workload(4711, WRITES_BEHIND + 4)].filter(({ kind }) => kind !== 'index' && kind !== 'import');
}

/** What a damaged file makes AceBase wait for never comes. */
const PATIENCE_MS = 10_000;

/** The database as it was at a crash: its files, and what must be in it. */
export function crashAt(
  trace: readonly TraceEvent[],
  operations: readonly Operation[],
  { change, isHalf, loss }: CrashPoint,
): { readonly disk: Disk; readonly expectation: Expectation } | undefined {
  const changes = trace.flatMap((event, at) => (isChange(event) ? [{ event, at }] : []));
  const next = changes[change];
  const past = next === undefined ? trace : trace.slice(0, next.at);
  const expectation = expectationOf(past.filter(isStep), operations);
  if (loss !== undefined) {
    const events = past.filter((event) => !isStep(event));
    const disk = diskAfterPowerCut(events, new Random(change * 1_000 + loss));
    startAnew(disk);
    return { disk, expectation };
  }
  const disk = new Disk();
  for (const { event } of changes.slice(0, change)) disk.apply(event);
  if (isHalf && (next === undefined || !disk.applyHalf(next.event))) return undefined;
  return { disk, expectation };
}

/** The machine is another one, as far as a process can tell. */
function startAnew(disk: Disk): void {
  for (const [file, bytes] of [...disk.files]) {
    if (!file.endsWith('.use.redo')) continue;
    const noted = JSON.parse(bytes.toString()) as { run: string | null };
    if (noted.run === null) continue;
    const changed = Buffer.from(JSON.stringify({ ...noted, run: 'another run of the machine' }));
    disk.apply({ kind: 'create', file });
    disk.apply({ kind: 'write', file, position: 0, bytes: changed });
  }
}

/** What must be in a database whose process has done that, and nothing else. @param operations all that it was to do */
export function expectationOf(steps: readonly Step[], operations: readonly Operation[]): Expectation {
  let before: Tree = {};
  const underWay = new Map<number, Operation>();
  const indexes = new Set<IndexKey>();
  const acknowledged: number[] = [];
  const dropped: number[] = [];
  for (const { kind, operation: number } of steps) {
    const operation = operations[number] as Operation;
    if (kind === 'begun') {
      underWay.set(number, operation);
      continue;
    }
    underWay.delete(number);
    if (kind === 'failed') dropped.push(number);
    else {
      if (hasLogEntry(before, operation)) acknowledged.push(number);
      before = applied(before, operation) as Tree;
      if (operation.kind === 'index') indexes.add(operation.key);
    }
  }
  return { before, underWay, indexes, acknowledged, dropped };
}

/**
 * Opens a database that a crash has left, and looks at it; writes to it, and looks again.
 *
 * @param patienceMs how long opening, reading and writing may take each, in milliseconds
 */
export async function judge(
  folder: string,
  expectation: Expectation,
  isLogged: boolean,
  patienceMs = PATIENCE_MS,
): Promise<Omit<Verdict, keyof CrashPoint>> {
  const { before, underWay, indexes } = expectation;
  const operations = [...underWay.values()];
  const found = new Findings();
  const note = found.note.bind(found);
  let leaked = 0;
  let database: Database | undefined;
  const look = async (opened: Database, expected: readonly Tree[]): Promise<Tree> => {
    let lost = 0;
    const tree = ((await opened.ref('').get()).val() ?? {}) as Tree;
    const all = expected.map((it) => dataFaults(it, tree));
    if (all.every((faults) => faults.length > 0)) note(kindOf(all, operations), all[0] ?? []);
    note('index wrong', await indexFaults(opened, (tree[INDEXED] ?? {}) as never, indexes));
    for (const storage of [opened.api.storage, opened.api.storage.txStorage]) {
      if (storage === undefined) continue;
      const space = await walk(storage);
      note('damaged', space.faults.slice(0, 5));
      lost += space.leaked;
    }
    // What the writes that come behind leave is counted once.
    if (lost > leaked) note('leaked', [`${lost - leaked} records`]);
    leaked = Math.max(leaked, lost);
    return tree;
  };
  try {
    const opened = openDatabase(folder, isLogged);
    database = opened;
    await within(patienceMs, () => 'it does not open', opened.ready());
    const tree = await within(
      patienceMs,
      () => 'it cannot be read',
      look(
        opened,
        outcomesOf(before, operations).map((it) => it.tree),
      ),
    );
    if (isLogged) note('log wrong', logFaults(await loggedNumbers(opened), expectation, tree));
    const after = await within(patienceMs, () => 'it cannot be written', writeBehind(opened, tree, look));
    database = undefined;
    await opened.close();
    // What was noted as it was closed leaves it as it was.
    const again = openDatabase(folder, isLogged);
    database = again;
    await within(patienceMs, () => 'it does not open again', again.ready());
    await within(patienceMs, () => 'it cannot be read again', look(again, [after]));
  } catch (error) {
    note('unreadable', [error instanceof Error ? error.message.slice(0, 300) : String(error)]);
  } finally {
    await database?.close().catch((error: unknown) => note('unreadable', [`it cannot be closed: ${error}`]));
    await rm(folder, { recursive: true, force: true });
  }
  return { outcome: found.outcome, faults: found.faults, leaked, operation: operations[0] };
}

/** Whether the log of transactions is to have that operation by its number: AceBase logs an import piece by piece, without. */
export function hasLogEntry(before: Tree, operation: Operation): boolean {
  return operation.kind !== 'import' && changesAnything(before, operation);
}

export function changesAnything(before: Tree, operation: Operation): boolean {
  return dataFaults(before, applied(before, operation)).length > 0;
}

/** Which operations the log of transactions has. */
async function loggedNumbers(database: Database): Promise<ReadonlySet<number>> {
  const history = await database.api.storage.txStorage?.getNode('history');
  const items = Object.values((history?.value ?? {}) as Record<string, { context: string }>);
  return new Set(items.map(({ context }) => numberIn(context)));
}

/** AceBase writes contexts with their types. */
function numberIn(context: string): number {
  return Number(/"number":(-?\d+)/.exec(context)?.[1] ?? Number.NaN);
}

/** Whatever is in the data is in the log, and nothing else. */
function logFaults(
  logged: ReadonlySet<number>,
  { before, underWay, acknowledged, dropped = [] }: Expectation,
  tree: Tree,
): string[] {
  const faults = [
    ...acknowledged.filter((it) => !logged.has(it)).map((it) => `operation ${it} is missing`),
    ...dropped.filter((it) => logged.has(it)).map((it) => `operation ${it} is not in the data`),
  ];
  const outcome = outcomesOf(before, [...underWay.values()]).find(
    (it) => dataFaults(it.tree, tree).length === 0,
  );
  for (const [number, operation] of underWay) {
    if (!hasLogEntry(before, operation)) continue;
    const isInData = outcome?.happened.has(operation) === true;
    if (logged.has(number) === isInData) continue;
    faults.push(
      `operation ${number} is ${isInData ? 'in the data and not in the log' : 'in the log and not in the data'}`,
    );
  }
  return faults;
}

/** What may have come of operations that were being done, and what is in the database then. */
export interface PossibleOutcome {
  readonly tree: Tree;
  readonly happened: ReadonlySet<Operation>;
}

/** All or nothing of each operation; first, nothing of any. */
export function outcomesOf(before: Tree, operations: readonly Operation[]): PossibleOutcome[] {
  const none: PossibleOutcome = { tree: before, happened: new Set() };
  const added = ({ tree, happened }: PossibleOutcome, operation: Operation): PossibleOutcome => ({
    tree: applied(tree, operation) as Tree,
    happened: new Set([...happened, operation]),
  });
  return operations.reduce((all, operation) => all.flatMap((it) => [it, added(it, operation)]), [none]);
}

/** Only what was being done may be half done; and whoever imports, imports piece by piece. */
export function kindOf(faults: readonly (readonly string[])[], operations: readonly Operation[]): Outcome {
  const paths = operations.flatMap((operation) => ('path' in operation ? [operation.path] : []));
  const isOfOperation = (fault: string): boolean =>
    paths.some((path) => fault.startsWith(`/${path}:`) || fault.startsWith(`/${path}/`));
  return faults.some((all) => all.every(isOfOperation)) ? 'half done' : 'damaged';
}

async function writeBehind(
  database: Database,
  found: Tree,
  look: (database: Database, expected: readonly Tree[]) => Promise<Tree>,
): Promise<Tree> {
  let expected = found;
  for (const operation of writesBehind()) {
    await perform(database, operation);
    expected = applied(expected, operation) as Tree;
  }
  return await look(database, [expected]);
}
