/** The tables of keys and of free space, which AceBase's master writes as a whole whenever something in them changes. */

import { IPCError } from '../../errors.js';
import { KEYS_AT } from '../patches/file-layout.js';
import { type Gate, type Journal, narrowed } from './journal.js';
import type { InnerStorage } from './storage.js';
import type { Transaction } from './transaction.js';
import { WriteBuffer } from './write-buffer.js';

/** How the tables get into the file. */
export interface Tables {
  /** One of them is written. @param writer the transaction that writes, if one does. Resolves with the number of bytes */
  write(position: number, bytes: Uint8Array, writer: Transaction | undefined): Promise<number>;
  /** Resolves when those are in the file that are being written by themselves now, and the keys, if they could not be written before. @throws if they still cannot be */
  readonly settled: Promise<void>;
  /** Resolves when none is being written any more; `undefined` if none is. */
  readonly atRest: Promise<void> | undefined;
  /** Calls as soon as the keys are in the file as they are now; never if others write them before. */
  whenSettled(act: () => void): void;
  /** Space is set free. @param writer the transaction that needs it no longer, if it is one */
  release(give: () => void, writer: Transaction | undefined): void;
  /** A transaction is about to be committed: what of its tables is to be committed with it. @returns what takes it back */
  addTo(transaction: Transaction): () => void;
  /** It is committed. */
  committed(transaction: Transaction): void;
  /** It is dropped. */
  dropped(transaction: Transaction): void;
  /** They are written without the log, by this process. */
  bypassed(): void;
  /** Others may have written them since: what is still to be written is as they were before. */
  forget(): void;
}

/** What tables work with. */
export interface TablesSettings {
  readonly storage: Pick<InnerStorage, 'FST'>;
  /** The log that they are committed to. */
  readonly journal: () => Journal<never>;
  readonly gate: Gate;
  /** Reads what the file has at a place. */
  read(position: number, bytes: Buffer): void;
  /** Resolves when the log may be written over. @throws if it may not: nothing is written then */
  untilFree(): Promise<void>;
}

/** What the tables were written as last, by their places. */
class LastWritten {
  readonly #bytes = new Map<number, Uint8Array>();

  set(position: number, bytes: Uint8Array): void {
    this.#bytes.set(position, bytes);
  }

  clear(): void {
    this.#bytes.clear();
  }

  /** Holds a table in a buffer, with what it was before. */
  write(buffer: WriteBuffer, position: number, bytes: Uint8Array): void {
    const known = this.#bytes.get(position);
    // As if it had been read.
    if (known !== undefined) buffer.overlay(position, new Uint8Array(known));
    buffer.write(position, bytes);
  }
}

/** Those of a process that is alone: they are committed together with what uses them, so no space is lost. */
export class LoneTables implements Tables {
  readonly #settings: TablesSettings;
  /** Those that a transaction which was dropped has left to be written. */
  readonly #unwritten = new Map<number, Uint8Array>();
  #writes: Writes;

  constructor(settings: TablesSettings) {
    this.#settings = settings;
    this.#writes = new Writes(settings);
  }

  get settled(): Promise<void> {
    return this.#writes.over;
  }

  get atRest(): Promise<void> | undefined {
    return this.#writes.atRest;
  }

  whenSettled(act: () => void): void {
    this.#writes.whenOver(act);
  }

  async write(position: number, bytes: Uint8Array, writer: Transaction | undefined): Promise<number> {
    if (writer !== undefined) writer.tables.set(position, bytes);
    else await this.#writes.write(position, bytes);
    return bytes.length;
  }

  release(give: () => void, writer: Transaction | undefined): void {
    if (writer === undefined) give();
    else writer.frees.push(give);
  }

  addTo({ frees, tables, buffer }: Transaction): () => void {
    const ranges = this.#settings.storage.FST?.ranges ?? [];
    const before = ranges.map((range) => ({ ...range }));
    for (const free of frees) free();
    for (const [position, bytes] of this.#unwritten) if (!tables.has(position)) tables.set(position, bytes);
    for (const [position, bytes] of tables) this.#writes.last.write(buffer, position, bytes);
    return () => {
      if (frees.length > 0) ranges.splice(0, ranges.length, ...before);
    };
  }

  committed({ tables }: Transaction): void {
    for (const [position, bytes] of tables) this.#writes.last.set(position, bytes);
    this.#unwritten.clear();
  }

  /** Keys that it has added are known by now, and go into the file with the next one. */
  dropped({ tables }: Transaction): void {
    const keys = tables.get(KEYS_AT);
    if (keys !== undefined) this.#unwritten.set(KEYS_AT, keys);
  }

  bypassed(): void {
    this.#writes.bypassed();
  }

  forget(): void {
    this.#writes = this.#writes.succeeded();
  }
}

/** Those of a master, who changes them for others, too, and answers when that is in the file: they have a log of their own. */
export class MasterTables implements Tables {
  #writes: Writes;

