import { describe, expect, test } from 'vitest';
import { FileWatch } from '../../../src/cli/file-watch.js';
import { watchTerminal } from '../../../src/cli/terminal.js';

/** A watch of files that have what the test says in place of contents. */
function lab(files: Record<string, string>) {
  let timers: (() => void)[] = [];
  const told: string[] = [];
  const clock = {
    scheduleIdle: (_milliseconds: number, callback: () => void) => {
      timers.push(callback);
      return () => undefined;
    },
  };
  const watch = new FileWatch(
    clock,
    () => void told.push('changed'),
    async (path) => files[path] ?? 'missing',
  );
  const settled = () => new Promise((resolve) => setImmediate(resolve));
  const look = async (times = 1) => {
    for (let time = 0; time < times; time++) {
      await settled();
      const due = timers;
      timers = [];
      for (const callback of due) callback();
      await settled();
    }
  };
  return { files, watch, told, look, timers: () => timers.length };
}

describe('a watch of files', () => {
  test('tells once of a change, when the next look finds no further one', async () => {
    const { files, watch, told, look } = lab({ cert: '1', key: '1' });
    watch.watch(['cert', 'key']);
    await look(3);
    expect(told).toEqual([]);
    files['cert'] = '2';
    await look();
    files['key'] = '2';
    await look();
    expect(told).toEqual([]);
    await look(3);
    expect(told).toEqual(['changed']);
  });

  test('tells of a file that vanished, and that it is back', async () => {
    const { files, watch, told, look } = lab({ token: '1' });
    watch.watch(['token']);
    await look();
    delete files['token'];
    await look(2);
    files['token'] = '1';
    await look(2);
    expect(told).toEqual(['changed', 'changed']);
  });

  test('knows what it watches, and looks at it once at a time', async () => {
    const { files, watch, told, look, timers } = lab({ a: '1', b: '1' });
    watch.watch(['a']);
    watch.watch(['b']);
    await look();
    files['a'] = '2';
    await look(3);
    expect(told).toEqual([]);
    files['b'] = '2';
    await look(2);
    expect(told).toEqual(['changed']);
    expect(timers()).toBe(1);
  });

  test('does nothing where there is no file', () => {
    const { watch, timers } = lab({});
    watch.watch([]);
    expect(timers()).toBe(0);
  });
});

test('a terminal is closed if it was there', () => {
  let isThere = true;
  const wasThere = watchTerminal(() => isThere);
  expect(wasThere()).toBe(false);
  isThere = false;
  expect(wasThere()).toBe(true);
  expect(watchTerminal(() => isThere)()).toBe(false);
});
