import type { Operation } from '../support/acebase-process.js';
import { Random } from './random.js';

/** What a record holds. It always has `id`, so that no object ever becomes empty. */
interface Item {
  [key: string]: number | string | boolean | Item;
}

/** Counters that all workers change, by transactions only: what they add up to is known, whoever comes first. */
const sharedCounters = ['alpha', 'beta', 'gamma', 'delta'] as const;

// With over about 100 children at the root one read hangs in AceBase, without IPC too (stock-clients.md, last line):
// what all workers add to the root together stays well below that.
const rootKeysOfAllWorkers = 60;
const recordsPerWorker = 40;

const words = ['alder', 'birch', 'cèdre', 'дуб', '楓', 'fir 🌲', 'gum', 'hazel'] as const;

/**
 * The random writes of one worker, and what must be in the file when all of them were acknowledged. A worker alone
 * writes to its own paths, so the order among workers makes no difference; the shared counters are sums.
 */
export class Workload {
  readonly #random: Random;
  readonly #name: string;
  readonly #rootKeys: number;
  readonly #records = new Map<string, Item>();
  readonly #root = new Map<string, Item | number | string>();
  readonly #added = new Map<string, number>();
  #ownCounter = 0;
  #lastId = 0;

  constructor(seed: number, worker: number, workers: number) {
    // A large odd step keeps the sequences of neighbouring seeds and workers apart.
    this.#random = new Random(seed + worker * 0x9e3779b1);
    this.#name = `w${worker}`;
    this.#rootKeys = Math.max(1, Math.floor(rootKeysOfAllWorkers / workers));
  }

  /** What this worker has added to the shared counters. */
  get added(): ReadonlyMap<string, number> {
    return this.#added;
  }

  /** The next random write; the expectation already counts on it. */
  next(): Operation {
    const dice = this.#random.fraction();
    if (dice < 0.35) return this.#setRecord();
    if (dice < 0.55) return this.#updateRecord();
    if (dice < 0.65) return this.#removeRecord();
    if (dice < 0.75) return this.#changeRoot();
    if (dice < 0.8) return this.#setLeaf();
    if (dice < 0.9) return this.#countAlone();
    return this.#countTogether();
  }

  /** The top-level keys that this worker owns, with what must be in them. */
  expected(): Record<string, unknown> {
    const own: Record<string, unknown> = {};
    if (this.#records.size > 0) own['records'] = Object.fromEntries(this.#records);
    if (this.#ownCounter > 0) own['counter'] = this.#ownCounter;
    const root: Record<string, unknown> = Object.fromEntries(this.#root);
    if (Object.keys(own).length > 0) root[this.#name] = own;
    return root;
  }

  #setRecord(): Operation {
    const key = `record${this.#random.below(recordsPerWorker)}`;
    const value = this.#item();
    this.#records.set(key, value);
    return { command: 'set', path: `${this.#name}/records/${key}`, value };
  }

  #updateRecord(): Operation {
    const key = this.#existing();
    if (key === undefined) return this.#setRecord();
    const change = { [this.#field()]: this.#value(), [this.#field()]: this.#value() };
    this.#records.set(key, { ...this.#records.get(key), ...change });
    return { command: 'update', path: `${this.#name}/records/${key}`, value: change };
  }

  /** Never the last one: whether an empty object is left in its place is AceBase's affair. */
  #removeRecord(): Operation {
    const key = this.#existing();
    if (key === undefined || this.#records.size < 2) return this.#setRecord();
    this.#records.delete(key);
    return { command: 'remove', path: `${this.#name}/records/${key}` };
  }

  #setLeaf(): Operation {
    const key = this.#existing();
    if (key === undefined) return this.#setRecord();
    const [field, value] = [this.#field(), this.#value()];
    this.#records.set(key, { ...this.#records.get(key), [field]: value });
    return { command: 'set', path: `${this.#name}/records/${key}/${field}`, value };
  }

  /** Adds or removes a top-level key: the root record moves. */
  #changeRoot(): Operation {
    const path = `${this.#name}_${this.#random.below(this.#rootKeys)}`;
    if (this.#root.has(path) && this.#random.chance(0.4)) {
      this.#root.delete(path);
      return { command: 'remove', path };
    }
    const value = this.#random.chance(0.5) ? this.#item() : this.#value();
    this.#root.set(path, value as Item);
    return { command: 'set', path, value };
  }

  #countAlone(): Operation {
    const increment = 1 + this.#random.below(9);
    this.#ownCounter += increment;
    return { command: 'transaction', path: `${this.#name}/counter`, change: { increment } };
  }

  #countTogether(): Operation {
    const increment = 1 + this.#random.below(9);
    const counter = this.#random.pick(sharedCounters);
    this.#added.set(counter, (this.#added.get(counter) ?? 0) + increment);
    return { command: 'transaction', path: `counters/${counter}`, change: { increment } };
  }

  #existing(): string | undefined {
    const keys = [...this.#records.keys()];
    return keys[this.#random.below(keys.length)];
  }

  #item(): Item {
    this.#lastId += 1;
    const item: Item = { id: this.#lastId };
    for (let fields = this.#random.below(5); fields > 0; fields--) item[this.#field()] = this.#value();
    if (this.#random.chance(0.2)) item['nested'] = { id: this.#lastId, [this.#field()]: this.#value() };
    return item;
  }

  #field(): string {
    return `field${this.#random.below(8)}`;
  }

  /** From values that fit into their parent's record to some that take several records of their own. */
  #value(): number | string | boolean {
    const word = this.#random.pick(words);
    switch (this.#random.below(5)) {
      case 0:
        return this.#random.below(1_000_000);
      case 1:
        return this.#random.chance(0.5);
      case 2:
        return this.#random.fraction() * 1000;
      case 3:
        return word;
      default:
        return `${word} `.repeat(1 + this.#random.below(this.#random.chance(0.1) ? 600 : 30));
    }
  }
}

/** All that must be in the file when each of these was carried out to the end. */
export function expectedFile(workloads: readonly Workload[]): Record<string, unknown> {
  const counters: Record<string, number> = {};
  for (const { added } of workloads) {
    for (const [counter, amount] of added) counters[counter] = (counters[counter] ?? 0) + amount;
  }
  const file = Object.assign({}, ...workloads.map((workload) => workload.expected()));
  return Object.keys(counters).length > 0 ? { ...file, counters } : file;
}
