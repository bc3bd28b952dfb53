import { describe, expect, it } from 'vitest';
import type { Limits } from '../../../src/broker/limits.js';
import { BrokerLab, type ScriptedPeer } from '../../support/broker-lab.js';

/** What may be kept, in all databases together: half of `maxTotalBuffered`. */
const KEPT = 100_000;

const PAD = 'x'.repeat(9_000);

/** Ways to have the server keep about nine thousand bytes, by which kind of memory it takes. */
interface Kind {
  readonly limits?: Partial<Limits>;
  /** Has it keep so much once more. `peer` is the one on whose account, if it stays. */
  keep(lab: BrokerLab, database: string, n: number): { readonly peer: ScriptedPeer; isRefused(): boolean };
}

function asks(lab: BrokerLab, database: string, n: number, type: string, data: Record<string, unknown>) {
  const peer = lab.connect(`asks${n}`, database);
  peer.tells({ type, id: 'question', data: { ...data, path: PAD } }, '[master]');
  const answer = type === 'lock-request' ? 'lock-result' : 'result';
  return { peer, isRefused: () => peer.messages(answer).length > 0 };
}

const KINDS: Readonly<Record<string, Kind>> = {
  'requests for a master that is not there': {
    keep: (lab, database, n) => asks(lab, database, n, 'request', { type: 'fst.allocate' }),
  },
  'requests for locks': {
    keep: (lab, database, n) => asks(lab, database, n, 'lock-request', { tid: `t${n}` }),
  },
  'requests that wait for their turn': {
    limits: { maxOutstandingRequests: 1 },
    keep: (lab, database, n) => {
      const peer = lab.connect(`asks${n}`, database);
      const ask = (id: string, pad: string) =>
        peer.tells({ type: 'request', id, data: { type: 'fst.allocate', pad } }, '[master]');
      ask('first', '');
      ask('second', PAD);
      return { peer, isRefused: () => peer.messages('result').length > 0 };
    },
  },
  'messages for a worker that is disconnected': {
    keep: (lab, database, n) => {
      const speaker = lab.connect(`says${n}`, database);
      const peer = lab.connect(`away${n}`, database);
      peer.leaves();
      speaker.tells({ type: 'event', pad: PAD }, `away${n}`);
      const isRefused = () => lab.connect(`away${n}`, database).refusedWith !== undefined;
      return { peer, isRefused };
    },
  },
  'messages that are to be picked up': {
    limits: { largeMessages: 'http', maxPayload: 5_000 },
    keep: (lab, database, n) => {
      const speaker = lab.connect(`says${n}`, database);
      const peer = lab.connect(`picks${n}`, database);
      speaker.tells({ type: 'event', pad: PAD }, `picks${n}`);
      return { peer, isRefused: () => peer.closedWith !== undefined };
    },
  },
};

const COMBINATIONS = Object.keys(KINDS).flatMap((flood) => Object.keys(KINDS).map((need) => [flood, need]));

