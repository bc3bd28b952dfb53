import { FrameTemplate, Outgoing } from './frame-template.js';
import { Line } from './line.js';
import {
  BEFORE_ID,
  BEFORE_LOCK_ID,
  FIRST_LOCK_ID,
  LOCK_ID_LENGTH,
  type LockRequest,
  lockResult,
  MESSAGE_ID_LENGTH,
  unlockResult,
} from './lock-messages.js';

const TYPE_AT = '{"type":"'.length;
const LETTER_L = 0x6c;
/** What the ids of the server's own requests begin with: `[server]`. */
const SERVER_LETTER = 0x5b;
const LOCK_REQUEST_ID_AT = '{"type":"lock-request","id":"'.length;
const UNLOCK_REQUEST_ID_AT = '{"type":"unlock-request","id":"'.length;
/** Behind the id: `","from":"`, and the id of the worker. */
const FROM_BEHIND_ID = MESSAGE_ID_LENGTH + '","from":"'.length;
const PEER_ID_LENGTH = 25;

/** The two answers to one slot of one worker. */
interface Answers {
  readonly lock: FrameTemplate;
  readonly lockMessageIdAt: number;
  readonly lockIdAt: number;
  readonly unlock: FrameTemplate;
  readonly unlockMessageIdAt: number;
}

/** A master that grants every lock at once. It is so little of a master that it is not the limit. */
export class ScriptedMaster {
  readonly #line: Line;
  readonly #answers = new Map<number, Answers>();
  readonly #outgoing = new Outgoing();
  readonly #lockId = Buffer.alloc(LOCK_ID_LENGTH);
  #lastLockId = FIRST_LOCK_ID;

  private constructor(line: Line) {
    this.#line = line;
    line.onText = (bytes, start, end) => {
      const letter = bytes[start + TYPE_AT];
      if (letter === LETTER_L) this.#lock(bytes, start, end);
      // `unlock-request`; all else that comes is presence.
      else if (letter === 0x75) this.#unlock(bytes, start, end);
    };
    line.onRead = () => {
      const output = this.#outgoing.take();
      if (output !== undefined) line.write(output);
    };
  }

  /** Joins a database. */
  static async open(port: number, database: string): Promise<ScriptedMaster> {
    return new ScriptedMaster(await Line.open({ port, database, id: '[master]' }));
  }

  /** Ends the line. */
  end(): void {
    this.#line.end();
  }

  /** Our server grants the locks of workers itself, and asks for one for all of them now and then. */
  #rootLock(bytes: Uint8Array, start: number, end: number): void {
    const request = JSON.parse(Buffer.from(bytes.subarray(start, end)).toString()) as LockRequest;
    const isLock = bytes[start + TYPE_AT] === LETTER_L;
    this.#outgoing.add(new FrameTemplate(isLock ? lockResult(request) : unlockResult(request)).frame);
  }

  #lock(bytes: Uint8Array, start: number, end: number): void {
    const idAt = start + LOCK_REQUEST_ID_AT;
    if (bytes[idAt] === SERVER_LETTER) {
      this.#rootLock(bytes, start, end);
      return;
    }
    const slot = slotOf(bytes, idAt);
    let answers = this.#answers.get(slot);
    if (answers === undefined) {
      answers = answersTo(JSON.parse(Buffer.from(bytes.subarray(start, end)).toString()) as LockRequest);
      this.#answers.set(slot, answers);
    }
    this.#lockId.write(String(++this.#lastLockId), 'latin1');
    answers.lock.write(answers.lockMessageIdAt, bytes, idAt, MESSAGE_ID_LENGTH);
    answers.lock.write(answers.lockIdAt, this.#lockId, 0, LOCK_ID_LENGTH);
    this.#outgoing.add(answers.lock.frame);
  }

  #unlock(bytes: Uint8Array, start: number, end: number): void {
    const idAt = start + UNLOCK_REQUEST_ID_AT;
    if (bytes[idAt] === SERVER_LETTER) {
      this.#rootLock(bytes, start, end);
      return;
    }
    const answers = this.#answers.get(slotOf(bytes, idAt));
    if (answers === undefined) throw new Error('an unlock from a worker that has locked nothing');
    answers.unlock.write(answers.unlockMessageIdAt, bytes, idAt, MESSAGE_ID_LENGTH);
    this.#outgoing.add(answers.unlock.frame);
  }
}

function answersTo(request: LockRequest): Answers {
  const lock = new FrameTemplate(lockResult(request));
  const unlock = new FrameTemplate(unlockResult(request));
  return {
    lock,
    lockMessageIdAt: lock.placeBehind(BEFORE_ID),
    lockIdAt: lock.placeBehind(BEFORE_LOCK_ID),
    unlock,
    unlockMessageIdAt: unlock.placeBehind(BEFORE_ID),
  };
}

/** A number for the slot of a worker: two digits of the message id, and the last two of the worker's. */
function slotOf(bytes: Uint8Array, idAt: number): number {
  return twoDigits(bytes, idAt + 1) * 100 + twoDigits(bytes, idAt + FROM_BEHIND_ID + PEER_ID_LENGTH - 2);
}

function twoDigits(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) - 0x30) * 10 + (bytes[at + 1] ?? 0) - 0x30;
}
