import { describe, expect, test, vi } from 'vitest';
import { LogOutput, type WriteBytes } from '../../../src/server/log-output.js';

type Done = Parameters<WriteBytes>[1];

/** An output whose writes end when the test says so. */
function stage() {
  const writes: { text: string; done: Done }[] = [];
  const output = new LogOutput((bytes, done) => void writes.push({ text: bytes.toString(), done }));
  const finish = (error: string | null = null, written?: number) => {
    const last = writes.at(-1);
    if (last === undefined) throw new Error('nothing was written');
    last.done(
      error === null ? null : Object.assign(new Error(error), { code: error }),
      written ?? (error === null ? last.text.length : 0),
    );
  };
  return { output, finish, texts: () => writes.map(({ text }) => text) };
}

describe('log output', () => {
  test('writes one thing at a time, in order', () => {
    const { output, finish, texts } = stage();
    for (const line of ['a', 'b', 'c']) output.write(line);
    expect(texts()).toEqual(['a']);
    finish();
    expect(texts()).toEqual(['a', 'bc']);
  });

  test('goes on where a short write ended', () => {
    const { output, finish, texts } = stage();
    output.write('abc');
    output.write('d');
    finish(null, 1);
    expect(texts()).toEqual(['abc', 'bcd']);
  });

  test('tries a full disk again, and keeps what it did not take', () => {
    vi.useFakeTimers();
    try {
      const { output, finish, texts } = stage();
      output.write('a');
      finish('ENOSPC');
      output.write('b');
      expect(texts()).toEqual(['a']);
      vi.advanceTimersByTime(250);
      expect(texts()).toEqual(['a', 'ab']);
    } finally {
      vi.useRealTimers();
    }
  });

  test('a flush ends when all is out, or when it fails', () => {
    const { output, finish, texts } = stage();
    const done = vi.fn();
    output.flush(done);
    expect(done).toHaveBeenCalledTimes(1);
    output.write('a');
    output.write('b');
    output.flush(done);
    finish();
    expect(done).toHaveBeenCalledTimes(1);
    finish();
    expect(done).toHaveBeenCalledTimes(2);
    output.write('c');
    output.flush(done);
    finish('ENOSPC');
    expect(done).toHaveBeenCalledTimes(3);
    output.flush(done);
    expect(texts()).toEqual(['a', 'b', 'c', 'c']);
    finish();
    expect(done).toHaveBeenCalledTimes(4);
  });

  test('drops everything once nobody reads', () => {
    const { output, finish, texts } = stage();
    output.write('a');
    finish('EPIPE');
    output.write('b');
    const done = vi.fn();
    output.flush(done);
    expect([texts(), done.mock.calls.length, output.takeWaiting().length]).toEqual([['a'], 1, 0]);
  });

  test('drops lines beyond its limit, and takes some again when there is room', () => {
    const { output, finish, texts } = stage();
    const line = 'x'.repeat(1_048_576);
    for (let count = 0; count < 6; count++) output.write(line);
    finish();
    expect(texts().map((text) => text.length)).toEqual([line.length, 3 * line.length]);
    finish();
    output.write('y');
    expect(texts().at(-1)).toBe('y');
  });

  test('what waits at the end is there, what is being written is not', () => {
    vi.useFakeTimers();
    try {
      const { output, finish } = stage();
      output.write('a');
      expect(output.takeWaiting().toString()).toBe('');
      finish('EAGAIN');
      expect(output.takeWaiting().toString()).toBe('a');
    } finally {
      vi.useRealTimers();
    }
  });
});
