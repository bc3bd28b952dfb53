import { describe, expect, it } from 'vitest';
import { takeOutput } from '../../../src/websocket/output-slab.js';

describe('takeOutput', () => {
  it('shares slabs without overlap', () => {
    const parts = Array.from({ length: 200 }, (_, index) => takeOutput(1_000, true).fill(index));
    expect(parts.every((part, index) => part.length === 1_000 && part.every((byte) => byte === index))).toBe(
      true,
    );
    expect(new Set(parts.map((part) => part.buffer)).size).toBeLessThanOrEqual(5);
  });

  it('gives memory of its own to what is long or waits', () => {
    expect(takeOutput(20_000, true).buffer.byteLength).toBe(20_000);
    expect(takeOutput(100, false).buffer.byteLength).toBe(100);
  });
});
