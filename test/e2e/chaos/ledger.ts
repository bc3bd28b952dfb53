import { isDeepStrictEqual } from 'node:util';

/** The path that transactions of all workers count up. */
export const counterPath = 'counter';

/**
 * Paths that all workers write to: in one record, and in that of the root. Which of the writes may be read, their histories tell; here they are
 * never acknowledged.
 */
export const sharedPaths: readonly string[] = [
  ...Array.from({ length: 6 }, (_, index) => `shared/k${index}`),
  'shared-r0',
  'shared-r1',
];

/** Something in the file, or in an answer, that must not be. */
export interface Finding {
  /** `lost`: an acknowledged write is not there. `wrong`: there is what nobody wrote. */
  readonly kind: 'lost' | 'wrong';
  readonly path: string;
  readonly reason: string;
}

/** Writes to one path. */
interface Entry {
  attempted: number;
  /** The last one that was acknowledged, where a path has one writer, which begins the next write when the last one was settled. */
  acknowledged: number;
}

/** What a path was set to by its n-th write; different from all others, and the whole of it can be checked. */
export function writtenValue(
  path: string,
  n: number,
): string | { n: number; text: string; more?: { n: number } } {
  // From what fits into the record of the parent to what takes several records of its own.
  const text = `${path} #${n} `.repeat(1 + ((n * 7919) % (n % 11 === 0 ? 97 : 13)));
  if (n % 4 === 0) return { n, text };
  if (n % 4 === 1) return { n, text, more: { n } };
  return text;
}

/** All writes that were attempted and acknowledged, and what may therefore be read. */
export class Ledger {
  readonly #entries = new Map<string, Entry>();
  readonly #counts = new Set<number>();
  readonly #repeated: number[] = [];
  #incrementsAttempted = 0;

  /** Every path that was written to, but the counter. */
  get paths(): readonly string[] {
    return [...this.#entries.keys()];
  }

  /** Increments of the counter that were acknowledged. */
  get increments(): number {
    return this.#counts.size + this.#repeated.length;
  }

  /** Increments of the counter that were begun. */
  get incrementsAttempted(): number {
    return this.#incrementsAttempted;
  }

  /** A write begins: gives its number. */
  attempt(path: string): number {
    const entry = this.#entries.get(path) ?? { attempted: 0, acknowledged: 0 };
    this.#entries.set(path, entry);
    entry.attempted += 1;
    return entry.attempted;
  }

  acknowledge(path: string, n: number): void {
    const entry = this.#entries.get(path);
    if (entry) entry.acknowledged = n;
  }

  attemptIncrement(): void {
    this.#incrementsAttempted += 1;
  }

  /** An increment was acknowledged, which made the counter `count`. No two may have made it the same. */
  acknowledgeIncrement(count: number): void {
    if (this.#counts.has(count)) this.#repeated.push(count);
    this.#counts.add(count);
  }

  /** The number of the last acknowledged write to a path; 0 if there is none. */
  acknowledged(path: string): number {
    return this.#entries.get(path)?.acknowledged ?? 0;
  }

  /** What is wrong with a value that was read, given what was acknowledged before the read began. */
  judge(path: string, value: unknown, acknowledged = this.acknowledged(path)): Finding | undefined {
    const attempted = this.#entries.get(path)?.attempted ?? 0;
    if (value === undefined || value === null) {
      if (acknowledged === 0) return undefined;
      return { kind: 'lost', path, reason: `nothing is there; write ${acknowledged} was acknowledged` };
    }
    const n = numberOf(value);
    if (n === undefined || n < 1 || n > attempted || !isDeepStrictEqual(value, writtenValue(path, n))) {
      return { kind: 'wrong', path, reason: `nobody wrote ${shown(value)}` };
    }
    if (n >= acknowledged) return undefined;
    return { kind: 'lost', path, reason: `holds write ${n}; write ${acknowledged} was acknowledged` };
  }

  /** Everything that is wrong with a whole file. */
  judgeFile(file: unknown): Finding[] {
    const findings = this.paths.flatMap((path) => this.judge(path, at(file, path)) ?? []);
    const known = new Set([...this.paths, counterPath]);
    for (const [path, value] of leaves(file, known)) {
      findings.push({ kind: 'wrong', path, reason: `nobody wrote ${shown(value)}` });
    }
    return [...findings, ...this.#judgeCounter(at(file, counterPath))];
  }

  #judgeCounter(count: unknown): Finding[] {
    const path = counterPath;
    const findings: Finding[] = this.#repeated.map((it) => {
      return { kind: 'wrong', path, reason: `two increments were both acknowledged as ${it}` };
    });
    const least = Math.max(this.increments, ...this.#counts);
    if (least <= 0 && (count === undefined || count === null)) return findings;
    if (typeof count !== 'number' || count > this.#incrementsAttempted) {
      const reason = `${shown(count)} after ${this.#incrementsAttempted} increments were begun`;
      findings.push({ kind: 'wrong', path, reason });
    } else if (count < least) {
      const reason = `${count}; ${this.increments} were acknowledged, the last as ${Math.max(...this.#counts)}`;
      findings.push({ kind: 'lost', path, reason });
    }
    return findings;
  }
}

/** By which write a path was given that value; 0 if nothing is there. */
export function numberOf(value: unknown): number | undefined {
  if (value === undefined || value === null) return 0;
  if (typeof value === 'string') return Number(/ #(\d+) /.exec(value)?.[1]);
  return isObject(value) && typeof value['n'] === 'number' ? value['n'] : undefined;
}

/** What a tree has at a path. */
export function at(tree: unknown, path: string): unknown {
  return path.split('/').reduce<unknown>((node, key) => (isObject(node) ? node[key] : undefined), tree);
}

/** Values that belong to no known path. */
function* leaves(tree: unknown, known: ReadonlySet<string>, path = ''): Generator<[string, unknown]> {
  if (known.has(path)) return;
  if (!isObject(tree)) {
    if (tree !== null && tree !== undefined) yield [path, tree];
    return;
  }
  for (const [key, value] of Object.entries(tree)) yield* leaves(value, known, path ? `${path}/${key}` : key);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 120 ? `${text.slice(0, 120)}…` : text;
}
