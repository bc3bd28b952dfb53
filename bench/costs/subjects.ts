import { MAX_UNANSWERED_REQUESTS } from '../../src/broker/limits.js';
import { MASTER_ID } from '../../src/protocol/frames.js';
import { type ClaimedLock, claimOf, MAX_CLAIMED_LOCKS } from '../../src/protocol/session.js';
import type { CostLab, CostPeer } from './cost-lab.js';

/** Something of which there may be much. */
export interface Subject {
  /** What there is, and what is done. */
  readonly what: string;
  /** The most of it that is of any use, or that can be had in reasonable time. */
  readonly most?: number;
  /** What may go wrong by intention. */
  readonly expects?: readonly string[];
  /** Makes that much of it. @returns the operation that is measured */
  prepare(lab: CostLab, count: number): Operation;
}

/** What is measured. */
export type Operation =
  /** One more, and one less: there is always as much. */
  | { readonly kind: 'one'; act(turn: number): void }
  /** All of them together, once. */
  | { readonly kind: 'all'; act(): void };

/** As many requests of one worker as the master is given at one time. */
const FEW_ENOUGH_TO_ASK = MAX_UNANSWERED_REQUESTS / 2;

const times = (count: number, act: (turn: number) => void): void => {
  for (let turn = 0; turn < count; turn++) act(turn);
};

/** A cluster: a master that grants the server what it asks for, and two workers. */
function crew(lab: CostLab): { readonly master: CostPeer; readonly a: CostPeer; readonly b: CostPeer } {
  const master = lab.connectMaster();
  const [a, b] = [lab.connect('peerA'), lab.connect('peerB')];
  for (const worker of [a, b]) {
    worker.asksForLock(`first-of-${worker.id}`, false);
    worker.givesBack(worker.lockId);
  }
  return { master, a, b };
}

/** A worker asks for a lock for reading, and gives it back. */
const lockAndUnlock =
  (worker: CostPeer) =>
  (turn: number): void => {
    worker.asksForLock(`t${turn}`, false);
    worker.givesBack(worker.lockId);
  };

/** P8: what is to cost the same however much there is of it. */
export const SUBJECTS: readonly Subject[] = [
  {
    what: 'locks held: another lock, and back',
    prepare(lab, count) {
      const { a, b } = crew(lab);
      times(count, (n) => a.asksForLock(`held${n}`, false));
      return { kind: 'one', act: lockAndUnlock(b) };
    },
  },
  {
    what: 'locks held: they expire together, each',
    expects: ['locks-recovered'],
    prepare(lab, count) {
      const { a } = crew(lab);
      times(count, (n) => a.asksForLock(`held${n}`, false));
      return { kind: 'all', act: () => lab.clock.advance(130_000) };
    },
  },
  {
    what: 'locks held: their worker is gone, each',
    expects: ['locks-recovered'],
    prepare(lab, count) {
      const { a } = crew(lab);
      times(count, (n) => a.asksForLock(`held${n}`, false));
      a.leaves();
      return { kind: 'all', act: () => lab.clock.advance(12_000) };
    },
  },
  {
    what: 'locks claimed after a restart, each',
    prepare(lab, count) {
      const clients = Array.from({ length: Math.ceil(count / MAX_CLAIMED_LOCKS) }, (_, n) => {
        const first = n * MAX_CLAIMED_LOCKS;
        const held = Array.from(
          { length: Math.min(MAX_CLAIMED_LOCKS, count - first) },
          (_, at): ClaimedLock => {
            const id = first + at + 1;
            return { id, tid: `claimed${id}`, path: 'users/ewout', write: false, comment: 'bench' };
          },
        );
        return { client: lab.connect(`peer${n}`, undefined, 1), frame: claimOf({ held, peers: [] }) };
      });
      const act = (): void => {
        for (const { client, frame } of clients) client.says(frame);
      };
      return { kind: 'all', act };
    },
  },
  {
    what: 'requests for locks waiting: one is granted, and another one comes',
    prepare(lab, count) {
      const { a } = crew(lab);
      a.asksForLock('holder', true);
      let { lockId } = a;
      times(count, (n) => a.asksForLock(`waits${n}`, true));
      a.onMessage = (text) => {
        if (text.startsWith('{"type":"lock-result"')) lockId = a.lockId;
      };
      const act = (turn: number): void => {
        a.asksForLock(`t${turn}`, true);
        a.givesBack(lockId);
      };
      return { kind: 'one', act };
    },
  },
  {
    what: 'requests for locks waiting: no master comes for them, each',
    expects: ['answered-for-master', 'master-absent'],
    prepare(lab, count) {
      const worker = lab.connect('peerA');
      times(count, (n) => worker.asksForLock(`waits${n}`, false));
      return { kind: 'all', act: () => lab.clock.advance(61_000) };
    },
  },
  {
    what: 'requests for locks waiting: their worker is gone, each',
    expects: ['orphaned-request', 'locks-recovered'],
    prepare(lab, count) {
      const { a, b } = crew(lab);
      b.asksForLock('holder', true);
      times(count, (n) => a.asksForLock(`waits${n}`, true));
      a.leaves();
      return { kind: 'all', act: () => lab.clock.advance(12_000) };
    },
  },
  {
    what: 'requests that the master has: another one, and its answer',
    prepare(lab, count) {
      const { master, a } = crew(lab);
      const ask = (worker: CostPeer, id: string): void =>
        worker.tells('request', id, { type: 'allocate', records: 1 }, MASTER_ID);
      const others = Array.from({ length: Math.ceil(count / FEW_ENOUGH_TO_ASK) }, (_, n) =>
        lab.connect(`asks${n}`),
      );
      times(count, (n) => ask(others[n % others.length] ?? a, `open${n}`));
      const act = (turn: number): void => {
        ask(a, `r${turn}`);
        master.answers('result', `r${turn}`, { pageNr: 1, recordNr: turn }, a.id);
      };
      return { kind: 'one', act };
    },
  },
  {
    what: 'messages kept for a worker that is away: another one',
    prepare(lab, count) {
      const { a, b } = crew(lab);
      const tell = (n: number): void =>
        a.tells('notification', `n${n}`, { type: 'index.update', path: 'users' });
      b.leaves();
      times(count, tell);
      return { kind: 'one', act: tell };
    },
  },
  {
    what: 'messages kept for a worker that is away: it is back, each',
    prepare(lab, count) {
      const { a, b } = crew(lab);
      b.leaves();
      times(count, (n) => a.tells('notification', `n${n}`, { type: 'index.update', path: 'users' }));
      return { kind: 'all', act: () => void lab.connect('peerB') };
    },
  },
  {
    what: 'peers in the database: a lock of one, and back',
    // Each hears of all others: more would take minutes to come.
    most: 1_000,
    prepare(lab, count) {
      const { b } = crew(lab);
      times(count, (n) => void lab.connect(`idle${n}`));
      return { kind: 'one', act: lockAndUnlock(b) };
    },
  },
  {
    what: 'peers in the database: a message from one to another',
    most: 1_000,
    prepare(lab, count) {
      const { a, b } = crew(lab);
      times(count, (n) => void lab.connect(`idle${n}`));
      return { kind: 'one', act: (turn) => a.tells('event', `e${turn}`, { path: 'users' }, b.id) };
    },
  },
  {
    what: 'databases: a lock in one, and back',
    prepare(lab, count) {
      times(count, (n) => void lab.connect('idle', `other${n}`));
      const { b } = crew(lab);
      return { kind: 'one', act: lockAndUnlock(b) };
    },
  },
];
