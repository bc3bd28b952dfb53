import type { Socket } from 'node:net';
import type { Cancel, Clock } from '../broker/ports.js';

/** Milliseconds that a frame that can wait does so at most. */
const HOLD_MS = 10;

/** Outputs of lines that are there. */
const outputs = new Set<HeldOutput>();

/** What was said before `process.exit()` still goes out. */
const releaseAll = (): void => {
  for (const output of outputs) output.sayLastWords();
};

/**
 * Makes few writes of many frames: each wakes the server, which costs both more than the frame itself. What is said without
 * a pause, in one turn of the event loop, leaves together; what can wait leaves with what comes next.
 */
export class HeldOutput {
  readonly #socket: Socket;
  readonly #clock: Pick<Clock, 'schedule'>;
  /** Until when frames are held back: the end of this turn, or a moment later. */
  #isHeld: 'for this turn' | 'for a while' | undefined;
  #cancelWait: Cancel | undefined;
  readonly #exiting: () => void;

  /**
   * @param socket that of the line; nothing else corks it
   * @param exiting called when the process exits: the last moment to say something
   */
  constructor(socket: Socket, clock: Pick<Clock, 'schedule'>, exiting: () => void) {
    this.#socket = socket;
    this.#clock = clock;
    this.#exiting = exiting;
    if (outputs.size === 0) process.on('exit', releaseAll);
    outputs.add(this);
  }

  /** A frame is about to be written. @param canWait whether it may leave with the next one */
  hold(canWait: boolean): void {
    if (this.#isHeld === undefined) this.#socket.cork();
    if (this.#isHeld === 'for this turn') return;
    if (!canWait) {
      this.#isHeld = 'for this turn';
      // Behind all promises that are due: who gets an answer mostly asks for something else.
      process.nextTick(() => this.release());
    } else if (this.#isHeld === undefined) {
      this.#isHeld = 'for a while';
      this.#cancelWait = this.#clock.schedule(HOLD_MS, () => this.release());
    }
  }

  /** What is to leave in this turn leaves now: what runs in it may take long. */
  flush(): void {
    if (this.#isHeld === 'for this turn') this.release();
  }

  /** The process exits. */
  sayLastWords(): void {
    this.#exiting();
    this.release();
  }

  /** What is held back leaves now. */
  release(): void {
    if (this.#isHeld === undefined) return;
    this.#cancelWait?.();
    this.#isHeld = undefined;
    this.#socket.uncork();
  }

  /** The line is over. */
  end(): void {
    this.release();
    outputs.delete(this);
    if (outputs.size === 0) process.off('exit', releaseAll);
  }
}
