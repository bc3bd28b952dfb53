import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { type GrantHold, LockManager } from '../../../src/broker/locks/lock-manager.js';
import type { Lock, LockRequest } from '../../../src/broker/locks/lock-table.js';
import { MAX_ROOT_AGE_MS, REFUSAL_MS, RootLock } from '../../../src/broker/locks/root-lock.js';
import type { Peer } from '../../../src/broker/peers/peer.js';
import { ServerRequests } from '../../../src/broker/server-requests.js';
import { decode, encode } from '../../../src/protocol/frames.js';
import { lockRequest } from '../../support/lock-request.js';
import { VirtualClock } from '../../support/virtual-clock.js';

const TURN = 25;
const LINGER = 5;
const LINGER_IF_TOLD = 1_000;
const DELAY = 100;
const SLICE_WAIT = 10;
const TIMEOUT = 120_000;

/** What the master was asked. */
interface RootRequest {
  readonly id: string;
  readonly tid: string;
  readonly isWrite: boolean;
}

/** A lock manager whose master answers when it is told to, or at once. */
class Lab {
  readonly clock = new VirtualClock();
  /** What the master was asked and has not answered, and what it has granted. */
  asked: RootRequest[] = [];
  readonly atMaster = new Map<number, RootRequest>();
  readonly granted: { readonly request: LockRequest; readonly lock: Lock }[] = [];
  readonly refused: LockRequest[] = [];
  readonly expired: Lock[] = [];
  answersAtOnce = true;
  readonly tids: string[] = [];
  /** Locks of which the holder is told that others want them. */
  readonly slicesOver: Lock[] = [];
  readonly root: RootLock;
  readonly manager: LockManager;
  readonly #asked = new ServerRequests(1);
  #master: Peer = undefined as unknown as Peer;
  #lastLockId = 0;
  #hold: GrantHold | undefined;

  constructor(canSay = false) {
    this.root = new RootLock({
      clock: this.clock,
      limits: { lockTimeout: TIMEOUT, reconnectGrace: 11_000 },
      startedAt: 0,
      incidents: { record: () => undefined },
      delivery: {
        send: (_master, message) => {
          const { type, id, data } = JSON.parse(decode(message));
          if (type === 'unlock-request') {
            expect(this.atMaster.delete(data.id)).toBe(true);
            return;
          }
          this.asked.push({ id, tid: data.tid, isWrite: data.write });
          this.tids.push(data.tid);
        },
      },
      asked: this.#asked,
      answered: () => this.manager.rootChanged(),
      masterIsStuck: () => expect.unreachable(),
    });
    this.manager = new LockManager(
      {
        clock: this.clock,
        root: this.root,
        limits: { lockTimeout: TIMEOUT, readerDelay: DELAY },
        firstId: 1,
      },
      {
        granted: (request, lock) => {
          expect(this.root.covers(request.isWrite)).toBe(true);
          this.granted.push({ request, lock });
        },
        refused: (request) => this.refused.push(request),
        expired: (lock) => this.expired.push(lock),
        sliceIsOver: (lock) => this.slicesOver.push(lock),
        hold: () => this.#hold,
      },
    );
    this.connectMaster(canSay);
  }

