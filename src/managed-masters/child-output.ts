import { StringDecoder } from 'node:string_decoder';
import { stripVTControlCharacters } from 'node:util';
import type { Cancel, Clock } from '../broker/ports.js';

/** Characters of a line that are passed on. */
const LONGEST_LINE = 8_192;

/** Lines that are passed on within so many milliseconds; further ones are counted. */
const MOST_LINES = 50;
const WINDOW_MS = 1_000;

/** What becomes of the lines. */
export interface OutputLinesSettings {
  readonly clock: Pick<Clock, 'now' | 'schedule'>;
  /** A line, without colours and its end. */
  line(text: string): void;
  /** So many lines came in too short a time, and were left out. */
  leftOut(count: number): void;
}

/** Makes lines for the log of what a process writes: bounded, so that a storm of errors fills no disk. */
export class OutputLines {
  readonly #settings: OutputLinesSettings;
  readonly #decoder = new StringDecoder('utf8');
  #begun = '';
  #windowSince = Number.NEGATIVE_INFINITY;
  #count = 0;
  #leftOut = 0;
  #cancel: Cancel | undefined;

  constructor(settings: OutputLinesSettings) {
    this.#settings = settings;
  }

  /** Bytes came. */
  push(chunk: Uint8Array): void {
    const parts = this.#decoder.write(Buffer.from(chunk)).split('\n');
    const last = parts.pop() ?? '';
    for (const part of parts) {
      this.#line(this.#begun + part);
      this.#begun = '';
    }
    // More of it than is passed on need not be kept.
    this.#begun = (this.#begun + last).slice(0, LONGEST_LINE + 1);
  }

  /** No more will come. */
  end(): void {
    if (this.#begun !== '') this.#line(this.#begun);
    this.#begun = '';
    this.#tellLeftOut();
  }

  #line(raw: string): void {
    const text = stripVTControlCharacters(raw).trimEnd();
    if (text === '') return;
    const now = this.#settings.clock.now();
    if (now - this.#windowSince >= WINDOW_MS) {
      this.#tellLeftOut();
      this.#windowSince = now;
      this.#count = 0;
    }
    if (++this.#count > MOST_LINES) {
      this.#leftOut++;
      this.#cancel ??= this.#settings.clock.schedule(WINDOW_MS, () => this.#tellLeftOut());
      return;
    }
    this.#settings.line(text.length > LONGEST_LINE ? `${text.slice(0, LONGEST_LINE)}…` : text);
  }

  #tellLeftOut(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    const count = this.#leftOut;
    this.#leftOut = 0;
    if (count > 0) this.#settings.leftOut(count);
  }
}
