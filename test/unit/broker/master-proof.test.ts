import { describe, expect, it } from 'vitest';
import { FORMER_MASTER_MS, MASTER_PROOF_MS, ROOT_LINGER_MS } from '../../../src/broker/limits.js';
import type { PeerProcess } from '../../../src/broker/ports.js';
import { BrokerLab, isProof, LIMITS, type ScriptedPeer } from '../../support/broker-lab.js';

/** What a master was asked to prove itself; what it is asked for beside that is the root lock. */
const questionsTo = (master: ScriptedPeer) => master.messages('lock-request').filter(isProof);
const rootRequestsTo = (master: ScriptedPeer) =>
  master.messages('lock-request').filter((request) => !isProof(request));

/** Lets a worker take locks one after the other, for each of which the master grants the root lock. */
function takeLocks(lab: BrokerLab, worker: ScriptedPeer, count: number): void {
  for (let taken = 0; taken < count; taken++) {
    lab.askForLock(worker);
    lab.giveBack(worker, lab.lockOf(worker));
    lab.clock.advance(ROOT_LINGER_MS);
  }
}

/** A master that went while a worker held a lock under its lock 20, and one that came; what it was asked. */
function succession({ isReading = true, process }: { isReading?: boolean; process?: PeerProcess } = {}) {
  const lab = new BrokerLab();
  const first = lab.connect('[master]', 'mydb_data', process && { process });
  lab.letGrant(first);
  lab.clock.advance(LIMITS.masterSettle);
  const worker = lab.connectWorker('peerA');
  takeLocks(lab, worker, 18);
  lab.askForLock(worker, { tid: 'tA', write: true });
  const [{ data: root } = {}] = first.messages('lock-request').slice(-1);
  const rootTid = (root as { tid: string }).tid;
  first.leaves();
  const master = lab.connect('[master]', 'mydb_data', { isReading });
  return { lab, worker, master, rootTid, question: questionsTo(master)[0] };
}
const grants = (master: ScriptedPeer, question: unknown, lockId: number) => {
  const { id, data } = question as { id: string; data: object };
  master.tells({ type: 'lock-result', id, ok: true, data: { ...data, id: lockId } }, '[server]');
};
const expectSentAway = ({ lab, master }: ReturnType<typeof succession>) => {
  expect(master.closedWith).toBe('IPC_CLOSED_OLD_MASTER');
  expect(lab.connect('[master]').refusedWith).toBe('IPC_REFUSED_OLD_MASTER');
  const fresh = lab.connectMaster();
  expect(questionsTo(fresh)).toHaveLength(1);
  expect(fresh.closedWith).toBeUndefined();
};

