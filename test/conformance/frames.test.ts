/**
 * The frame parser against the receiver of `ws`: the same bytes must give the same messages and the same verdict.
 *
 * FRAME_FUZZ_RUNS sets how many inputs are tried, FRAME_FUZZ_SEED which.
 */

import { createRequire } from 'node:module';
import type { Writable } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FrameParser } from '../../src/websocket/frame-parser.js';
import { numRuns, seed } from '../support/fuzz-settings.js';
import { itInFull } from '../support/in-full.js';
import { chunksOfInput, type FrameInput, frameInputs } from './frame-script.js';

/** What a parser made of an input, in order. */
interface Verdict {
  readonly events: string[];
  /** The close code that the connection fails with. */
  failure: number | undefined;
}

type ReceiverClass = new (options: Record<string, unknown>) => Writable;

const { Receiver } = createRequire(import.meta.url)('ws') as { Receiver: ReceiverClass };

describe('the frame parser and ws', () => {
  it('say the same of every input', { timeout: 60_000 + numRuns * 5 }, () => {
    fc.assert(
      fc.property(frameInputs, (input) => {
        expect(ourVerdict(input)).toEqual(verdictOfWs(input));
      }),
      { numRuns, seed },
    );
  });

  itInFull('are shown inputs of every class', () => {
    const seen = new Map<string, number>();
    const count = (name: string): void => void seen.set(name, (seen.get(name) ?? 0) + 1);
    for (const input of fc.sample(frameInputs, { numRuns: 3_000, seed: 6455 })) {
      const { events, failure } = ourVerdict(input);
      for (const event of events) count(event.slice(0, event.indexOf(' ')));
      count(failure === undefined ? 'unfailed' : String(failure));
      if (input.continuations > 0 && failure === undefined) count('fragmented');
      if (chunksOfInput(input).length > 1) count('split');
    }
    const atLeast = (name: string): number => seen.get(name) ?? 0;
    expect(atLeast('message')).toBeGreaterThan(3_000);
    expect(atLeast('ping')).toBeGreaterThan(500);
    expect(atLeast('pong')).toBeGreaterThan(500);
    expect(atLeast('close')).toBeGreaterThan(150);
    expect(atLeast('unfailed')).toBeGreaterThan(500);
    for (const failure of ['1002', '1007', '1008', '1009'])
      expect(atLeast(failure), failure).toBeGreaterThan(50);
    expect(atLeast('fragmented')).toBeGreaterThan(300);
    expect(atLeast('split')).toBeGreaterThan(1_000);
  });
});

function ourVerdict(input: FrameInput): Verdict {
  const events: string[] = [];
  const parser = new FrameParser(input, {
    onMessage: (payload) => void events.push(`message ${hex(payload)}`),
    onPing: (payload) => void events.push(`ping ${hex(payload)}`),
    onPong: (payload) => void events.push(`pong ${hex(payload)}`),
    onClose: (code, reason) => void events.push(`close ${code} ${reason}`),
  });
  let failure: number | undefined;
  for (const chunk of chunksOfInput(input)) failure ??= parser.push(chunk)?.closeCode;
  return { events, failure };
}

/**
 * Feeds the receiver through the method that every Writable implements, so that its answer comes at once: with
 * synchronous events allowed it always calls back before it returns.
 */
function verdictOfWs(input: FrameInput): Verdict {
  const events: string[] = [];
  const receiver = new Receiver({
    isServer: true,
    maxPayload: input.maxMessageBytes,
    maxFragments: input.maxFragments,
    allowSynchronousEvents: true,
  });
  let done = false;
  let failure: number | undefined;
  receiver.on('message', (payload: Buffer, isBinary: boolean) => {
    if (!isBinary) events.push(`message ${hex(payload)}`);
  });
  receiver.on('ping', (payload: Buffer) => events.push(`ping ${hex(payload)}`));
  receiver.on('pong', (payload: Buffer) => events.push(`pong ${hex(payload)}`));
  receiver.on('conclude', (code: number, reason: Buffer) => {
    done = true;
    events.push(`close ${code} ${reason.toString()}`);
  });
  for (const chunk of chunksOfInput(input)) {
    if (done) break;
    receiver._write(chunk, 'binary', (error) => {
      if (error === undefined || error === null) return;
      done = true;
      failure = statusOf(error);
    });
  }
  return { events, failure };
}

/** The close code that `ws` keeps at its errors, under a symbol of its own. */
function statusOf(error: Error): number {
  const symbol = Object.getOwnPropertySymbols(error).find((key) => key.description === 'status-code');
  return symbol === undefined ? Number.NaN : Number(Reflect.get(error, symbol));
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}
