import { describe, expect, test } from 'vitest';
import { MAX_TIMELINE_ENTRIES, Timeline } from '../../../src/server/monitoring/history.js';
import { BrokerLab } from '../../support/broker-lab.js';

describe('the time-line', () => {
  test('forgets the oldest of too many entries', () => {
    const timeline = new Timeline();
    for (let at = 0; at <= MAX_TIMELINE_ENTRIES; at++)
      timeline.add({ at, kind: 'came', peer: null, message: 'x' });
    expect(timeline.entries).toHaveLength(MAX_TIMELINE_ENTRIES);
    expect(timeline.entries[0]?.at).toBe(1);
  });

  test('has what is refused again and again once, with how often', () => {
    const timeline = new Timeline();
    const add = (at: number, kind: 'came' | 'refused', peer: string) =>
      timeline.add({ at, kind, peer, message: 'why' });
    add(1, 'refused', 'worker01');
    add(2, 'refused', 'worker02');
    add(3, 'refused', 'worker01');
    add(4, 'came', 'worker01');
    add(5, 'came', 'worker01');
    expect(timeline.entries).toEqual([
      { at: 2, kind: 'refused', peer: 'worker02', message: 'why' },
      { at: 3, kind: 'refused', peer: 'worker01', message: 'why (2 times)' },
      { at: 4, kind: 'came', peer: 'worker01', message: 'why' },
      { at: 5, kind: 'came', peer: 'worker01', message: 'why' },
    ]);
  });
});

test('it tells of a worker that goes away with a lock, and of a master that waits for its file', () => {
  const lab = new BrokerLab({ reconnectGrace: 5_000 });
  const early = lab.connect('worker01');
  early.tells({ type: 'request', id: 'r1', data: { type: 'fst.allocate' } }, '[master]');
  lab.connectMaster();
  const worker = lab.connectWorker('worker02');
  for (let locks = 0; locks < 2; locks++) lab.askForLock(worker);
  worker.leaves('the line broke');
  lab.clock.advance(5_000);
  lab.histories.noteRefusal('mydb_data', 'worker03', 'it may not');
  lab.histories.noteRefusal('unknown_data', 'worker03', 'it may not');
  expect(lab.overview.report('unknown_data')).toBeUndefined();
  const { timeline = [], alarms = [] } = lab.overview.report('mydb_data') ?? {};
  expect(timeline.map(({ kind, peer, message }) => [kind, peer, message])).toEqual([
    ['came', 'worker01', 'connected, from 10.0.0.1:1000'],
    ['came', '[master]', 'connected, from 10.0.0.2:1000'],
    ['master', '[master]', 'has its file open; 1 message waited for it'],
    ['came', 'worker02', 'connected, from 10.0.0.3:1000'],
    ['away', 'worker02', 'lost its line: the line broke'],
    ['went', 'worker02', 'did not come back'],
    ['recovered', 'worker02', 'a worker disconnected while holding locks; they were released'],
    ['refused', 'worker03', 'it may not'],
  ]);
  expect(timeline.map(({ at }) => at)).toEqual(timeline.map(({ at }) => at).toSorted());
  expect(alarms.map(({ incident }) => incident)).toEqual(['locks-recovered']);
  lab.clock.advance(60_000);
  expect(lab.overview.report('mydb_data')?.alarms).toEqual([]);
});
