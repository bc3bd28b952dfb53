import { ERRORS, IPCError } from '../../errors.js';
import type { IPCLock, RootAddress } from '../core/host.js';
import { lostError } from '../core/lost-transactions.js';
import type { RecordRange } from '../core/space-reserve.js';
import { Activity } from './activity.js';
import { crc32 } from './checksum.js';
import type { IndexDescription } from './index-marks.js';
import type { WrittenPlace } from './redo-log.js';
import { WriteBuffer } from './write-buffer.js';

/** What an index is to be told when the transaction is committed. */
export interface IndexUpdate {
  readonly index: IndexDescription;
  /** Tells it. */
  update(): Promise<unknown>;
}

/** What was done, for the log of transactions. */
export interface LoggedMutation {
  readonly cursor: string;
  /** The JSON that stands for it (`core/codec.ts`). */
  readonly item: unknown;
}

/** One call that writes, with all that it does: it is committed as a whole, or dropped. */
export class Transaction {
  /** AceBase's id of it: that of its first lock. */
  tid: string | undefined;
  readonly buffer: WriteBuffer;
  /** The root when it was granted the lock for writing. */
  root: RootAddress | undefined;
  /** Whether the call is over, and was not committed as a whole. */
  isOver = false;
  /** Where it has said that the root is; `undefined` if it has not moved it. */
  movedRoot: RootAddress | undefined;
  /** Why it is dropped though its call goes on: others may have written meanwhile. */
  loss: IPCError | undefined;
  /** The first lock for writing that it was granted, which it keeps to its end; `undefined` if it is not committed as a whole. */
  keeper: IPCLock | undefined;
  /** Whether it has that still. */
  holdsLock: () => boolean = () => !this.isLost;
  /** Why it has that no more, once it has not. */
  whyNot: () => IPCError = () => this.loss ?? lost();
  /** Space that it has got. */
  readonly allocated: RecordRange[] = [];
  readonly #written = new Map<number, WrittenPlace>();
  readonly #allocatedByPage = new Map<number, RecordRange[]>();
  /** What sets free what it needs no longer, if that is to be in the same commit. */
  readonly frees: (() => void)[] = [];
  /** The tables of keys and of free space as they are to be with it, by their places. */
  readonly tables = new Map<number, Uint8Array>();
  /** What others are told of what it has written, when it is committed. */
  readonly notices: (() => void)[] = [];
  /** What happens when its indexes have been told, too: events. */
  readonly effects: (() => void)[] = [];
  readonly activity = new Activity();
  readonly indexUpdates: IndexUpdate[] = [];
  mutation: LoggedMutation | undefined;
  /** Locks that it has or has asked for, and not given back. */
  #openLocks = 0;
  /** Really gives back the one that it has kept, when it has given that back. */
  #release: (() => Promise<void>) | undefined;
  #isCallOver = false;
  #hasEnded: (() => void) | undefined;

  /** @param read reads what the file has at a place */
  constructor(read: (position: number, bytes: Buffer) => void) {
    this.buffer = new WriteBuffer(read);
  }

  /** Whether it must not be committed, whatever its call goes on to do. */
  get isLost(): boolean {
    return this.loss !== undefined;
  }

  /** A lock is asked for. */
  asksForLock(): void {
    this.#openLocks += 1;
  }

  /** A lock was refused, or is given back. @param release gives it back when the transaction ends, if it is kept until then */
  endsLock(release?: () => Promise<void>): void {
    this.#release ??= release;
    this.#openLocks -= 1;
    this.#look();
  }

  /** Resolves when the call is over, which it is now, and all that it has begun: what one part of it began may go on when another one has failed. */
  async ended(): Promise<void> {
    this.#isCallOver = true;
    await new Promise<void>((resolve) => {
      this.#hasEnded = resolve;
      this.#look();
    });
    // AceBase raises events in a tick of their own.
    await new Promise((resolve) => process.nextTick(resolve));
  }

  /** Gives back the lock that it has kept: the last one. */
  releaseKeeper(): void {
    void this.#release?.();
  }

  /** It has got space. */
  gets(ranges: readonly RecordRange[]): void {
    for (const range of ranges) {
      this.allocated.push(range);
      const ofPage = this.#allocatedByPage.get(range.pageNr);
      if (ofPage === undefined) this.#allocatedByPage.set(range.pageNr, [range]);
      else ofPage.push(range);
    }
  }

  /** It has given space back that it has got. */
  givesBack(ranges: readonly RecordRange[]): void {
    const kept = this.allocated.filter((range) => !ranges.includes(range));
    this.allocated.splice(0, this.allocated.length, ...kept);
  }

  /** Whether it has not written to such space yet. */
  get isFirstFresh(): boolean {
    return this.#written.size === 0;
  }

  /** It has written to space that it has got. */
  writesFresh(position: number, bytes: Uint8Array): void {
    this.#written.set(position, [position, bytes.length, crc32(bytes)]);
  }

  /** What it has written so. @param checksumOf that of what the file has at a place: where writes overlap, it is asked for */
  written(checksumOf: (position: number, length: number) => number): WrittenPlace[] {
    const places: WrittenPlace[] = [];
    for (const place of [...this.#written.values()].sort(([a], [b]) => a - b)) {
      const last = places.at(-1);
      const [position, length] = place;
      if (last === undefined || last[0] + last[1] <= position) places.push(place);
      else {
        const whole = Math.max(last[1], position + length - last[0]);
        places[places.length - 1] = [last[0], whole, checksumOf(last[0], whole)];
      }
    }
    return places;
  }

  /** Whether it has got that space: nobody else reads what is there. In records, from the first one of a page. */
  hasGot(pageNr: number, from: number, to: number): boolean {
    const ofPage = this.#allocatedByPage.get(pageNr);
    return ofPage?.some(({ recordNr, length }) => from >= recordNr && to <= recordNr + length) === true;
  }

  #look(): void {
    if (this.#isCallOver && this.#openLocks === 0) this.#hasEnded?.();
  }
}

/** Why a transaction fails whose process others took for gone: they may have got its lock. */
export function lost(): IPCError {
  return lostError('its lock');
}

/** Why a transaction fails that has taken longer than its lock lasts. */
export function expired(): IPCError {
  const { summary, remedy } = ERRORS.IPC_CLIENT_LOCK_EXPIRED;
  return new IPCError('IPC_CLIENT_LOCK_EXPIRED', `IPC_CLIENT_LOCK_EXPIRED: ${summary} ${remedy}`);
}
