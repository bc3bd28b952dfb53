import type { DatabaseFile } from '../model/database-file.js';
import type { StockPeer } from '../model/stock-peer.js';
import type { Verdicts } from './verdicts.js';

/** The last time that the root was moved, and what for. */
interface Move {
  readonly writer: StockPeer;
  readonly key: string;
  readonly value: number;
  readonly formerRoots: readonly number[];
  /** Whether its writer has written something else since. */
  hasGoneOn: boolean;
}

/** A value of a key. */
export interface Written {
  readonly key: string;
  readonly value: number;
}

/**
 * What is read is what was written: values, the root, the key table. Values of a key count up, so that a lost write shows
 * as a number that comes twice, or as one that is lower than what was acknowledged.
 */
export class Values {
  readonly #verdicts: Verdicts;
  readonly #isExcused: (reader: StockPeer) => boolean;
  readonly #acknowledged = new Map<string, number>();
  /** Values that must be there, acknowledged or not: one that was written with them was read. */
  readonly #certain = new Map<string, number>();
  readonly #attempted = new Map<string, number>();
  /** Who first wrote what; and what others wrote, too. */
  readonly #writers = new Map<string, StockPeer>();
  readonly #writtenTwice = new Set<string>();
  /** What was written in one piece, as long as nobody has read any of it. */
  readonly #together = new Map<string, readonly Written[]>();
  /** Which key each number of the key table stands for in what was written. */
  readonly #keys = new Map<number, string>();
  /** Where the root is; or, after its writer died in the midst of it, where it may be. */
  #roots: readonly number[] = [0];
  #move: Move | undefined;
  #moves = 0;
  /** Those who wrote something that nobody heard of, and do not know it. */
  readonly #lost = new Set<StockPeer>();
  /** Keys whose entry in the index may be old, since who wrote them did not get so far. */
  readonly #staleInIndex = new Set<string>();

  /** @param isExcused whether a process reads what is none of its business any more */
  constructor(verdicts: Verdicts, isExcused: (reader: StockPeer) => boolean) {
    this.#verdicts = verdicts;
    this.#isExcused = isExcused;
  }

  /** The keys that were ever written, with the last number that was acknowledged. */
  get acknowledged(): ReadonlyMap<string, number> {
    return this.#acknowledged;
  }