describe('a database that has the server keep as much as it can', () => {
  it.each(COMBINATIONS)('by %s does not have another one refused: %s', (flood, need) => {
    const [flooding, needing] = [KINDS[flood as string] as Kind, KINDS[need as string] as Kind];
    const lab = new BrokerLab({
      maxBuffered: 1_000_000,
      maxTotalBuffered: 2 * KEPT,
      maxPeers: 1_000,
      reconnectGrace: 10_000,
      ...flooding.limits,
      ...needing.limits,
    });
    const flooders = Array.from({ length: 30 }, (_, n) => flooding.keep(lab, 'flood_data', n));
    expect(lab.broker.bufferedBytes).toBeGreaterThan(KEPT * 0.6);
    // As much as an equal share, but for what the counting of a request adds.
    const others = Array.from({ length: 5 }, (_, n) => needing.keep(lab, 'other_data', n));
    expect(others.map((other) => other.isRefused())).toEqual(others.map(() => false));
    expect(lab.broker.bufferedBytes).toBeLessThanOrEqual(KEPT);
    const paid = lab.log.filter(({ fields }) => fields['incident'] === 'over-total');
    expect(new Set(paid.map(({ fields }) => fields['database']))).toEqual(new Set(['flood_data']));
    // The others of that database go on, as many as there is room for.
    expect(flooders.some(({ peer }) => peer.closedWith === undefined)).toBe(true);
    lab.broker.stop();
    expect(lab.broker.bufferedBytes).toBe(0);
  });

  it('may have all of it while nobody else needs it', () => {
    const lab = new BrokerLab({ maxTotalBuffered: 2 * KEPT });
    for (const name of ['idle_data', 'still_data']) lab.connect('peerA', name);
    const kind = KINDS['requests for locks'] as Kind;
    const asked = Array.from({ length: 10 }, (_, n) => kind.keep(lab, 'busy_data', n));
    expect(asked.filter((one) => one.isRefused())).toEqual([]);
    expect(lab.count('over-total')).toBe(0);
  });

  it('has its own next one refused when all use the same, and no peer of the others cut off', () => {
    const lab = new BrokerLab({ maxTotalBuffered: 2 * KEPT });
    const kind = KINDS['requests for locks'] as Kind;
    const names = ['one_data', 'two_data'];
    for (let n = 0; n < 5; n++) for (const name of names) kind.keep(lab, name, n);
    for (const name of names) {
      const { peer } = kind.keep(lab, name, 5);
      expect(peer.messages('lock-result')[0]?.['reason']).toMatch(
        /^IPC_REQUEST_NO_MEMORY: .*"(one|two)_data"/,
      );
    }
    expect(lab.count('over-total')).toBe(0);
  });

  it('pays when too much waits for connections, and not the database of the peer that alone owes most', () => {
    const lab = new BrokerLab({ maxBuffered: 1_000_000, maxTotalBuffered: 64_000 });
    const one = lab.connect('peerA', 'one_data');
    const [flood, large] = [lab.connect('peerA', 'flood_data'), lab.connect('large', 'one_data')];
    const slow = Array.from({ length: 5 }, (_, n) => lab.connect(`slow${n}`, 'flood_data'));
    for (const peer of [large, ...slow]) peer.isReading = false;
    one.tells({ type: 'event', pad: 'x'.repeat(20_000) });
    flood.tells({ type: 'event', pad: 'x'.repeat(15_000) });
    lab.clock.advance(1_000);
    expect(large.closedWith).toBeUndefined();
    expect(slow.map(({ closedWith }) => closedWith)).toContain('IPC_CLOSED_OVER_SHARE');
  });
});

describe('a request for which there is no room is told why', () => {
  it.each([
    ['IPC_REQUEST_TOO_MANY', 'lock-request', 20_000, 200_000],
    ['IPC_REQUEST_NO_MEMORY', 'lock-request', 200_000, 30_000],
    ['IPC_REQUEST_MAILBOX_FULL', 'request', 20_000, 200_000],
    ['IPC_REQUEST_NO_MEMORY', 'request', 200_000, 30_000],
  ])(
    '%s: a %s, with maxMailPerPeer %i and maxTotalBuffered %i',
    (code, type, maxMailPerPeer, maxTotalBuffered) => {
      const lab = new BrokerLab({ maxMailPerPeer, maxTotalBuffered });
      const peer = lab.connect('peerA');
      for (let n = 0; n < 3; n++) {
        const data = { type: 'fst.allocate', tid: `t${n}`, path: PAD };
        peer.tells({ type, id: `${n}`, data }, '[master]');
      }
      const refusals = [...peer.messages('result'), ...peer.messages('lock-result')];
      expect(refusals.at(-1)).toMatchObject({ id: '2', reason: expect.stringMatching(`^${code}: `) });
    },
  );
});

describe('a worker that is cut off for the memory that it takes', () => {
  it('keeps its lock until it must have noticed, and comes back as a new process', () => {
    const lab = new BrokerLab({ maxTotalBuffered: 2 * KEPT, reconnectGrace: 10_000 });
    const kind = KINDS['requests for locks'] as Kind;
    lab.connectMaster('flood_data');
    const { peer: holder } = kind.keep(lab, 'flood_data', 0);
    lab.clock.advance(2_000);
    expect(lab.overview.locks('flood_data').held).toHaveLength(1);
    for (let n = 0; n < 9; n++) {
      const data = { tid: `waits${n}`, write: true, path: PAD };
      holder.tells({ type: 'lock-request', id: `${n}`, data }, '[master]');
    }
    const other = kind.keep(lab, 'other_data', 0);
    expect([other.isRefused(), holder.closedWith]).toEqual([false, 'IPC_CLOSED_OVER_SHARE']);
    expect(lab.overview.locks('flood_data')).toMatchObject({ held: [{ holder: 'asks0' }], waiting: [] });
    expect(lab.connect('asks0', 'flood_data').refusedWith).toBe('IPC_REFUSED_UNSAFE_RETURN');
    lab.clock.advance(10_000);
    expect(lab.overview.locks('flood_data').held).toEqual([]);
  });
});
