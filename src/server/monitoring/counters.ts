import type { Counters, FrameKind } from '../../broker/ports.js';
import { MESSAGE_TYPES } from '../../protocol/messages.js';

/** The kinds of frames that are counted apart. */
export const FRAME_KINDS: readonly FrameKind[] = [...MESSAGE_TYPES, 'unknown', 'ping', 'session', 'refused'];

/** Frames of one kind. Plain numbers: this is added to with every frame. */
export class FrameTally {
  /** Frames that came from peers. */
  received = 0;
  receivedBytes = 0;
  /** Deliveries that these called for: one for each receiver. */
  relayed = 0;
  relayedBytes = 0;

  /** A frame of so many bytes came. */
  came(bytes: number): void {
    this.received++;
    this.receivedBytes += bytes;
  }

  /** A message of so many bytes is passed on to so many peers. */
  goes(bytes: number, receivers: number): void {
    this.relayed += receivers;
    this.relayedBytes += bytes * receivers;
  }
}

/** What happened in one database, as numbers that only grow. */
export class DatabaseCounters implements Counters {
  readonly frames: Readonly<Record<FrameKind, FrameTally>> = Object.fromEntries(
    FRAME_KINDS.map((kind) => [kind, new FrameTally()]),
  ) as Record<FrameKind, FrameTally>;
  sent = 0;
  sentBytes = 0;
  readonly lockWait = new DurationTally();
  readonly lockHold = new DurationTally();
  recoveredLocks = 0;
  reconnects = 0;
  resumedSessions = 0;
  droppedMail = 0;

  /** Counts what another one has counted. */
  add(other: DatabaseCounters): void {
    for (const kind of FRAME_KINDS) {
      const tally = this.frames[kind];
      const { received, receivedBytes, relayed, relayedBytes } = other.frames[kind];
      tally.received += received;
      tally.receivedBytes += receivedBytes;
      tally.relayed += relayed;
      tally.relayedBytes += relayedBytes;
    }
    this.sent += other.sent;
    this.sentBytes += other.sentBytes;
    this.lockWait.add(other.lockWait);
    this.lockHold.add(other.lockHold);
    this.recoveredLocks += other.recoveredLocks;
    this.reconnects += other.reconnects;
    this.resumedSessions += other.resumedSessions;
    this.droppedMail += other.droppedMail;
  }

  /** The frames of all kinds together. */
  get received(): { readonly frames: number; readonly bytes: number } {
    let frames = 0;
    let bytes = 0;
    for (const kind of FRAME_KINDS) {
      frames += this.frames[kind].received;
      bytes += this.frames[kind].receivedBytes;
    }
    return { frames, bytes };
  }
}

/** The upper ends of the classes into which durations are counted, in milliseconds. */
export const DURATION_BOUNDS_MS = [
  1, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 120_000,
] as const;

/** How long something took, each time: counted in classes, so that it takes the same room for ever. */
export class DurationTally {
  /** How many fell into each class, and, last, how many were longer than all. */
  readonly classes: number[] = new Array<number>(DURATION_BOUNDS_MS.length + 1).fill(0);
  count = 0;
  /** All together, in milliseconds. */
  sum = 0;

  /** Something took so many milliseconds. */
  observe(milliseconds: number): void {
    let index = 0;
    while (index < DURATION_BOUNDS_MS.length && milliseconds > (DURATION_BOUNDS_MS[index] ?? 0)) index++;
    this.classes[index] = (this.classes[index] ?? 0) + 1;
    this.count++;
    this.sum += milliseconds;
  }

  /** Counts what another one has counted. */
  add(other: DurationTally): void {
    for (const [index, count] of other.classes.entries()) {
      this.classes[index] = (this.classes[index] ?? 0) + count;
    }
    this.count += other.count;
    this.sum += other.sum;
  }
}
