import type { Link, Visitor } from '../../src/broker/ports.js';
import type { ClosureCode } from '../../src/errors.js';
import type { StockPeer } from './model/stock-peer.js';
import type { Server } from './server.js';
import type { World } from './world.js';

/** Bytes that the systems at both ends take before the server notices that nobody reads. */
const SOCKET_BUFFER_BYTES = 2_000;

/** How a line breaks. */
export interface Breakage {
  /** Milliseconds until the server notices; `undefined`: only its heartbeat will. */
  readonly serverAfter: number | undefined;
  /** Milliseconds until the process notices; `undefined`: only its own timer will. */
  readonly processAfter: number | undefined;
}

/**
 * One connection between a modelled process and the real broker: bytes arrive in order, later than they were sent; a line
 * may stall, and then nothing arrives for a while; it may break, and then nothing arrives any more.
 */
export class Line implements Link {
  readonly #world: World;
  readonly #process: StockPeer;
  readonly #visitor: Visitor;
  readonly #server: Server;
  #isBroken = false;
  #hasLeft = false;
  #isClosedByServer = false;
  #stalledUntil = 0;
  #lastUp = 0;
  #lastDown = 0;
  #undelivered = 0;
  /** What is to be told of each thing that was said and has not arrived, if the line breaks. */
  readonly #underWay = new Set<() => void>();

  constructor(world: World, process: StockPeer, visitor: Visitor) {
    this.#world = world;
    this.#process = process;
    this.#visitor = visitor;
    this.#server = world.server;
    this.#server.lines.add(this);
    this.#toProcess(() => process.opened(this));
  }

  /** Counts what arrives at the server. */
  bytesReceived = 0;

  /** What waits at the server because the other end does not read. */
  get bufferedBytes(): number {
    return Math.max(this.#undelivered - SOCKET_BUFFER_BYTES, 0);
  }

  /** For people alone; nothing is decided by it. */
  get roundTrip(): undefined {
    return undefined;
  }

  send(payload: Uint8Array): void {
    this.#world.checks.buffers(this.#process, this.bufferedBytes, payload.length);
    // All that is said in the model is ASCII.
    const text = Buffer.from(payload.buffer, payload.byteOffset, payload.length).toString('latin1');
    this.#undelivered += payload.length;
    this.#toProcess(() => {
      this.#undelivered -= payload.length;
      if (this.#process.line === this) this.#process.hear(text);
    });
  }

  ping(token: number): void {
    this.#toProcess(() => {
      this.#process.feelsPing(this);
      this.#toServer(() => this.#visitor.acknowledge(token));
    });
  }

  close(code: ClosureCode): void {
    this.#isClosedByServer = true;
    this.#world.history.note(() => `server closes the line of ${this.#process.name}: ${code}`);
    this.#toProcess(() => {
      this.#process.lineClosed(this);
      this.#toServer(() => this.#left('closed by the server'));
    });
    // Nobody answers the close frame: the server ends the connection by itself.
    this.#world.clock.schedule(2_000, () => this.#left('did not answer the close frame'));
  }

  /** The process says something. */
  say(text: string): void {
    const bytes = Buffer.from(text, 'latin1');
    const arrive = (): void => {
      // What comes on a line that was replaced is not heard; it came again on the other one.
      if (!this.#isClosedByServer) this.#world.checks.reaches(text);
      this.#visitor.receive(bytes);
    };
    this.#toServer(arrive, () => this.#world.checks.lostOnTheWay(text));
  }

  /** The process asks whether the other end is there; the system of the server answers, not the broker. */
  pingServer(ponged: () => void = () => undefined): void {
    const answer = (): void => {
      if (this.#process.line !== this) return;
      this.#process.feelsPing(this);
      ponged();
    };
    this.#toServer(() => this.#toProcess(answer));
  }

  /** The process ends the line, and lives on. */
  hangUp(): void {
    if (!this.#isBroken) this.#toServer(() => this.#left('the process hung up'));
  }

  /** The process says that it closes the line, and hears on until the server has read that. @param closed it is over */
  closeFromProcess(closed: () => void): void {
    if (this.#isBroken) return;
    const answer = (): void => {
      this.#left('closed by the process');
      this.#toProcess(closed);
    };
    this.#toServer(answer, () => void this.#world.clock.schedule(0, closed));
  }

  /** Nothing arrives for a while, at neither end; then all of it. */
  stall(milliseconds: number): void {
    this.#stalledUntil = this.#world.clock.now() + milliseconds;
  }

  /** The line breaks: what is under way is lost. */
  break({ serverAfter, processAfter }: Breakage): void {
    this.#isBroken = true;
    for (const lost of this.#underWay) lost();
    this.#underWay.clear();
    const { clock } = this.#world;
    if (serverAfter !== undefined) clock.schedule(serverAfter, () => this.#left('the line broke'));
    if (processAfter !== undefined) {
      clock.schedule(processAfter, () => this.#process.act(() => this.#process.lineClosed(this)));
    }
  }

  /** The process has ended; what it had sent arrives, mostly. */
  processDied(): void {
    if (this.#isBroken) return;
    if (this.#world.random.chance(0.1)) {
      // The system resets the connection, since there was something left to read.
      this.break({ serverAfter: 0.1, processAfter: undefined });
    } else this.#toServer(() => this.#left('the process ended'));
  }

  #left(cause: string): void {
    if (this.#hasLeft || !this.#server.isUp) return;
    this.#hasLeft = true;
    this.#server.lines.delete(this);
    this.#visitor.left(cause);
  }

  #toProcess(deliver: () => void): void {
    this.#lastDown = this.#arrival(this.#lastDown);
    this.#world.clock.schedule(this.#lastDown - this.#world.clock.now(), () => {
      if (!this.#isBroken) this.#process.act(deliver);
    });
  }

  #toServer(deliver: () => void, lost: () => void = () => undefined): void {
    this.#lastUp = this.#arrival(this.#lastUp);
    if (this.#isBroken) {
      lost();
      return;
    }
    this.#underWay.add(lost);
    this.#world.clock.schedule(this.#lastUp - this.#world.clock.now(), () => {
      if (!this.#underWay.delete(lost)) return;
      this.bytesReceived += 1;
      if (this.#hasLeft || !this.#server.isUp) lost();
      else deliver();
    });
  }

  #arrival(last: number): number {
    const { clock, random, plan } = this.#world;
    const latency = random.chance(plan.delayChance)
      ? random.fraction() * plan.longDelay
      : 0.1 + random.fraction() * 2;
    // A little later each time: what is due at one moment need not be called in order, by the rounding of sums.
    return Math.max(last + 1e-6, clock.now() + latency, this.#stalledUntil + 0.1);
  }
}
