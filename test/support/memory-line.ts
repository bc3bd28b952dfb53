/** A socket without a network: what is written to one end arrives at the other. */

import { Duplex } from 'node:stream';

/** One end of a line in memory. Both ends are half-open, as the sockets of an HTTP server are. */
export class MemorySocket extends Duplex {
  /** Every write that reached the line, with the chunks that it was made of. */
  readonly writes: Uint8Array[][] = [];
  readonly settings: string[] = [];
  /** While true, nothing that is written goes on. */
  #held = false;
  #goOn: (() => void) | undefined;

  constructor() {
    super({ allowHalfOpen: true });
  }

  /** Stops taking what is written, as a peer does that does not read. */
  hold(): void {
    this.#held = true;
  }

  /** Takes again. */
  release(): void {
    this.#held = false;
    const goOn = this.#goOn;
    this.#goOn = undefined;
    goOn?.();
  }

  /** All that was written, in one piece. */
  get written(): Buffer {
    return Buffer.concat(this.writes.flat());
  }

  /** Bytes from the peer. */
  receive(bytes: Uint8Array): void {
    this.push(bytes);
  }

  /** The peer ends its side. */
  receiveEnd(): void {
    this.push(null);
  }

  setNoDelay(on: boolean): void {
    this.settings.push(`setNoDelay ${on}`);
  }

  setTimeout(milliseconds: number): void {
    this.settings.push(`setTimeout ${milliseconds}`);
  }

  setKeepAlive(on: boolean, delay: number): void {
    this.settings.push(`setKeepAlive ${on} ${delay}`);
  }

  override _read(): void {}

  override _write(chunk: Uint8Array, _encoding: string, callback: () => void): void {
    this.#take([chunk], callback);
  }

  override _writev(chunks: { chunk: Uint8Array }[], callback: () => void): void {
    this.#take(
      chunks.map(({ chunk }) => chunk),
      callback,
    );
  }

  #take(chunks: Uint8Array[], callback: () => void): void {
    if (this.#held) {
      this.#goOn = () => this.#take(chunks, callback);
      return;
    }
    this.writes.push(chunks);
    callback();
  }
}
