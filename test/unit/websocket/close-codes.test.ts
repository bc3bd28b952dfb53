import { describe, expect, it } from 'vitest';
import { isValidReceivedCloseCode } from '../../../src/websocket/close-codes.js';

describe('isValidReceivedCloseCode', () => {
  it('allows what may travel in a close frame, and nothing else', () => {
    const allowed: number[] = [];
    for (let code = 0; code <= 65_535; code++) if (isValidReceivedCloseCode(code)) allowed.push(code);
    const registered = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014];
    expect(allowed.slice(0, 12)).toEqual(registered);
    expect(allowed.slice(12)).toEqual(Array.from({ length: 2000 }, (_, index) => 3000 + index));
  });
});
