/**
 * What this client has sent, or is to send, and keeps until it is known to have arrived (docs/PROTOCOL.md, section 14):
 * everything, until all its receivers have read it; requests, until they are answered.
 */

/** What becomes of a frame whose server died before it was known to have arrived everywhere. */
export type AfterRestart =
  /** It is sent again. */
  | 'again'
  /** It is out of date by then: each process reads that from the file. */
  | 'outdated'
  /** Whoever waits for it asks again: it is not sent any more, even if it never was. */
  | 'asked-for'
  /** It must not be done twice, and perhaps was: {@link SentFrames.takeForNewServer} gives its request back. */
  | 'once';

/** A frame, and what it is. */
export interface Frame {
  text: string;
  readonly afterRestart: AfterRestart;
  /** The request that it is, if it is one. */
  readonly requestId: string | undefined;
  /** Whether it may be left out if there is no room: nobody's file depends on it. */
  readonly isDispensable: boolean;
  /** Whether it may leave with the next one: nobody acts on it before. */
  readonly canWait: boolean;
  /** The peer that it is for, if it is for one. */
  readonly to?: string | undefined;
}

interface KeptFrame extends Frame {
  isAnswered: boolean;
}

/** The frames of one session. */
export class SentFrames {
  readonly #maxUnits: number;
  /** Those that may not have arrived everywhere, oldest first. The first is number `#stable` + 1 of the session. */
  #frames: KeptFrame[] = [];
  #head = 0;
  #stable = 0;
  /** How many were handed to a line, in this session. */
  #sent = 0;
  #units = 0;
  /** Requests without an answer, oldest first. */
  readonly #open = new Map<string, KeptFrame>();
  #dropped = 0;

  /** @param maxUnits the UTF-16 units that are kept at most */
  constructor(maxUnits: number) {
    this.#maxUnits = maxUnits;
  }

  /** How many had no room. */
  get dropped(): number {
    return this.#dropped;
  }

  /** How many wait to be handed to a line. */
  get waiting(): number {
    return this.#frames.length - this.#head - (this.#sent - this.#stable);
  }

  /** Takes a frame. @returns false if there is no room for it */
  add(frame: Frame): boolean {
    if (this.#units + frame.text.length > this.#maxUnits && this.waiting > 0) {
      if (frame.requestId !== undefined || frame.isDispensable) {
        this.#dropped++;
        return false;
      }
    }
    const kept = { ...frame, isAnswered: false };
    this.#frames.push(kept);
    this.#units += frame.text.length;
    if (frame.requestId !== undefined) this.#open.set(frame.requestId, kept);
    return true;
  }

  /** The next frame to hand to a line; it counts as sent from now on. */
  next(): Frame | undefined {
    const frame = this.#frames[this.#head + this.#sent - this.#stable];
    if (frame !== undefined) this.#sent++;
    return frame;
  }

  /** The last frame that was handed to the line was not taken: it does not count. @returns it */
  takeBack(): Frame | undefined {
    const index = this.#head + this.#sent - this.#stable - 1;
    if (this.#sent === this.#stable) return undefined;
    const [frame] = this.#frames.splice(index, 1);
    if (frame === undefined) return undefined;
    this.#sent--;
    this.#units -= frame.text.length;
    if (frame.requestId !== undefined) this.#open.delete(frame.requestId);
    return frame;
  }

  /** The request has its answer. */
  answered(requestId: string): void {
    const frame = this.#open.get(requestId);
    if (frame === undefined) return;
    frame.isAnswered = true;
    this.#open.delete(requestId);
  }

  /** The first `count` frames of the session have arrived everywhere. */
  arrived(count: number): void {
    while (this.#stable < Math.min(count, this.#sent)) {
      this.#units -= this.#frames[this.#head]?.text.length ?? 0;
      this.#head++;
      this.#stable++;
    }
    if (this.#head > 1_000 && this.#head * 2 > this.#frames.length) {
      this.#frames = this.#frames.slice(this.#head);
      this.#head = 0;
    }
  }

  /** The session goes on; the server has `count` frames of it. @returns false if what it lacks is not kept any more */
  resume(count: number): boolean {
    if (count < this.#stable || count > this.#sent) return false;
    this.#sent = count;
    return true;
  }

  /**
   * There is a new server that knows nothing, or a new session.
   *
   * What was sent and may not have arrived is to be sent again, in the old order, if it still means something; requests
   * without an answer in any case; and then what was not sent at all.
   *
   * @returns the ids of requests that must not be asked again: nobody will answer them
   */
  takeForNewServer(): string[] {
    const old = this.#frames.slice(this.#head);
    const inFlight = new Set(old.slice(0, this.#sent - this.#stable));
    const kept = new Set(old);
    const unanswered = [...this.#open.values()].filter((frame) => !kept.has(frame));
    const given: string[] = [];
    this.#frames = [...unanswered, ...old].filter((frame) => {
      if (frame.isAnswered) return false;
      const wasSent = inFlight.has(frame) || !kept.has(frame);
      if (!wasSent) return frame.afterRestart !== 'asked-for';
      if (frame.afterRestart === 'once' && frame.requestId !== undefined) {
        this.#open.delete(frame.requestId);
        given.push(frame.requestId);
      }
      return frame.afterRestart === 'again';
    });
    this.#head = 0;
    this.#stable = 0;
    this.#sent = 0;
    this.#units = this.#frames.reduce((sum, { text }) => sum + text.length, 0);
    return given;
  }

  /** Puts a frame before all others, right after {@link SentFrames.takeForNewServer}. */
  addFirst(frame: Frame): void {
    this.#frames.unshift({ ...frame, isAnswered: false });
    this.#units += frame.text.length;
  }

  /** Takes out what is not sent yet and for which `isUnwanted` is true, in order. */
  takeUnsent(isUnwanted: (frame: Frame) => boolean): Frame[] {
    const firstUnsent = this.#head + this.#sent - this.#stable;
    const taken = this.#frames.slice(firstUnsent).filter(isUnwanted);
    const those = new Set<Frame>(taken);
    this.#frames = this.#frames.filter((frame) => !those.has(frame));
    this.#units -= taken.reduce((sum, { text }) => sum + text.length, 0);
    return taken;
  }

  /** This client has another id from now on. */
  rename(from: string, to: string): void {
    const [before, after] = [`"from":"${from}"`, `"from":"${to}"`];
    const all = new Set([...this.#frames, ...this.#open.values()]);
    for (const frame of all) frame.text = frame.text.replace(before, after);
  }

  /** Nothing is to be sent any more. */
  clear(): void {
    this.#frames = [];
    this.#head = 0;
    this.#sent = this.#stable;
    this.#units = 0;
    this.#open.clear();
  }
}
