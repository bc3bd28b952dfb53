/**
 * Who waits until everything was heard that the server had said by now, be it on this line or on one after it. A ping goes
 * behind what the server has said; the pong of the last one tells all.
 */
export class Steps {
  #waiting: (() => void)[] = [];
  #lastPing = 0;

  /** Calls once. A ping is to be sent now, if there is a line. */
  wait(callback: () => void): void {
    this.#waiting.push(callback);
  }

  /** What the next ping is to hold; `undefined` if nobody waits. To be asked for again on each line. */
  nextPing(): string | undefined {
    return this.#waiting.length === 0 ? undefined : String(++this.#lastPing);
  }

  /** The pong to that ping came. */
  ponged(ping: string): void {
    if (ping !== String(this.#lastPing)) return;
    for (const callback of this.#waiting.splice(0)) callback();
  }

  /** Nobody waits any more. */
  clear(): void {
    this.#waiting = [];
  }
}