describe('a master that comes while locks of another are open [PROTOCOL-9.7]', () => {
  it('is not the one that was sent away, if it says that it has been nowhere', () => {
    const { lab, master, question } = succession();
    grants(master, question, 21);
    expect(master.closedWith).toBe('IPC_CLOSED_OLD_MASTER');
    expect(lab.connectClient('[master]', 'a-new-session-of-it').isIn).toBe(true);
  });

  it('is asked for a lock of the transaction that has the root lock at the last one', () => {
    const { question, rootTid } = succession();
    expect(question).toMatchObject({ from: '[server]', data: { tid: rootTid, write: false } });
  });

  it('is a new one if it grants it under a low number, and gets it back', () => {
    const { lab, master, worker, question } = succession();
    lab.askForLock(worker, { tid: 'tA', write: true });
    expect(master.messages('lock-request')).toHaveLength(1);
    grants(master, question, 1);
    expect(master.messages('unlock-request')).toMatchObject([{ from: '[server]', data: { id: 1 } }]);
    expect(rootRequestsTo(master)).toMatchObject([{ from: '[server]', data: { write: true } }]);
  });

  it('is the old one if it counts on', () => {
    const scene = succession();
    grants(scene.master, scene.question, 21);
    expectSentAway(scene);
  });

  it('is the old one if it refuses', () => {
    const scene = succession();
    const { id } = scene.question as { id: string };
    scene.master.tells({ type: 'lock-result', id, ok: false, reason: 'expired' }, '[server]');
    expectSentAway(scene);
  });

  it('is the old one if it does not answer in a second', () => {
    const scene = succession();
    scene.lab.clock.advance(999);
    expect(scene.master.closedWith).toBeUndefined();
    scene.lab.clock.advance(1);
    expectSentAway(scene);
  });

  it('has a second from when it has read the question: a new process may be stopped, or busy', () => {
    const { lab, worker, master, question } = succession({ isReading: false });
    expect(question).toBeUndefined();
    lab.askForLock(worker, { tid: 'tA', write: true });
    lab.clock.advance(10_000);
    expect(master.closedWith).toBeUndefined();
    master.isReading = true;
    master.read();
    lab.clock.advance(999);
    expect(master.closedWith).toBeUndefined();
    grants(master, questionsTo(master)[0], 1);
    expect(rootRequestsTo(master)).toMatchObject([{ from: '[server]', data: { write: true } }]);
    lab.clock.advance(10_000);
    expect(master.closedWith).toBeUndefined();
  });

  it('is the old one if it does not answer in a second, however late it reads', () => {
    const { lab, master } = succession({ isReading: false });
    lab.clock.advance(10_000);
    master.isReading = true;
    master.read();
    lab.clock.advance(1_000);
    expect(master.closedWith).toBe('IPC_CLOSED_OLD_MASTER');
  });

  it('is the old one, too, if another one was there meanwhile, and nothing is open any more', () => {
    const { lab, master, worker, question } = succession();
    lab.letGrant(master);
    grants(master, question, 1);
    lab.giveBack(worker, lab.lockOf(worker));
    takeLocks(lab, worker, 30);
    master.leaves();
    const first = lab.connect('[master]');
    expect(questionsTo(first)).toHaveLength(1);
    grants(first, questionsTo(first)[0], 21);
    expect(first.closedWith).toBe('IPC_CLOSED_OLD_MASTER');
  });

  it('is not asked any more when one that was replaced has been away for a minute', () => {
    const { lab, master, worker, question } = succession();
    lab.letGrant(master);
    grants(master, question, 1);
    lab.giveBack(worker, lab.lockOf(worker));
    lab.clock.advance(FORMER_MASTER_MS);
    master.leaves();
    expect(lab.connectMaster().messages('lock-request')).toEqual([]);
  });

  it('is measured by nothing that was replaced over a minute ago', () => {
    const { lab, master, worker, question } = succession();
    lab.letGrant(master);
    grants(master, question, 1);
    lab.giveBack(worker, lab.lockOf(worker));
    lab.clock.advance(1_000);
    takeLocks(lab, worker, 30);
    lab.askForLock(worker);
    lab.clock.advance(FORMER_MASTER_MS);
    master.leaves();
    const next = lab.connect('[master]');
    grants(next, questionsTo(next)[0], 25);
    expect(next.closedWith).toBeUndefined();
  });

  it('is asked nothing if the process of the last one has ended, or of those before that', () => {
    let hasEnded = false;
    const process = { pid: 1, isSought: false, age: undefined, databaseFiles: [], hasEnded: () => hasEnded };
    for (const ends of ['before the next one comes', 'later'] as const) {
      hasEnded = ends !== 'later';
      const { lab, master, worker, question } = succession({ process });
      expect(questionsTo(master)).toHaveLength(hasEnded ? 0 : 1);
      // It is in a transaction of its own, and answers nothing meanwhile.
      if (hasEnded) lab.clock.advance(MASTER_PROOF_MS);
      else grants(master, question, 1);
      expect(master.closedWith).toBeUndefined();
      hasEnded = true;
      lab.letGrant(master);
      lab.giveBack(worker, lab.lockOf(worker));
      lab.clock.advance(ROOT_LINGER_MS);
      master.leaves();
      expect(questionsTo(lab.connectMaster())).toEqual([]);
    }
  });

  it('is asked nothing if nothing was open', () => {
    const lab = new BrokerLab();
    const first = lab.connectMaster();
    lab.connectWorker('peerA');
    first.leaves();
    expect(lab.connectMaster().messages('lock-request')).toEqual([]);
  });

  it('is asked, too, if an answer to somebody was open', () => {
    const lab = new BrokerLab();
    const first = lab.connectMaster();
    const worker = lab.connectWorker('peerA');
    worker.tells({ type: 'request', id: 'q', data: { type: 'fst.allocate' } }, '[master]');
    first.leaves();
    const master = lab.connectMaster();
    expect(questionsTo(master)).toMatchObject([{ from: '[server]' }]);
    expect(master.messages('request')).toMatchObject([{ id: 'q' }]);
  });

  it('is sent away again if somebody else was refused in its place', () => {
    const scene = succession();
    grants(scene.master, scene.question, 21);
    expect(scene.lab.connect('[master]').refusedWith).toBe('IPC_REFUSED_OLD_MASTER');
    const again = scene.lab.connect('[master]');
    scene.lab.clock.advance(1_000);
    grants(again, questionsTo(again)[0], 22);
    expect(again.closedWith).toBe('IPC_CLOSED_OLD_MASTER');
  });

  it('is trusted after two were sent away: a new process may have taken many locks itself', () => {
    const { lab, master, question } = succession();
    grants(master, question, 21);
    lab.connect('[master]');
    const second = lab.connect('[master]');
    grants(second, questionsTo(second)[0], 99);
    expect(lab.connect('[master]').refusedWith).toBe('IPC_REFUSED_OLD_MASTER');
    const third = lab.connectMaster();
    expect(questionsTo(third)).toEqual([]);
    expect(rootRequestsTo(third)).toHaveLength(1);
    expect(third.closedWith).toBeUndefined();
  });

  it('is refused for as long as it may take it to notice that it was sent away', () => {
    const scene = succession();
    grants(scene.master, scene.question, 21);
    scene.lab.clock.advance(10_900);
    expect(scene.lab.connect('[master]').refusedWith).toBe('IPC_REFUSED_OLD_MASTER');
  });

  it('must begin with number 1 if the last answer was lost: it may hold the lock of the first question', () => {
    const { lab, master } = succession();
    master.leaves();
    const again = lab.connect('[master]');
    grants(again, questionsTo(again)[0], 2);
    expect(again.closedWith).toBe('IPC_CLOSED_OLD_MASTER');
  });

  it('is asked no more when it has gone', () => {
    const { lab, master } = succession();
    master.leaves();
    lab.clock.advance(5_000);
    expect(lab.warnings()).toEqual([]);
    expect(lab.connect('[master]').isIn).toBe(true);
  });

  it('is asked though all others have gone meanwhile, for as long as it may come back', () => {
    for (const [milliseconds, questions] of [
      [10_900, 1],
      [11_000, 0],
    ] as const) {
      const lab = new BrokerLab();
      const first = lab.connectMaster();
      const worker = lab.connectWorker('peerA');
      lab.askForLock(worker, { tid: 'tA', write: true });
      first.leaves();
      worker.tells({ type: 'bye' });
      worker.leaves();
      lab.clock.advance(milliseconds);
      const last = lab.connect('[master]');
      expect(questionsTo(last)).toHaveLength(questions);
    }
  });
});
