import { describe, expect, it } from 'vitest';
import { OutputLines } from '../../../src/managed-masters/child-output.js';
import { VirtualClock } from '../../support/virtual-clock.js';

function lab() {
  const clock = new VirtualClock();
  const lines: string[] = [];
  const leftOut: number[] = [];
  const output = new OutputLines({
    clock,
    line: (text) => lines.push(text),
    leftOut: (count) => leftOut.push(count),
  });
  const push = (text: string): void => output.push(Buffer.from(text));
  return { clock, lines, leftOut, output, push };
}

describe('what a managed master writes', () => {
  it('becomes lines, wherever it is divided', () => {
    const { lines, output, push } = lab();
    push('one\ntw');
    push('o\r\n\n  \nthree');
    expect(lines).toEqual(['one', 'two']);
    output.end();
    expect(lines).toEqual(['one', 'two', 'three']);
    const bytes = Buffer.from('né\n');
    output.push(bytes.subarray(0, 2));
    output.push(bytes.subarray(2));
    expect(lines.at(-1)).toBe('né');
  });

  it('has no colours', () => {
    const { lines, push } = lab();
    push('\u001b[31mred\u001b[0m text\n');
    expect(lines).toEqual(['red text']);
  });

  it('is cut where a line is too long, and takes no more memory', () => {
    const { lines, push } = lab();
    for (let turn = 0; turn < 100; turn++) push('x'.repeat(1_000));
    push('\nnext\n');
    expect(lines).toEqual([`${'x'.repeat(8_192)}…`, 'next']);
  });

  it('is left out beyond 50 lines in a second, which is said', () => {
    const { clock, lines, leftOut, push } = lab();
    push('line\n'.repeat(60));
    expect([lines.length, leftOut]).toEqual([50, []]);
    clock.advance(1_000);
    expect(leftOut).toEqual([10]);
    push('line\n'.repeat(50));
    expect([lines.length, leftOut]).toEqual([100, [10]]);
    push('line\n');
    clock.advance(999);
    expect(leftOut).toEqual([10]);
    clock.advance(1);
    push('line\n');
    expect([lines.length, leftOut]).toEqual([101, [10, 1]]);
    expect(clock.pending).toBe(0);
  });
});
