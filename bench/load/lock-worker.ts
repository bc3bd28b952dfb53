import { FrameTemplate, Outgoing } from './frame-template.js';
import type { Line } from './line.js';
import {
  BEFORE_ID,
  BEFORE_LOCK_ID,
  LOCK_ID_LENGTH,
  lockRequest,
  MESSAGE_ID_LENGTH,
  unlockRequest,
} from './lock-messages.js';

const OPENING_BRACE = 0x7b;
const LETTER_L = 0x6c;
/** Where things stand in an answer. */
const TYPE_AT = '{"type":"'.length;
const LOCK_RESULT_ID_AT = '{"type":"lock-result","id":"'.length;
const UNLOCK_RESULT_ID_AT = '{"type":"unlock-result","id":"'.length;
const LOCK_ID = Buffer.from(BEFORE_LOCK_ID);
/** The part of a message id that is new each time. */
const COUNTED_LENGTH = MESSAGE_ID_LENGTH - 3;

/** One request of a worker that is always under way: for a lock, or to give it back. */
interface Slot {
  readonly lock: FrameTemplate;
  readonly lockMessageIdAt: number;
  readonly unlock: FrameTemplate;
  readonly unlockMessageIdAt: number;
  readonly lockIdAt: number;
  sentAt: number;
}

/**
 * A worker that locks, and unlocks and locks again at once: AceBase does not wait for the answer to an unlock either. One that
 * is timed asks for locks for writing. Others ask for locks for reading, of which a real master grants many at one time, too.
 */
export class LockWorker {
  readonly #line: Line;
  readonly #slots: readonly Slot[];
  readonly #isTimed: boolean;
  readonly #outgoing = new Outgoing();
  readonly #number = Buffer.alloc(COUNTED_LENGTH);
  #count = 0;
  #isOn = false;
  #underWay = 0;
  #answered = 0;
  #roundTrips: number[] = [];
  #drained: (() => void) | undefined;

  /** @param isTimed whether each round trip is timed */
  constructor(line: Line, id: string, inFlight: number, isTimed: boolean) {
    this.#line = line;
    this.#isTimed = isTimed;
    this.#slots = Array.from({ length: inFlight }, (_, slot) => slotOf(id, slot, isTimed));
    line.onText = (bytes, start) => {
      if (bytes[start] === OPENING_BRACE) this.#receive(bytes, start);
    };
    line.onRead = () => this.#flush();
  }

  /** Runs for that long, and waits for the last answer. */
  async run(milliseconds: number): Promise<{ messages: number; roundTrips: readonly number[] }> {
    const before = this.#answered;
    this.#roundTrips = [];
    const drained = new Promise<void>((resolve) => {
      this.#drained = resolve;
    });
    this.#isOn = true;
    for (const slot of this.#slots) this.#send(slot, slot.lock, slot.lockMessageIdAt);
    this.#flush();
    await new Promise((resolve) => setTimeout(resolve, milliseconds));
    this.#isOn = false;
    await drained;
    return { messages: this.#answered - before, roundTrips: this.#roundTrips };
  }

  /** Ends the line. */
  end(): void {
    this.#line.end();
  }

  #receive(bytes: Uint8Array, start: number): void {
    const letter = bytes[start + TYPE_AT];
    // `lock-result` or `unlock-result`; all else is presence.
    if (letter !== LETTER_L && letter !== 0x75) return;
    const idAt = start + (letter === LETTER_L ? LOCK_RESULT_ID_AT : UNLOCK_RESULT_ID_AT);
    const slot = this.#slots[((bytes[idAt + 1] ?? 0) - 0x30) * 10 + (bytes[idAt + 2] ?? 0) - 0x30];
    if (slot === undefined) throw new Error('an answer that belongs to no request');
    this.#underWay--;
    this.#answered++;
    if (letter === LETTER_L) {
      if (this.#isTimed) this.#roundTrips.push(performance.now() - slot.sentAt);
      const lockId = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).indexOf(LOCK_ID, idAt);
      slot.unlock.write(slot.lockIdAt, bytes, lockId + LOCK_ID.length, LOCK_ID_LENGTH);
      this.#send(slot, slot.unlock, slot.unlockMessageIdAt);
      if (this.#isOn) this.#send(slot, slot.lock, slot.lockMessageIdAt);
    }
    if (!this.#isOn && this.#underWay === 0) this.#drained?.();
  }

  #send(slot: Slot, request: FrameTemplate, idAt: number): void {
    this.#number.write(String(++this.#count).padStart(COUNTED_LENGTH, '0'), 'latin1');
    request.write(idAt + MESSAGE_ID_LENGTH - COUNTED_LENGTH, this.#number, 0, COUNTED_LENGTH);
    this.#underWay++;
    if (this.#isTimed) slot.sentAt = performance.now();
    this.#outgoing.add(request.frame);
  }

  #flush(): void {
    const output = this.#outgoing.take();
    if (output !== undefined) this.#line.write(output);
  }
}

function slotOf(from: string, slot: number, isWrite: boolean): Slot {
  const lock = new FrameTemplate(lockRequest(from, slot, isWrite));
  const unlock = new FrameTemplate(unlockRequest(from, slot));
  return {
    lock,
    lockMessageIdAt: lock.placeBehind(BEFORE_ID),
    unlock,
    unlockMessageIdAt: unlock.placeBehind(BEFORE_ID),
    lockIdAt: unlock.placeBehind(BEFORE_LOCK_ID),
    sentAt: 0,
  };
}
