/** What is looked at in a database file that was left by a crash. */

import { type RecordAddress, walk as walkRecords } from '../../src/cli/check/walk.js';
import { differences } from '../torture/differences.js';
import { type Database, type Index, type Storage, storedNode } from './database.js';
import { INDEXED, type IndexKey, PLACES, type Place, TAGS, type Value, WORDS } from './workload.js';

/** What is wrong with the space of a file. */
export interface SpaceReport {
  /** Records that two nodes have, or that are free as well, or lie behind the end. */
  readonly faults: readonly string[];
  /** Records that nobody has, and that are not free. */
  readonly leaked: number;
}

/** Walks all records from the root on. @throws Error if one cannot be read */
export async function walk(storage: Storage): Promise<SpaceReport> {
  const lock = await storage.nodeLocker.lock('', String(storage.createTid()), false, 'walk');
  try {
    const nodeAt = (address: RecordAddress) => storedNode(storage, address, lock);
    const { faults, leaked } = await walkRecords({ records: storage, nodeAt });
    const unreadable = faults.find(({ kind }) => kind === 'unreadable');
    if (unreadable !== undefined) throw new Error(unreadable.message);
    return { faults: faults.map(({ message }) => message), leaked };
  } finally {
    await lock.release();
  }
}

type Items = Readonly<Record<string, Readonly<Record<string, Value>>>>;

/** What an index may be asked, and which items it is to find. */
interface Question {
  readonly operator: string;
  readonly value: unknown;
  finds(value: Value): boolean;
}

const QUESTIONS: Readonly<Record<IndexKey, readonly Question[]>> = {
  n: Array.from({ length: 12 }, (_, value) => ({ operator: '==', value, finds: (n) => n === value })),
  tags: TAGS.map((tag) => ({
    operator: 'contains',
    value: tag,
    finds: (tags) => (tags as readonly Value[]).includes(tag),
  })),
  text: WORDS.map((word) => ({
    operator: 'fulltext:contains',
    value: word,
    finds: (text) => String(text).split(' ').includes(word),
  })),
  place: PLACES.map((place) => ({
    operator: 'geo:nearby',
    value: { ...place, radius: 1000 },
    finds: (found) => (found as unknown as Place).lat === place.lat,
  })),
};

/** Compares indexes with what they index. @param expected those that must be there */
export async function indexFaults(
  database: Database,
  items: Items,
  expected: ReadonlySet<IndexKey>,
): Promise<string[]> {
  const indexes = database.api.storage.indexes.get(INDEXED);
  const faults = [...expected]
    .filter((key) => !indexes.some((index) => index.key === key))
    .map((key) => `the index of ${key} is not there`);
  for (const index of indexes) {
    for (const question of QUESTIONS[index.key as IndexKey]) {
      const fault = await answerFault(index, question, items);
      if (fault !== undefined) faults.push(fault);
    }
  }
  return faults;
}

async function answerFault(index: Index, question: Question, items: Items): Promise<string | undefined> {
  const { operator, value } = question;
  let results: Awaited<ReturnType<Index['query']>>;
  try {
    results = await index.query(operator, value);
  } catch (error) {
    return `the index of ${index.key} cannot be asked: ${error}`;
  }
  const found = results.map(({ path }) => path.slice(INDEXED.length + 1)).sort();
  const expected = Object.keys(items)
    .filter((key) => items[key]?.[index.key] !== undefined && question.finds(items[key][index.key] as Value))
    .sort();
  if (found.join() === expected.join()) return undefined;
  return `the index of ${index.key}, asked for ${operator} ${JSON.stringify(value)}, finds ${found.join()} for ${expected.join()}`;
}

/** The first differences between what is there and what should be. */
export function dataFaults(expected: unknown, found: unknown): string[] {
  return differences(expected, found)
    .slice(0, 5)
    .map((it) => `/${it.path}: ${shown(it.found)} for ${shown(it.expected)}`);
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