  /** @param canSay whether it says when it wants its turn */
  connectMaster(canSay: boolean): void {
    const client = { session: canSay ? {} : undefined, can: () => canSay };
    this.#master = { ...client, whenRead: () => () => undefined } as unknown as Peer;
    this.root.masterConnected(this.#master);
  }

  /** Something holds transactions back from now on, or nothing does. */
  holdBack(hold: GrantHold | undefined): void {
    this.#hold = hold;
    this.manager.settle();
  }

  /** The master says whether it wants its turn. */
  wantsTurn(isWanted: boolean): void {
    const since = this.#master.wantsTurnSince ?? this.clock.now();
    this.#master.wantsTurnSince = isWanted ? since : undefined;
    this.manager.review();
  }

  peer(id: string): Peer {
    return { id } as Peer;
  }

  ask(requester: Peer, tid: string, isWrite: boolean): LockRequest {
    const request = lockRequest(requester, tid, isWrite, this.clock.now());
    this.manager.request(request);
    if (this.answersAtOnce) this.answer();
    return request;
  }

  /** The master answers what it was asked, and what it is asked in turn. */
  answer(): void {
    for (let next = this.asked.shift(); next !== undefined; next = this.asked.shift()) {
      const lockId = ++this.#lastLockId;
      this.atMaster.set(lockId, next);
      const data = { id: lockId, expires: 1_000_000 + this.clock.now() + TIMEOUT };
      const message = encode(JSON.stringify({ data }));
      expect(this.#asked.answered(this.#master, { id: next.id, lockId }, message)).toBe(true);
    }
  }

  /** The master refuses what it was asked last. */
  refuse(): void {
    const [{ id } = { id: '' }] = this.asked.splice(0);
    expect(this.#asked.answered(this.#master, { id, lockId: undefined }, encode('{}'))).toBe(true);
  }

  /** The lock that a request was granted; fails if it was not. */
  lockOf(request: LockRequest): Lock {
    const found = this.granted.find((each) => each.request === request);
    if (found === undefined) throw new Error(`${request.tid} was granted nothing`);
    return found.lock;
  }

  isGranted(request: LockRequest): boolean {
    return this.granted.some((each) => each.request === request);
  }

  release(request: LockRequest): void {
    const { holder, id } = this.lockOf(request);
    this.giveBack(holder, id);
    if (this.answersAtOnce) this.answer();
  }

  giveBack(holder: Peer, id: number): void {
    const lock = this.manager.table.find(holder, id);
    if (lock === undefined) throw new Error(`there is no lock ${id}`);
    this.manager.release(lock);
  }

  pass(milliseconds: number): void {
    for (let rest = milliseconds; rest > 0; rest -= 5) {
      this.clock.advance(Math.min(rest, 5));
      if (this.answersAtOnce) this.answer();
    }
  }
}

let lab: Lab;
let one: Peer;
let two: Peer;

beforeEach(() => {
  lab = new Lab();
  one = lab.peer('one');
  two = lab.peer('two');
});

describe('the root lock', () => {
  it('is asked for when a worker asks, for reading or for writing, and goes back when nobody has needed it for a moment', () => {
    for (const isWrite of [false, true]) {
      const request = lab.ask(one, 'a', isWrite);
      expect([...lab.atMaster.values()].map((root) => root.isWrite)).toEqual([isWrite]);
      lab.release(request);
      lab.pass(LINGER - 1);
      expect(lab.atMaster.size).toBe(1);
      lab.pass(1);
      expect(lab.atMaster.size).toBe(0);
    }
    expect(lab.clock.pending).toBe(0);
  });

  it('stays for the next lock that is asked for at once, and no longer than its turn', () => {
    const begun = lab.clock.now();
    while (lab.atMaster.size === 1 || lab.clock.now() === begun) {
      lab.release(lab.ask(one, 'a', true));
      lab.pass(LINGER - 1);
    }
    expect(lab.clock.now() - begun).toBeLessThanOrEqual(TURN + LINGER);
    expect(lab.tids).toHaveLength(1);
  });

  it('stays where the master says when it wants it, until it does', () => {
    lab = new Lab(true);
    lab.release(lab.ask(one, 'a', true));
    lab.pass(LINGER_IF_TOLD - 1);
    expect(lab.atMaster.size).toBe(1);
    lab.wantsTurn(true);
    expect(lab.atMaster.size).toBe(0);
  });

  it('goes back some time after the last worker has needed it: a server that is gone keeps the master from its own transactions', () => {
    lab = new Lab(true);
    lab.release(lab.ask(one, 'a', true));
    lab.pass(LINGER_IF_TOLD);
    expect(lab.atMaster.size).toBe(0);
  });

  it('is there before anything is granted', () => {
    lab.answersAtOnce = false;
    const read = lab.ask(one, 'a', false);
    expect(lab.isGranted(read)).toBe(false);
    lab.answer();
    expect(lab.isGranted(read)).toBe(true);
  });

  it('has a new transaction each time, but for an upgrade', () => {
    for (const tid of ['a', 'b']) {
      lab.release(lab.ask(one, tid, true));
      lab.pass(LINGER);
    }
    const read = lab.ask(one, 'c', false);
    const write = lab.ask(one, 'c', true);
    expect(lab.isGranted(write)).toBe(true);
    const [first, second, third, fourth] = lab.tids;
    expect(new Set([first, second, third]).size).toBe(3);
    expect(fourth).toBe(third);
    lab.release(write);
    lab.release(read);
    lab.pass(LINGER);
    expect(lab.atMaster.size).toBe(0);
  });

  it('goes back before it is asked for in the other kind', () => {
    const reads = [lab.ask(one, 'a', false), lab.ask(two, 'b', false)];
    const write = lab.ask(two, 'c', true);
    expect(lab.isGranted(write)).toBe(false);
    for (const read of reads) lab.release(read);
    expect(lab.isGranted(write)).toBe(true);
    expect([...lab.atMaster.values()].map(({ isWrite }) => isWrite)).toEqual([true]);
  });

  it('of a master that is gone is asked for again at the next one, and locks stay what they are', () => {
    const held = lab.ask(one, 'a', true);
    lab.root.masterLeft();
    lab.atMaster.clear();
    lab.manager.rootChanged();
    const further = lab.ask(one, 'a', true);
    const other = lab.ask(two, 'b', false);
    expect(lab.isGranted(further)).toBe(false);
    lab.connectMaster(false);
    lab.manager.review();
    lab.answer();
    expect(lab.isGranted(further)).toBe(true);
    expect(lab.isGranted(other)).toBe(false);
    lab.release(further);
    lab.release(held);
    expect(lab.isGranted(other)).toBe(true);
  });

  it('is not used if the master may have let it expire while the answer was on its way', () => {
    lab.answersAtOnce = false;
    const request = lab.ask(one, 'a', true);
    lab.clock.advance(TIMEOUT);
    const [asked] = lab.asked;
    lab.answer();
    expect(lab.isGranted(request)).toBe(true);
    const [held] = [...lab.atMaster.values()];
    expect([asked?.tid, held?.tid]).toEqual(['[server]1-root1', '[server]1-root2']);
  });

  it('is not asked for again at a master that refuses it, since it exits', () => {
    lab.answersAtOnce = false;
    const read = lab.ask(one, 'a', false);
    lab.refuse();
    expect(lab.asked).toEqual([]);
    expect(lab.manager.reasonFor(read)).toBe('no master');
  });

  it('is asked for again some time after it was refused: that may have been for the transaction in whose name it was asked', () => {
    lab.answersAtOnce = false;
    const read = lab.ask(one, 'a', false);
    lab.refuse();
    lab.clock.advance(REFUSAL_MS - 1);
    expect(lab.asked).toEqual([]);
    lab.clock.advance(1);
    expect(lab.asked).toHaveLength(1);
    lab.answer();
    expect(lab.isGranted(read)).toBe(true);
  });
});

describe('the turn of the master', () => {
  it('comes after a while for one that cannot say that it wants it, before who holds nothing is served', () => {
    const held = lab.ask(one, 'a', true);
    lab.pass(TURN);
    const [nested, other] = [lab.ask(one, 'a', false), lab.ask(two, 'b', true)];
    expect(lab.isGranted(nested)).toBe(true);
    lab.answersAtOnce = false;
    for (const request of [held, nested]) lab.release(request);
    // Given back, and asked for again behind whatever the master itself wants.
    expect(lab.atMaster.size).toBe(0);
    expect(lab.isGranted(other)).toBe(false);
    lab.answer();
    expect(lab.isGranted(other)).toBe(true);
  });

  it('does not wait for one that can say so and does not want it', () => {
    lab = new Lab(true);
    const held = lab.ask(one, 'a', false);
    lab.pass(10 * TURN);
    expect(lab.isGranted(lab.ask(two, 'b', false))).toBe(true);
    lab.wantsTurn(true);
    const next = lab.ask(two, 'c', false);
    expect([held, next].map((it) => lab.isGranted(it))).toEqual([true, false]);
  });

  it('lets workers have theirs between those of one that wants it all the time', () => {
    lab = new Lab(true);
    lab.wantsTurn(true);
    const first = lab.ask(one, 'a', true);
    lab.pass(TURN - 1);
    lab.release(first);
    // Nobody else needed it, and so it went back at once; the next ones have a turn of their own.
    expect(lab.atMaster.size).toBe(0);
    const second = lab.ask(one, 'b', true);
    const waiting = lab.ask(two, 'c', true);
    lab.pass(TURN - 1);
    lab.release(second);
    expect(lab.isGranted(waiting)).toBe(true);
    lab.pass(1);
    const kept = lab.ask(one, 'd', true);
    lab.answersAtOnce = false;
    lab.release(waiting);
    expect([lab.atMaster.size, lab.isGranted(kept)]).toEqual([0, false]);
    lab.wantsTurn(false);
    lab.answer();
    expect(lab.isGranted(kept)).toBe(true);
  });

  it('keeps nobody back from reading beside others that read: a scan asks so for its parts', () => {
    lab.ask(one, 'scan', false);
    lab.pass(2 * TURN);
    for (let part = 0; part < 50; part++) {
      const read = lab.ask(one, `part${part}`, false);
      expect(lab.isGranted(read)).toBe(true);
      lab.release(read);
    }
  });

  it('comes between those who read without a pause, each before the other has ended; parts of what was read before go on', () => {
    const scan = lab.ask(one, 'scan', false);
    const read = lab.ask(two, 'read0', false);
    lab.pass(TURN);
    // Those of the other worker are kept back, and do not stand in the way of the parts.
    const next = lab.ask(lab.peer('three'), 'read1', false);
    const part = lab.ask(one, 'part', false);
    const overlapping = lab.ask(two, 'read2', false);
    expect([next, part, overlapping].map((it) => lab.isGranted(it))).toEqual([false, true, true]);
    lab.release(read);
    const late = lab.ask(two, 'read3', false);
    lab.answersAtOnce = false;
    for (const it of [overlapping, part, scan]) lab.release(it);
    expect([next, late].map((it) => lab.isGranted(it))).toEqual([false, false]);
    expect(lab.atMaster.size).toBe(0);
    lab.answer();
    expect([next, late].map((it) => lab.isGranted(it))).toEqual([true, true]);
  });

  it('keeps a read back for a while only, which the holder may be waiting for', () => {
    lab = new Lab();
    const held = lab.ask(one, 'a', false);
    lab.pass(TURN);
    const write = lab.ask(two, 'b', true);
    const read = lab.ask(one, 'c', false);
    expect(lab.isGranted(read)).toBe(false);
    lab.pass(DELAY);
    expect(lab.isGranted(read)).toBe(true);
    expect(lab.isGranted(write)).toBe(false);
    lab.release(read);
    lab.release(held);
    expect(lab.isGranted(write)).toBe(true);
  });

  it('comes at the latest when the root lock is old: only who holds a lock is served under it', () => {
    const held = lab.ask(one, 'a', false);
    lab.pass(MAX_ROOT_AGE_MS);
    const other = lab.ask(two, 'b', false);
    lab.pass(10 * DELAY);
    expect(lab.isGranted(other)).toBe(false);
    expect(lab.isGranted(lab.ask(one, 'a', false))).toBe(true);
    lab.release(lab.granted.at(-1)?.request as LockRequest);
    lab.release(held);
    expect(lab.isGranted(other)).toBe(true);
  });
});

describe('a scan under a root lock that is old', () => {
  // AceBase holds its lock until all its parts were read, which ask under other transactions: the whole cluster stood still until that lock expired.
  it('goes on: its parts are read, and what others ask for waits', () => {
    const scan = lab.ask(one, 'scan', false);
    lab.pass(MAX_ROOT_AGE_MS);
    const other = lab.ask(two, 'b', false);
    const part = lab.ask(one, 'part', false);
    expect([lab.isGranted(part), lab.isGranted(other)]).toEqual([true, false]);
    lab.release(scan);
    // What it read then besides comes to an end with that.
    const next = lab.ask(one, 'next', false);
    expect([lab.isGranted(next), lab.isGranted(other)]).toEqual([false, false]);
    lab.release(part);
    expect([lab.isGranted(next), lab.isGranted(other)]).toEqual([true, true]);
  });

  it('goes on also where its parts wait behind others when that becomes old', () => {
    const scan = lab.ask(one, 'scan', false);
    lab.pass(MAX_ROOT_AGE_MS - 1);
    const write = lab.ask(two, 'w', true);
    const other = lab.ask(two, 'b', false);
    const part = lab.ask(one, 'part', false);
    expect(lab.isGranted(part)).toBe(false);
    lab.pass(1);
    expect([part, other, write].map((request) => lab.isGranted(request))).toEqual([true, false, false]);
    lab.release(scan);
    lab.release(part);
    expect([write, other].map((request) => lab.isGranted(request)).includes(true)).toBe(true);
  });
});

describe('a slice: a lock for writing that serves several transactions', () => {
  const over = () => lab.slicesOver.map(({ id }) => id);

  it('is over when somebody has waited for a while, to write or to read, and its holder is told once', () => {
    for (const isWrite of [true, false]) {
      lab = new Lab(true);
      const held = lab.ask(one, 'a', true);
      lab.pass(500);
      const next = lab.ask(two, 'b', isWrite);
      lab.pass(SLICE_WAIT - 1);
      expect(over()).toEqual([]);
      lab.pass(1);
      expect(over()).toEqual([lab.lockOf(held).id]);
      lab.pass(1_000);
      lab.ask(two, 'c', true);
      expect(over()).toHaveLength(1);
      lab.release(held);
      expect(lab.isGranted(next)).toBe(true);
    }
  });

  it('is over at once if it is granted while somebody has waited for long already', () => {
    lab = new Lab(true);
    const first = lab.ask(one, 'a', true);
    const second = lab.ask(two, 'b', true);
    lab.ask(one, 'c', true);
    lab.pass(SLICE_WAIT);
    lab.release(first);
    expect(over()).toEqual([lab.lockOf(first).id, lab.lockOf(second).id]);
  });

  it('is not over for a read that is kept back for writers: it would not be served yet', () => {
    lab = new Lab(true);
    const first = lab.ask(one, 'a', true);
    const read = lab.ask(two, 'r', false);
    const second = lab.ask(one, 'b', true);
    lab.pass(SLICE_WAIT - 1);
    lab.release(first);
    const third = lab.ask(one, 'c', true);
    expect([lab.isGranted(read), over()]).toEqual([false, []]);
    lab.pass(SLICE_WAIT - 1);
    expect(over()).toEqual([]);
    lab.pass(1);
    expect(over()).toEqual([lab.lockOf(second).id]);
    lab.pass(DELAY);
    lab.release(second);
    expect([lab.isGranted(read), lab.isGranted(third)]).toEqual([true, false]);
  });

  it('is over when the master is to have its turn, an index is made, or nothing more is to be granted', () => {
    const reasons = [
      () => lab.wantsTurn(true),
      () => lab.manager.keepWritersBack(true),
      () => lab.holdBack('draining'),
    ];
    for (const reason of reasons) {
      lab = new Lab(true);
      lab.ask(one, 'a', true);
      lab.pass(TURN);
      expect(over()).toEqual([]);
      reason();
      expect(over()).toHaveLength(1);
    }
  });

  it('is not spoken of when it was given back, nor where nothing waits', () => {
    lab = new Lab(true);
    lab.release(lab.ask(one, 'a', true));
    lab.ask(one, 'b', false);
    lab.ask(two, 'c', false);
    lab.pass(1_000);
    expect(over()).toEqual([]);
  });
});

describe('locks', () => {
  it('expire: others are served, and their transaction is refused further ones until it lets go', () => {
    const held = lab.ask(one, 'a', true);
    const other = lab.ask(two, 'b', true);
    lab.pass(TIMEOUT);
    expect(lab.expired.map(({ tid }) => tid)).toEqual(['a']);
    expect(lab.isGranted(other)).toBe(true);
    const further = lab.ask(one, 'a', false);
    expect(lab.refused).toEqual([further]);
    lab.release(held);
    lab.release(other);
    expect(lab.isGranted(lab.ask(one, 'a', false))).toBe(true);
  });

  it('of a worker that is gone are free, and what it waited for is forgotten', () => {
    lab.ask(one, 'a', true);
    const waiting = lab.ask(one, 'x', true);
    const other = lab.ask(two, 'b', true);
    const { locks, requests } = lab.manager.remove(one);
    lab.answer();
    expect([locks.length, requests]).toEqual([1, 1]);
    expect(lab.isGranted(other)).toBe(true);
    lab.release(other);
    expect(lab.isGranted(waiting)).toBe(false);
  });

  it('are not granted to a worker that is disconnected, and are when it is back', () => {
    const held = lab.ask(two, 'b', true);
    const waiting = lab.ask(one, 'a', true);
    lab.manager.suspend(one);
    lab.release(held);
    const other = lab.ask(two, 'c', true);
    expect([lab.isGranted(waiting), lab.isGranted(other)]).toEqual([false, true]);
    lab.manager.resume(one);
    lab.release(other);
    expect(lab.isGranted(waiting)).toBe(true);
  });

  it('for writing wait while an index is made, but for who holds one', () => {
    const held = lab.ask(one, 'a', false);
    lab.manager.keepWritersBack(true);
    const other = lab.ask(two, 'b', true);
    const own = lab.ask(one, 'a', true);
    expect(lab.isGranted(own)).toBe(true);
    lab.release(own);
    lab.release(held);
    expect([lab.isGranted(other), lab.manager.reasonFor(other)]).toEqual([false, 'an index is made']);
    expect(lab.isGranted(lab.ask(two, 'c', false))).toBe(true);
    lab.release(lab.granted.at(-1)?.request as LockRequest);
    lab.manager.keepWritersBack(false);
    lab.answer();
    expect(lab.isGranted(other)).toBe(true);
  });

  it('are not granted before those of before a restart are known, but to who has claimed one', () => {
    lab.holdBack('locks of before the restart');
    const waiting = lab.ask(two, 'b', false);
    expect(lab.isGranted(waiting)).toBe(false);
    expect(
      lab.manager.claim({
        id: 77,
        holder: one,
        tid: 'a',
        isWrite: true,
        since: 0,
        message: encode('{}'),
        keptBytes: 0,
      }),
    ).toBe(true);
    lab.answer();
    const further = lab.ask(one, 'a', false);
    expect(lab.isGranted(further)).toBe(true);
    lab.holdBack(undefined);
    expect(lab.isGranted(waiting)).toBe(false);
    lab.release(further);
    lab.giveBack(one, 77);
    lab.answer();
    expect(lab.isGranted(waiting)).toBe(true);
    expect(lab.lockOf(waiting).id).not.toBe(77);
  });
});

it('keeps the rule, and serves everybody in the end, whatever comes in which order', () => {
  const step = fc.record({
    kind: fc.constantFrom(
      'ask' as const,
      'ask' as const,
      'release' as const,
      'release' as const,
      'pass' as const,
      'answer' as const,
      'suspend' as const,
      'resume' as const,
      'leave' as const,
      'master' as const,
      'index' as const,
      'turn' as const,
    ),
    who: fc.nat(2),
    tid: fc.nat(4),
    isWrite: fc.boolean(),
    which: fc.nat(20),
  });
  fc.assert(
    fc.property(fc.boolean(), fc.array(step, { maxLength: 80 }), (canSay, steps) => {
      const random = new Lab(canSay);
      random.answersAtOnce = false;
      const peers = ['one', 'two', 'three'].map((id) => random.peer(id));
      const gone = new Set<Peer>();
      const held = () => random.granted.filter(({ lock }) => lock.state === 'held');
      const requests: LockRequest[] = [];
      for (const { kind, who, tid, isWrite, which } of steps) {
        const peer = peers[who] as Peer;
        if (kind === 'ask' && !gone.has(peer)) requests.push(random.ask(peer, `${who}-${tid}`, isWrite));
        else if (kind === 'release') {
          const lock = held()[which % (held().length || 1)];
          if (lock !== undefined) random.release(lock.request);
        } else if (kind === 'pass') random.pass(which * 10);
        else if (kind === 'answer') random.answer();
        else if (kind === 'suspend') random.manager.suspend(peer);
        else if (kind === 'resume') random.manager.resume(peer);
        else if (kind === 'index') random.manager.keepWritersBack(isWrite);
        else if (kind === 'leave' && which === 0) {
          gone.add(peer);
          random.manager.remove(peer);
        } else if (kind === 'turn') random.wantsTurn(isWrite);
        else if (kind === 'master') {
          random.asked = [];
          random.atMaster.clear();
          random.root.masterLeft();
          random.manager.rootChanged();
          random.connectMaster(canSay);
          random.manager.review();
        }
        for (const a of held()) {
          for (const b of held()) {
            if (a.lock.tid !== b.lock.tid) expect(a.lock.isWrite || b.lock.isWrite).toBe(false);
          }
        }
      }
      random.answersAtOnce = true;
      for (const peer of peers) random.manager.resume(peer);
      random.manager.keepWritersBack(false);
      // Everybody does what it wants to do, and lets go; a transaction that waits for itself does so, too.
      for (let round = 0; round < 500; round++) {
        random.answer();
        const [next] = held();
        if (next !== undefined) random.release(next.request);
        else random.pass(DELAY);
        if (random.manager.queue.size === 0 && held().length === 0) break;
      }
      const unserved = requests.filter(
        (request) =>
          !random.isGranted(request) && !random.refused.includes(request) && !gone.has(request.requester),
      );
      expect(unserved.map(({ tid }) => tid)).toEqual([]);
      random.pass(LINGER_IF_TOLD);
      expect([random.manager.queue.size, random.manager.table.size, random.atMaster.size]).toEqual([0, 0, 0]);
      expect(random.clock.pending).toBe(0);
    }),
    { numRuns: 500 },
  );
});
