import { describe, expect, it } from 'vitest';
import { FlushQueue } from '../../../src/websocket/flush-queue.js';

describe('FlushQueue', () => {
  it('flushes all of a turn together, once, in order', () => {
    const turns: (() => void)[] = [];
    const flushed: string[] = [];
    const queue = new FlushQueue((callback) => turns.push(callback));
    const item = (name: string, then?: () => void) => ({
      flush() {
        flushed.push(name);
        then?.();
      },
    });
    queue.add(item('a'));
    queue.add(item('b', () => queue.add(item('next'))));
    queue.add(item('c'));
    expect(turns).toHaveLength(1);
    turns.shift()?.();
    expect(flushed).toEqual(['a', 'b', 'c']);
    expect(turns).toHaveLength(1);
    turns.shift()?.();
    expect(flushed).toEqual(['a', 'b', 'c', 'next']);
    expect(turns).toHaveLength(0);
  });
});
