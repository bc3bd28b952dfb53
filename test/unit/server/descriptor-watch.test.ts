import { expect, it } from 'vitest';
import { limitOf } from '../../../src/platform/descriptors.js';
import { DescriptorWatch } from '../../../src/server/descriptor-watch.js';
import { CollectedLog } from '../../support/collected-log.js';
import { VirtualClock } from '../../support/virtual-clock.js';

function lab(limit: number | undefined) {
  const clock = new VirtualClock();
  const log = new CollectedLog();
  const open = { count: 30 };
  const watch = new DescriptorWatch({ clock, logger: log, descriptors: { limit, used: () => open.count } });
  return { clock, log, open, watch };
}

it.each([
  [200, 175, 188],
  [20_000, 19_936, 19_968],
])('of %i descriptors, some are kept for everything but connections', (limit, enough, answers) => {
  const { watch, open } = lab(limit);
  const roomAt = (count: number) => {
    open.count = count;
    return watch.room;
  };
  expect(roomAt(enough)).toBe('enough');
  expect(roomAt(enough + 1)).toBe('for an answer');
  expect(roomAt(answers - 1)).toBe('for an answer');
  expect(roomAt(answers + 1)).toBe('none');
  expect(watch.report).toEqual({ used: answers + 1, limit });
});

it('where no limit is known, there is room until the system says that there is none', () => {
  const { watch, open, log } = lab(undefined);
  open.count = 1_000_000;
  expect(watch.room).toBe('enough');
  open.count = Number.POSITIVE_INFINITY;
  expect(watch.room).toBe('none');
  expect(watch.report).toBeNull();
  watch.start(20_000);
  expect(log.complaints).toEqual([]);
});

it('warns of a limit below maxConnections when the server starts', () => {
  const { watch, log } = lab(1_024);
  watch.start(1_024);
  expect(log.complaints).toEqual([]);
  watch.start(1_025);
  expect(log.complaints).toMatchObject([{ level: 'warn', limit: 1_024, maxConnections: 1_025 }]);
});

it('warns once a minute while something else in the process has taken them', () => {
  const { watch, log, open, clock } = lab(1_024);
  watch.start(1_000);
  clock.advance(60_000);
  expect(log.complaints).toEqual([]);
  open.count = 1_020;
  clock.advance(64_000);
  expect(log.complaints).toMatchObject([{ level: 'warn', used: 1_020, limit: 1_024 }]);
  clock.advance(6_000);
  expect(log.complaints).toHaveLength(2);
  watch.stop();
  clock.advance(600_000);
  expect(log.complaints).toHaveLength(2);
});

it.each([
  [
    'Limit  Soft Limit  Hard Limit  Units\nMax open files            1024                 4096                 files\n',
    1_024,
  ],
  ['Max open files            unlimited            unlimited            files\n', undefined],
  ['', undefined],
])('reads the limit that Linux tells, %#', (text, limit) => expect(limitOf(text)).toBe(limit));
