import type { Frame } from './sent-frames.js';

/**
 * Events for peers that are not back yet after the server was restarted: the server would throw them away. They go out
 * when their receiver is there, and are thrown away here when it is given up.
 */
export class WaitingEvents {
  readonly #maxUnits: number;
  readonly #byReceiver = new Map<string, Frame[]>();
  #units = 0;

  /** @param maxUnits the UTF-16 units that are kept at most, of all together */
  constructor(maxUnits: number) {
    this.#maxUnits = maxUnits;
  }

  /** Keeps an event. @returns false if there is no room for it */
  keep(receiver: string, frame: Frame): boolean {
    if (this.#units + frame.text.length > this.#maxUnits) return false;
    this.#units += frame.text.length;
    const frames = this.#byReceiver.get(receiver);
    if (frames === undefined) this.#byReceiver.set(receiver, [frame]);
    else frames.push(frame);
    return true;
  }

  /** What waits for that peer, in order; nothing does any more. */
  take(receiver: string): readonly Frame[] {
    const frames = this.#byReceiver.get(receiver) ?? [];
    this.#byReceiver.delete(receiver);
    this.#units -= frames.reduce((sum, { text }) => sum + text.length, 0);
    return frames;
  }
}
