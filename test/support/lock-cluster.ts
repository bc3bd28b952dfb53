import { BrokerLab, type ScriptedPeer } from './broker-lab.js';

/** A database with a master that grants the root lock, and two workers whose files are open. */
export function lockCluster(limits: ConstructorParameters<typeof BrokerLab>[0] = {}) {
  const lab = new BrokerLab(limits);
  const master = lab.connectMaster();
  const [a, b] = [lab.connectWorker('peerA'), lab.connectWorker('peerB')];
  for (const peer of [master, a, b]) peer.clear();
  return { lab, master, a, b, locks: () => lab.overview.locks('mydb_data') };
}

/** The ids of the requests for which a worker was granted locks. */
export function grantedTo(worker: ScriptedPeer): unknown[] {
  return worker
    .messages('lock-result')
    .filter(({ ok }) => ok === true)
    .map(({ id }) => id);
}

/** The ids of those that it was refused, with the code of the error. */
export function refusedTo(worker: ScriptedPeer): unknown[] {
  return worker
    .messages('lock-result')
    .filter(({ ok }) => ok === false)
    .map(({ id, reason }) => [id, String(reason).split(':')[0]]);
}