  acknowledgedOf(key: string): number {
    return Math.max(this.#acknowledged.get(key) ?? 0, this.#certain.get(key) ?? 0);
  }

  /** From now on the value may be seen. */
  writes(writer: StockPeer, key: string, value: number): void {
    const what = `${key}=${value}`;
    // Nothing of that has happened, if it is written again.
    this.#forgetTogether(what);
    const first = this.#writers.get(what);
    if (first === undefined) this.#writers.set(what, writer);
    else if (first !== writer) this.#writtenTwice.add(what);
    raise(this.#attempted, key, value);
    this.#staleInIndex.add(key);
  }

  /** From now on the values may be seen, all of them or none. */
  writesTogether(writer: StockPeer, written: readonly Written[]): void {
    for (const { key, value } of written) this.writes(writer, key, value);
    for (const { key, value } of written) this.#together.set(`${key}=${value}`, written);
  }

  /** Somebody has seen one value: those that were written with it must be there. */
  #seen(what: string): void {
    for (const { key, value } of this.#forgetTogether(what)) raise(this.#certain, key, value);
  }

  #forgetTogether(what: string): readonly Written[] {
    const written = this.#together.get(what) ?? [];
    for (const { key, value } of written) this.#together.delete(`${key}=${value}`);
    return written;
  }

  acknowledges(writer: StockPeer, key: string, value: number): void {
    if (this.#move?.writer === writer && this.#move.value !== value) this.#move.hasGoneOn = true;
    if (this.#lost.has(writer)) return;
    const what = `${key}=${value}`;
    // One that was stopped when it had written may say so when others have gone on from what it wrote.
    if (value <= (this.#acknowledged.get(key) ?? 0) && this.#writtenTwice.has(what)) {
      this.#verdicts.wrongFile('lost write', `${writer.name} wrote ${what}, which was there already`);
    }
    raise(this.#acknowledged, key, value);
  }

  /** @param least what was acknowledged when the read began */
  reads(reader: StockPeer | string, key: string, value: number, least: number): void {
    this.#seen(`${key}=${value}`);
    if (value >= least && value <= (this.#attempted.get(key) ?? 0)) return;
    this.#isWrong(reader, 'wrong value', `reads ${key}=${value}, at least ${least} was acknowledged`);
  }

  /** A record holds something else than it should. */
  wrongRecord(reader: StockPeer, key: string, record: number): void {
    this.#isWrong(reader, 'wrong record', `reads record ${record} for ${key || 'the root'}`);
  }

  #isWrong(reader: StockPeer | string, rule: string, details: string): void {
    const name = typeof reader === 'string' ? reader : reader.name;
    if (typeof reader !== 'string' && this.#isExcused(reader))
      this.#verdicts.readsInVain(`${name} ${details}`);
    else this.#verdicts.wrongFile(rule, `${name} ${details}`);
  }

  /** A writer has moved the root, and is about to tell. */
  movesRoot(writer: StockPeer, record: number, key: string, value: number): void {
    this.#move = { writer, key, value, formerRoots: this.#roots, hasGoneOn: false };
    this.#roots = [record];
    this.#moves += 1;
  }

  /** What a writer said of several roots was lost with its line: the others' root is written again, and with it what was there before. */
  losesMoves(writer: StockPeer): void {
    this.#verdicts.tear(`${writer.name} moved the root, told nobody, and went on writing`);
  }

  /** What a writer said of the root that it moved was lost with its line: its write counts for nothing. */
  losesMove(writer: StockPeer): void {
    const move = this.#move;
    if (move?.writer !== writer) return;
    // The server has the others' root written again, if it has ever heard of one.
    if (this.#moves === 1)
      this.#verdicts.tear('the first root that was ever moved was lost with the line of its writer');
    if (move.hasGoneOn) this.losesMoves(writer);
    this.#verdicts.history.note(() => `What ${writer.name} wrote last is lost with its line`);
    this.#roots = [...this.#roots, ...move.formerRoots];
    this.#lost.add(writer);
    if (this.acknowledgedOf(move.key) === move.value) this.#acknowledged.set(move.key, move.value - 1);
  }

  /** A process that was given up is back, and believes nothing of before: what it writes counts again. */
  comesBack(writer: StockPeer): void {
    this.#lost.delete(writer);
  }

  /** The one who moved it last has died, or was stopped until he is given up: perhaps before it was in the file. */
  rootWriterGone(writer: StockPeer, former: number): void {
    if (this.#move?.writer === writer) this.#roots = [...this.#roots, former];
  }

  /** Somebody who holds a lock uses the root that he believes in. */
  usesRoot(reader: StockPeer, record: number): void {
    if (this.#roots.includes(record)) this.#roots = [record];
    else this.#isWrong(reader, 'wrong root', `uses ${record}, the root is in ${this.#roots.join(' or ')}`);
  }

  /** Somebody writes that number for that key, or reads it as that. */
  usesKey(user: StockPeer, index: number, key: string | undefined): void {
    const known = this.#keys.get(index);
    if (known === undefined && key !== undefined) this.#keys.set(index, key);
    else if (known !== key) {
      this.#verdicts.wrongFile('key with two meanings', `${user.name}: ${index} is ${key}, not ${known}`);
    }
  }

  /** The index was told of the value. */
  indexed(key: string): void {
    this.#staleInIndex.delete(key);
  }

  /** The run is over: what is in the file must be what was acknowledged. */
  conclude(file: DatabaseFile, index: ReadonlyMap<string, number> | undefined): void {
    if (!this.#roots.includes(file.root)) {
      const details = `${file.root}, for all others it is ${this.#roots.join(' or ')}`;
      this.#verdicts.wrongFile('wrong root in the file', details);
    }
    const found = file.readAll();
    if (typeof found === 'string') {
      this.#verdicts.wrongFile('broken file', found);
      return;
    }
    for (const key of this.#acknowledged.keys())
      this.reads('a fresh open', key, found.get(key) ?? 0, this.acknowledgedOf(key));
    for (const [key, value] of index === undefined ? [] : found) {
      if (this.#staleInIndex.has(key) || index?.get(key) === value) continue;
      const details = `${key} is ${value}, in the index ${index?.get(key)}`;
      this.#verdicts.wrongFile('incomplete index', details);
    }
  }
}

/** It is that much at least. */
function raise(values: Map<string, number>, key: string, value: number): void {
  values.set(key, Math.max(value, values.get(key) ?? 0));
}
