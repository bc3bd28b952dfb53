import { describe, expect, it } from 'vitest';
import { FlushQueue } from '../../../src/websocket/flush-queue.js';

describe('FlushQueue', () => {
  it('flushes all of a turn together, once, in order', () => {
    const turns: (() => void)[] = [];
    const flushed: string[] = [];
    const queue = new FlushQueue((callback) => turns.push(callback));
    const item = (name: string, then?: () => void, bytes = 100) => ({
      flush() {
        flushed.push(name);
        then?.();
        return bytes;
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

  it('leaves the rest to the next turn when much was written, and does not lose the order', () => {
    const turns: (() => void)[] = [];
    const flushed: string[] = [];
    const queue = new FlushQueue((callback) => turns.push(callback));
    const item = (name: string, bytes: number, then?: () => void) => ({
      flush() {
        flushed.push(name);
        then?.();
        return bytes;
      },
    });
    const MEBIBYTE = 1024 * 1024;
    queue.add(item('a', 3 * MEBIBYTE));
    queue.add(item('b', 6 * MEBIBYTE, () => queue.add(item('later', 1))));
    queue.add(item('c', 32 * MEBIBYTE));
    queue.add(item('d', 1));
    turns.shift()?.();
    expect(flushed).toEqual(['a', 'b']);
    expect(turns).toHaveLength(1);
    turns.shift()?.();
    expect(flushed).toEqual(['a', 'b', 'c']);
    turns.shift()?.();
    expect(flushed).toEqual(['a', 'b', 'c', 'd', 'later']);
    expect(turns).toHaveLength(0);
  });
});

describe('FlushQueue, for what can wait', () => {
  it('hurries all of it once, two milliseconds after the first, and once more for what comes later', () => {
    const turns: (() => void)[] = [];
    const delays: { milliseconds: number; callback: () => void }[] = [];
    const hurried: string[] = [];
    const queue = new FlushQueue((callback) => turns.push(callback));
    const schedule = (milliseconds: number, callback: () => void) => delays.push({ milliseconds, callback });
    const item = (name: string) => ({ flush: () => 1, hurry: () => void hurried.push(name) });
    queue.addPatient(item('a'), schedule);
    queue.addPatient(item('b'), schedule);
    expect(delays.map(({ milliseconds }) => milliseconds)).toEqual([2]);
    expect(turns).toEqual([]);
    delays.shift()?.callback();
    expect(hurried).toEqual(['a', 'b']);
    queue.addPatient(item('c'), schedule);
    delays.shift()?.callback();
    expect(hurried).toEqual(['a', 'b', 'c']);
  });
});

describe('FlushQueue, for input', () => {
  function lab() {
    const turns: (() => void)[] = [];
    const flushed: string[] = [];
    const queue = new FlushQueue((callback) => turns.push(callback));
    return {
      flushed,
      /** Input whose handling queues something. */
      input(name: string, bytes = 200) {
        queue.add({ flush: () => flushed.push(name) });
        queue.inputDone(bytes);
      },
      endTurn() {
        expect(turns).toHaveLength(1);
        turns.shift()?.();
      },
    };
  }

  it('flushes at once what the only short input of a turn gives', () => {
    const { flushed, input, endTurn } = lab();
    input('a');
    expect(flushed).toEqual(['a']);
    endTurn();
    input('b');
    expect(flushed).toEqual(['a', 'b']);
  });

  it('waits for the end of the turn when there is more', () => {
    const { flushed, input, endTurn } = lab();
    input('long', 60_000);
    expect(flushed).toEqual([]);
    endTurn();
    input('a');
    input('b');
    expect(flushed).toEqual(['long', 'a']);
    endTurn();
    expect(flushed).toEqual(['long', 'a', 'b']);
    // The last turn was busy: this one may be, too.
    input('c');
    expect(flushed).toEqual(['long', 'a', 'b']);
    endTurn();
    input('d');
    expect(flushed).toEqual(['long', 'a', 'b', 'c', 'd']);
  });
});
