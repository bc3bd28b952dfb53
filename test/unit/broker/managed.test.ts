import { describe, expect, it } from 'vitest';
import { CLIENT_ABILITIES } from '../../../src/protocol/session.js';
import { BrokerLab, LIMITS, type ScriptedPeer } from '../../support/broker-lab.js';

/** What the welcome of a client says of the master that the server runs. */
function facts(managed: readonly string[]): unknown {
  const client = new BrokerLab({}, new Set(managed)).connectClient('worker01', 'session-of-worker-01');
  const welcome = client.received.find((text) => text.startsWith('welcome:')) ?? '';
  return JSON.parse(welcome.slice('welcome:'.length)).session.managed;
}

it('tells clients how the master is that this server runs [PROTOCOL-14.14]', () => {
  const { lockTimeout } = LIMITS;
  expect(facts(['mydb_data'])).toEqual({ log: false, lockTimeout });
  expect(facts(['mydb_data', 'mydb_transaction'])).toEqual({ log: true, lockTimeout });
  expect(facts([])).toBeUndefined();
  expect(facts(['shop_data'])).toBeUndefined();
});

it('tells it again when a session is resumed', () => {
  const lab = new BrokerLab({ reconnectGrace: 11_000 }, new Set(['mydb_data']));
  lab.connectClient('worker01', 'session-of-worker-01').leaves();
  const again = lab.connectClient('worker01', 'session-of-worker-01', 0);
  expect(again.received[0]).toContain('"managed":{"log":false');
});

describe('when another server may have had the folder of a database [PROTOCOL-9.8]', () => {
  const lab = () => new BrokerLab({ reconnectGrace: 11_000 }, new Set(['mydb_data']));

  /** Connects a worker that was at that server before. */
  function comesFrom(at: BrokerLab, server: string | undefined): ScriptedPeer {
    const session = `session-from-${server}-0`;
    const abilities = new Set(CLIENT_ABILITIES.filter((ability) => ability !== 'identify'));
    const client = { name: 'test/1', session, received: 3, since: at.sinceOf(session), server, abilities };
    return at.connect(`worker-${server}`, 'mydb_data', { client });
  }

  it('a worker of the server before goes on, and those of others come as new ones', () => {
    const at = lab();
    const [last, other, unknown] = [comesFrom(at, 'last'), comesFrom(at, 'other'), comesFrom(at, undefined)];
    const fresh = at.connectClient('worker01', 'session-of-worker-01');
    at.tenure.former = 'last';
    at.broker.folderTaken('mydb_data');
    expect([last, fresh].map(({ closedWith }) => closedWith)).toEqual([undefined, undefined]);
    expect([other, unknown].map(({ closedWith }) => closedWith)).toEqual([
      'IPC_CLOSED_CONNECT_AGAIN',
      'IPC_CLOSED_CONNECT_AGAIN',
    ]);
    // Whoever comes later hears it at the door.
    expect(comesFrom(at, 'third').refusedWith).toBe('IPC_REFUSED_PEER_GONE');
  });

  it('all go on where there was no record: nobody else had it', () => {
    const at = lab();
    const all = [comesFrom(at, 'last'), comesFrom(at, undefined)];
    at.broker.folderTaken('mydb_data');
    expect(all.map(({ closedWith }) => closedWith)).toEqual([undefined, undefined]);
  });

  it('what this server gave is void if it had to take the folder again, and nobody gets it before its holders have noticed', () => {
    const at = lab();
    const master = at.connectMaster();
    const [holder, other] = ['worker01', 'worker02'].map((id) => at.connectClient(id, `session-of-${id}`));
    if (holder === undefined || other === undefined) throw new Error('nobody came');
    at.askForLock(holder, { write: true });
    expect(at.lockOf(holder)).toBeDefined();
    at.tenure.former = null;
    at.broker.folderLost('mydb_data');
    expect([holder.closedWith, other.closedWith, master.closedWith]).toEqual([
      'IPC_CLOSED_CONNECT_AGAIN',
      'IPC_CLOSED_CONNECT_AGAIN',
      undefined,
    ]);
    expect(at.connectClient('worker01', 'session-of-worker01', 1).refusedWith).toBe(
      'IPC_REFUSED_UNSAFE_RETURN',
    );
    const next = at.connectClient('worker03', 'session-of-worker-03');
    at.askForLock(next, { write: true });
    expect(next.messages('lock-result')).toEqual([]);
    at.clock.advance(11_000);
    expect(at.lockOf(next)).toBeDefined();
  });

  it('nobody is told that his place is kept while the folder is not certain', () => {
    const at = lab();
    const worker = at.connectClient('worker01', 'session-of-worker-01');
    expect(worker.isPlaceKept).toBe(true);
    at.tenure.isCertain = false;
    expect(worker.isPlaceKept).toBe(false);
    expect(at.connectClient('worker02', 'session-of-worker-02').isPlaceKept).toBe(false);
  });
});