  constructor(settings: TablesSettings) {
    this.#writes = new Writes(settings);
  }

  /** The keys that a transaction uses are in the file before it: AceBase does not wait for that. */
  get settled(): Promise<void> {
    return this.#writes.over;
  }

  get atRest(): Promise<void> | undefined {
    return this.#writes.atRest;
  }

  whenSettled(act: () => void): void {
    this.#writes.whenOver(act);
  }

  async write(position: number, bytes: Uint8Array): Promise<number> {
    await this.#writes.write(position, bytes);
    return bytes.length;
  }

  /** The transaction has been committed by then. */
  release(give: () => void): void {
    give();
  }

  addTo(): () => void {
    return () => undefined;
  }

  committed(): void {}

  dropped(): void {}

  bypassed(): void {
    this.#writes.bypassed();
  }

  forget(): void {
    this.#writes = this.#writes.succeeded();
  }
}

/**
 * Writes tables one after the other: what one of them changes is known only when the one before is in the file. Where others may have
 * written them since, other writes succeed these, and what is still under way here comes to nothing.
 */
class Writes {
  readonly last = new LastWritten();
  readonly #settings: TablesSettings;
  readonly #gate: Gate;
  #turn: Promise<void> = Promise.resolve();
  #underWay = 0;
  /** The table of keys, if it could not be written: AceBase goes on with a key that was not. */
  #missingKeys: Uint8Array | undefined;
  /** What waits for that table. */
  readonly #waiting: (() => void)[] = [];
  #hasSuccessor = false;

  constructor(settings: TablesSettings) {
    this.#settings = settings;
    this.#gate = narrowed(
      settings.gate,
      () => !this.#hasSuccessor,
      () => new IPCError('IPC_CLIENT_LEASE_LOST'),
    );
  }

  /** They are written without the log. */
  bypassed(): void {
    this.last.clear();
    this.#missingKeys = undefined;
    this.#waiting.length = 0;
  }

  /** Those that begin with what the file has now. */
  succeeded(): Writes {
    this.#hasSuccessor = true;
    return new Writes(this.#settings);
  }

  /** Resolves when none is under way, and none is missing: what is, is tried again. @throws if that fails */
  get over(): Promise<void> {
    return this.#turn.then(() =>
      this.#missingKeys === undefined ? undefined : this.write(KEYS_AT, this.#missingKeys),
    );
  }

  get atRest(): Promise<void> | undefined {
    return this.#underWay === 0 ? undefined : this.#turn.then(() => this.atRest);
  }

  /** Calls when none is missing. */
  whenOver(act: () => void): void {
    const actNow = (): void => {
      if (!this.#hasSuccessor) act();
    };
    this.over.then(actNow, () => this.#waiting.push(actNow));
  }

  write(position: number, bytes: Uint8Array): Promise<void> {
    this.#underWay += 1;
    const turn = this.#turn.then(() => this.#write(position, bytes));
    const written = position === KEYS_AT ? turn.then(() => this.#keysAreWritten()) : turn;
    this.#turn = written
      .catch(() => {
        if (position === KEYS_AT) this.#missingKeys = bytes;
      })
      .then(() => {
        this.#underWay -= 1;
      });
    return written;
  }

  #keysAreWritten(): void {
    this.#missingKeys = undefined;
    for (const act of this.#waiting.splice(0)) act();
  }

  async #write(position: number, bytes: Uint8Array): Promise<void> {
    const { journal, read, untilFree } = this.#settings;
    await untilFree();
    const buffer = new WriteBuffer(read);
    this.last.write(buffer, position, bytes);
    try {
      await journal().commit({ changes: buffer.changes() }, this.#gate);
    } catch (error) {
      this.last.clear();
      throw error;
    }
    this.last.set(position, bytes);
  }
}
