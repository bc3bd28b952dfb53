import { setTimeout as delay } from 'node:timers/promises';
import { eventually } from '../../support/waiting.js';
import { childFaults, type Fault } from './faults.js';
import type { Member } from './member.js';

/** Whom faults strike. */
export interface Victims {
  master: Member;
  readonly workers: readonly Member[];
  /** The process of the master that the server runs itself, the last one that it started. */
  readonly childPid: number;
  /** Ends the server with SIGKILL, and starts another one after so many milliseconds. */
  killServer(milliseconds: number): Promise<void>;
  /** A second master, as an orchestrator starts it that has lost sight of the first; `undefined` if there is to be none. */
  startStandIn(): Promise<Member> | undefined;
  /** Something went wrong. */
  complain(reason: string): void;
}

/** Milliseconds within which it is clear who the master is. */
const settledWithinMs = 120_000;
/** Milliseconds within which a process that was replaced has ended. */
const retiredWithinMs = 60_000;

/** Strikes members of a cluster, one fault at a time. */
export class Striker {
  readonly #victims: Victims;
  readonly #stopped = new Set<number>();

  constructor(victims: Victims) {
    this.#victims = victims;
  }

  /** Whom a fault strikes; `undefined` if it is nobody of the cluster. */
  memberOf({ kind, worker }: Fault): Member | undefined {
    if (kind === 'kill-server' || childFaults.includes(kind)) return undefined;
    return kind.endsWith('-master') ? this.#victims.master : this.#victims.workers[worker];
  }

  /** Resolves when the fault is over. */
  async apply(fault: Fault): Promise<void> {
    const { kind, durationMs, noticed } = fault;
    const member = this.memberOf(fault);
    if (member === undefined) return this.#strikeServer(fault);
    const { line } = member;
    const part = async () => {
      line.part(noticed);
      await delay(durationMs);
      line.heal();
    };
    switch (kind) {
      case 'kill-worker':
      case 'kill-master':
        return member.kill();
      case 'cut-worker':
      case 'cut-master':
        return line.cut();
      case 'drop-worker':
        line.drop();
        await delay(100);
        return line.cut();
      case 'stall-worker':
        line.stall();
        await delay(durationMs);
        return line.resume();
      case 'pause-worker':
      case 'pause-master':
      case 'suspend-worker':
        return this.#stop(member.process.pid, durationMs);
      case 'partition-worker':
        return part();
      case 'partition-master':
        return this.#withStandIn(member, part);
      case 'suspend-master':
        return this.#withStandIn(member, () => this.#stop(member.process.pid, durationMs));
      case 'kill-server':
      case 'kill-child':
      case 'stop-child':
      case 'kill-both':
      case 'orphan-child':
        return undefined;
    }
  }

  /** Strikes the server, and the master that it runs itself. */
  async #strikeServer({ kind, durationMs }: Fault): Promise<void> {
    const victims = this.#victims;
    const outage = Math.min(durationMs, 3_000) / 3;
    if (kind === 'kill-server') return victims.killServer(outage);
    const pid = victims.childPid;
    if (kind === 'stop-child') return this.#stop(pid, durationMs);
    if (kind !== 'orphan-child') {
      signal(pid, 'SIGKILL');
      return kind === 'kill-both' ? victims.killServer(outage) : undefined;
    }
    // It has to be ended by the next server, or else when all is over.
    this.#stopped.add(pid);
    signal(pid, 'SIGSTOP');
    return victims.killServer(outage);
  }

  /** Nobody is stopped any more. */
  end(): void {
    for (const pid of this.#stopped) signal(pid, 'SIGCONT');
  }

  async #stop(pid: number, milliseconds: number): Promise<void> {
    this.#stopped.add(pid);
    signal(pid, 'SIGSTOP');
    await delay(milliseconds);
    signal(pid, 'SIGCONT');
    this.#stopped.delete(pid);
  }

  /** While the master is out of reach another one wants its place; when that is over, one of them has it. */
  async #withStandIn(master: Member, fault: () => Promise<void>): Promise<void> {
    const standIn = await this.#victims.startStandIn();
    await fault();
    if (standIn === undefined) return;
    const winner = await firstToServe(master, standIn);
    if (winner === undefined) {
      const seen = [master, standIn].map(({ process }) => process.describe()).join('\n');
      this.#victims.complain(`there is no master within ${settledWithinMs} ms: ${seen}`.slice(0, 2000));
    }
    if (winner !== standIn) return standIn.end();
    this.#victims.master = standIn;
    const reason = await master.retire(retiredWithinMs);
    if (reason !== undefined) this.#victims.complain(reason);
  }
}

/** Which of them is the master: has its place again, and reads what is in the file, or has got the place. */
async function firstToServe(master: Member, standIn: Member): Promise<Member | undefined> {
  let winner: Member | undefined;
  const attempt = async (member: Member, serves: () => Promise<unknown>) => {
    const giveUpAt = performance.now() + settledWithinMs;
    while (winner === undefined && performance.now() < giveUpAt) {
      try {
        await serves();
        winner ??= member;
      } catch {
        // Its process has ended, or is refused; another one follows.
        await delay(50);
      }
    }
  };
  await Promise.race([
    Promise.all([
      attempt(master, () => master.process.get('counter')),
      attempt(standIn, () => standIn.ready()),
    ]),
    eventually(() => winner, { timeout: settledWithinMs }).catch(() => undefined),
  ]);
  return winner;
}

/** A process that has ended meanwhile needs no signal any more. */
function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {}
}
