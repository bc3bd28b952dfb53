import { describe, expect, it } from 'vitest';
import type { IPCLock, LockDetails, LockInfo } from '../../../src/client/core/host.js';
import { MasterTurn } from '../../../src/client/core/master-turn.js';
import { promisesSettle, VirtualClock } from '../../support/virtual-clock.js';

const READER_DELAY_MS = 100;

/** A master whose locks are granted when a test says so. */
class Lab {
  readonly clock = new VirtualClock();
  readonly locks: LockInfo[] = [];
  readonly said: string[] = [];
  isAskedFor = true;
  readonly #ofWorkers = new Set<LockDetails>();
  readonly #grants = new Map<string, () => void>();
  readonly turn = new MasterTurn({
    ipc: { _locks: this.locks },
    clock: this.clock,
    isOfWorker: (request) => this.#ofWorkers.has(request),
    isAskedFor: () => this.isAskedFor,
    say: (word) => this.said.push(word),
  });

  /** A transaction of the master asks for a lock. */
  own(tid: string, write: boolean): Promise<IPCLock> {
    const details = { path: '', tid, write };
    return this.turn.own(details, () => this.#ask(details));
  }

  /** The server asks for the lock of all workers. */
  ofWorkers(tid: string, write: boolean): Promise<IPCLock> {
    const details = { path: '', tid, write };
    this.#ofWorkers.add(details);
    return this.turn.ofWorkers(() => this.#ask(details));
  }

  /** What was asked of AceBase, in this order. */
  get asked(): (string | number)[] {
    return this.locks.map(({ tid }) => tid);
  }

  async grant(tid: string): Promise<void> {
    this.#grants.get(tid)?.();
    await promisesSettle();
  }

  #ask(request: LockDetails): Promise<IPCLock> {
    const info: LockInfo = { tid: request.tid, granted: false, request, lock: null };
    this.locks.push(info);
    return new Promise((resolve) => {
      this.#grants.set(String(request.tid), () => {
        info.granted = true;
        resolve({} as IPCLock);
      });
    });
  }
}

describe('the wish of a master for its turn [PROTOCOL-14.10]', () => {
  it('is told when a transaction waits for the lock of the workers, and when none does any more', async () => {
    const lab = new Lab();
    void lab.ofWorkers('root', true);
    await lab.grant('root');
    for (const tid of ['a', 'b']) void lab.own(tid, true);
    await promisesSettle();
    expect(lab.said).toEqual(['turn:wanted']);
    await lab.grant('a');
    expect(lab.said).toEqual(['turn:wanted']);
    await lab.grant('b');
    expect(lab.said).toEqual(['turn:wanted', 'turn:over']);
  });

  it('is told when that lock is granted while a transaction waits', async () => {
    const lab = new Lab();
    void lab.own('a', true);
    await promisesSettle();
    expect(lab.said).toEqual([]);
    void lab.ofWorkers('root', false);
    await lab.grant('root');
    expect(lab.said).toEqual(['turn:wanted']);
  });

  it('is not told if a lock is granted at once, nor to a server that does not want to know', async () => {
    const lab = new Lab();
    void lab.ofWorkers('root', false);
    await lab.grant('root');
    void lab.own('a', false);
    await lab.grant('a');
    lab.isAskedFor = false;
    void lab.own('b', true);
    await promisesSettle();
    expect(lab.said).toEqual([]);
  });

  it('is told again to a new server', async () => {
    const lab = new Lab();
    void lab.ofWorkers('root', true);
    await lab.grant('root');
    void lab.own('a', true);
    await promisesSettle();
    lab.turn.serverIsNew();
    expect(lab.said).toEqual(['turn:wanted', 'turn:wanted']);
  });
});

describe('a transaction of a master that wants to read while workers wait to write', () => {
  const scene = async () => {
    const lab = new Lab();
    void lab.own('scan', false);
    await lab.grant('scan');
    return lab;
  };

  it('waits for them; what is part of what is read already does not', async () => {
    const lab = await scene();
    void lab.ofWorkers('root', true);
    void lab.own('part', false);
    expect(lab.asked).toEqual(['scan', 'root', 'part']);
    lab.locks.shift();
    await lab.grant('part');
    void lab.own('part', false);
    void lab.own('next', false);
    expect(lab.asked).toEqual(['root', 'part', 'part']);
    await lab.grant('root');
    expect(lab.asked).toEqual(['root', 'part', 'part', 'next']);
    expect(lab.clock.pending).toBe(0);
  });

  it('waits for a while only, which a transaction of this master may be waiting for', async () => {
    const lab = new Lab();
    void lab.ofWorkers('root', true);
    void lab.own('a', false);
    lab.clock.advance(READER_DELAY_MS - 1);
    await promisesSettle();
    expect(lab.asked).toEqual(['root']);
    lab.clock.advance(1);
    await promisesSettle();
    expect(lab.asked).toEqual(['root', 'a']);
  });

  it('does not wait if they only want to read', () => {
    const lab = new Lab();
    void lab.ofWorkers('root', false);
    void lab.own('a', false);
    expect(lab.asked).toEqual(['root', 'a']);
  });
});
