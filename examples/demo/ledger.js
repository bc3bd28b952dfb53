/**
 * @typedef {{ writer: string, number: number, at?: number, path?: string, text?: string,
 *   heardBy: { listener: string, at: number, delay?: number }[] }} Write
 */

/** Who wrote what, and who has heard of it. Fed by the demo, read by its views. */
export class Ledger {
  /** @type {Map<string, Write>} */
  #writes = new Map();
  #delays = [];
  wrote = 0;
  heard = 0;

  /** @param {readonly string[]} names of all processes */
  constructor(names) {
    this.processes = names.map((name) => ({ name, wrote: 0, heard: 0 }));
  }

  /** A process has written. Another one may have heard of it before the writer itself could say so. */
  addWrite(writer, { number, at, path, text }) {
    this.wrote += 1;
    this.#process(writer).wrote += 1;
    const write = this.#write(writer, number);
    Object.assign(write, { at, path, text });
    for (const event of write.heardBy) this.#measure(write, event);
  }

  /** A process heard of what another one wrote. */
  addEvent(listener, { writer, number, at }) {
    this.heard += 1;
    this.#process(listener).heard += 1;
    const write = this.#write(writer, number);
    const event = { listener, at, delay: undefined };
    write.heardBy.push(event);
    if (write.at !== undefined) this.#measure(write, event);
  }

  /** The newest writes that their writers have reported, oldest first. */
  latest(count) {
    return [...this.#writes.values()].filter((write) => write.at !== undefined).slice(-count);
  }

  /** Whether every process has heard of every write, but for its own. */
  get complete() {
    return [...this.#writes.values()].every((write) => this.isComplete(write));
  }

  isComplete(write) {
    return write.at !== undefined && write.heardBy.length >= this.processes.length - 1;
  }

  /** Writes that somebody has not heard of. */
  get missing() {
    return [...this.#writes.values()].filter((write) => !this.isComplete(write)).length;
  }

  /** The median of the times from the start of a write to its event in another process. */
  get medianDelay() {
    const sorted = this.#delays.toSorted((a, b) => a - b);
    return sorted[Math.floor(sorted.length / 2)];
  }

  #write(writer, number) {
    const key = `${writer} ${number}`;
    let write = this.#writes.get(key);
    if (!write) {
      write = { writer, number, at: undefined, path: undefined, text: undefined, heardBy: [] };
      this.#writes.set(key, write);
    }
    return write;
  }

  #measure(write, event) {
    event.delay = event.at - write.at;
    this.#delays.push(event.delay);
  }

  #process(name) {
    return this.processes.find((it) => it.name === name);
  }
}
