import type { Cancel } from '../../../src/broker/ports.js';
import type { World } from '../world.js';

/**
 * One modelled process: it may be stopped for a while (SIGSTOP), as which it does nothing and misses nothing, and it may
 * die, as which everything that it was about to do is undone.
 */
export abstract class ModelProcess {
  isAlive = true;
  /** When it was stopped; `undefined` while it runs. */
  pausedAt: number | undefined;
  /** When it last went on after it had been stopped. */
  resumedAt: number | undefined;
  /** Until when it reaches no server. */
  unreachableUntil = 0;
  /** How much faster its clock is than that of the run: 1 if it is as fast. */
  readonly clockRate: number;
  /** For how long its machine was suspended, in all: no clock of it has gone on, and no timer. */
  #suspendedFor = 0;
  readonly #parked: (() => void)[] = [];
  #diskFreeAt = 0;

  constructor(
    readonly world: World,
    readonly name: string,
  ) {
    // From its number: what is drawn by others stays the same.
    const steps = (Number(name.slice(1)) * 7) % 11;
    this.clockRate = 1 + (world.plan.clockDrift * (steps - 5)) / 5;
    this.note(() => 'starts');
  }

  /** Monotonic milliseconds, by the clock of its machine. */
  now(): number {
    return (this.world.clock.now() - this.#suspendedFor) * this.clockRate;
  }

  /** Does something later, if it lives then. */
  after(milliseconds: number, act: () => void): Cancel {
    const { clock } = this.world;
    let suspendedFor = this.#suspendedFor;
    const due = (): void => {
      const missed = this.#suspendedFor - suspendedFor;
      suspendedFor = this.#suspendedFor;
      if (missed === 0) this.act(act);
      else cancel = clock.schedule(missed, due);
    };
    let cancel = clock.schedule(milliseconds, due);
    return () => cancel();
  }

  /** Does something now; if it is stopped, when it goes on; if it is dead, never. */
  act(act: () => void): void {
    if (!this.isAlive) return;
    if (this.pausedAt === undefined) act();
    else this.#parked.push(act);
  }

  /** Reads or writes the file: what it does to the disk, it does in order. @param _fail is called if it may not */
  disk(act: () => void, _fail?: (error: Error) => void): void {
    const { clock, random, plan } = this.world;
    const latency = random.fraction() * plan.diskLatency;
    this.#diskFreeAt = Math.max(this.#diskFreeAt, clock.now() + latency);
    this.after(this.#diskFreeAt - clock.now(), act);
  }

  pause(milliseconds: number): void {
    if (!this.isAlive || this.pausedAt !== undefined) return;
    this.note(() => `is stopped for ${Math.round(milliseconds)} ms`);
    this.pausedAt = this.world.clock.now();
    this.world.clock.schedule(milliseconds, () => this.#resume());
  }

  /** Its machine is suspended: as `pause`, and its clock stands still meanwhile. */
  suspend(milliseconds: number): void {
    if (!this.isAlive || this.pausedAt !== undefined) return;
    this.pause(milliseconds);
    this.#suspendedFor += milliseconds;
  }

  /** Ends it. @param cause why, for people */
  die(cause: string): void {
    if (!this.isAlive) return;
    this.note(() => `ends: ${cause}`);
    this.isAlive = false;
    this.#parked.length = 0;
    this.ended();
    this.world.processEnded(this);
  }

  note(text: () => string): void {
    this.world.history.note(() => `${this.name} ${text()}`);
  }

  /** It has ended: its connection goes, and nothing else of it is left. */
  protected abstract ended(): void;

  #resume(): void {
    if (!this.isAlive) return;
    this.note(() => 'goes on');
    this.pausedAt = undefined;
    this.resumedAt = this.world.clock.now();
    for (const act of this.#parked.splice(0)) this.act(act);
  }
}
