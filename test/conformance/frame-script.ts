/** Random input for a frame parser: mostly conversations that make sense, with something wrong in many of them. */

import fc from 'fast-check';
import { anyText } from '../support/any-text.js';
import { type ClientFrame, chunksOf, encodeFrame } from '../support/client-frames.js';

/** One input, and the bounds it is parsed under. */
export interface FrameInput {
  readonly bytes: Buffer;
  /** The sizes of the chunks, used in turn. */
  readonly chunkSizes: readonly number[];
  readonly maxMessageBytes: number;
  readonly maxFragments: number;
  /** Continuation frames that were written. */
  readonly continuations: number;
}

export function chunksOfInput(input: FrameInput): Buffer[] {
  const sizes = input.chunkSizes;
  return chunksOf(input.bytes, (index) => sizes[index % sizes.length] ?? 1);
}

const mask = fc.oneof(
  { weight: 5, arbitrary: fc.nat({ max: 0xffff_ffff }) },
  { weight: 1, arbitrary: fc.constant(0) },
);

const text = fc
  .oneof({ weight: 4, arbitrary: fc.string({ maxLength: 60 }) }, { weight: 4, arbitrary: anyText(40) })
  .map((value) => Buffer.from(value));

/** Lengths around the limits of the three forms, filled with one character. */
const patterned = fc
  .tuple(
    fc.oneof(
      { weight: 6, arbitrary: fc.nat({ max: 700 }) },
      { weight: 3, arbitrary: fc.constantFrom(0, 1, 2, 124, 125, 126, 127) },
      { weight: 1, arbitrary: fc.constantFrom(16_383, 65_535, 65_536, 66_000) },
    ),
    fc.constantFrom('a', 'é', '…', '😀', '\u0000'),
  )
  .map(([length, character]) => Buffer.alloc(length, character).subarray(0, length));

const noise = fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes));

const payload = fc.oneof(
  { weight: 12, arbitrary: text },
  { weight: 6, arbitrary: patterned },
  { weight: 1, arbitrary: noise },
);

const lengthForm = fc.oneof(
  { weight: 8, arbitrary: fc.constant('shortest' as const) },
  { weight: 1, arbitrary: fc.constantFrom('16' as const, '64' as const) },
);

const ordinary = { final: true, reserved: 0, lengthForm: 'shortest' } as const;

const ping = fc
  .tuple(fc.constantFrom(9, 10), mask, fc.uint8Array({ maxLength: 125 }))
  .map(([opcode, key, bytes]): ClientFrame => ({ ...ordinary, opcode, mask: key, payload: bytes }));

const closePayload = fc.oneof(
  { weight: 1, arbitrary: fc.constant(Buffer.alloc(0)) },
  {
    weight: 6,
    arbitrary: fc
      .tuple(
        fc.oneof(
          fc.integer({ min: 990, max: 1020 }),
          fc.nat({ max: 65_535 }),
          fc.constantFrom(2999, 3000, 4999, 5000),
        ),
        fc.oneof({ weight: 4, arbitrary: text }, { weight: 1, arbitrary: noise }),
      )
      .map(([code, reason]) => Buffer.concat([Buffer.of(code >>> 8, code & 0xff), reason]).subarray(0, 125)),
  },
  { weight: 1, arbitrary: noise },
);

const close = fc
  .tuple(mask, closePayload)
  .map(([key, bytes]): ClientFrame => ({ ...ordinary, opcode: 8, mask: key, payload: bytes }));

/** A message in one frame or many, with control frames between them. */
const message = fc
  .record({
    opcode: fc.constantFrom(1, 1, 1, 2),
    payload,
    cuts: fc.array(fc.nat({ max: 1000 }), { maxLength: 5 }),
    keys: fc.tuple(mask, mask),
    lengthForm,
    between: fc.option(ping, { freq: 4, nil: undefined }),
  })
  .map((from): ClientFrame[] => {
    const ends = from.cuts.map((cut) => Math.floor((cut / 1000) * from.payload.length)).sort((a, b) => a - b);
    const frames: ClientFrame[] = [];
    let begin = 0;
    for (const [index, end] of [...ends, from.payload.length].entries()) {
      if (index > 0 && from.between !== undefined) frames.push(from.between);
      frames.push({
        final: index === ends.length,
        reserved: 0,
        opcode: index === 0 ? from.opcode : 0,
        mask: from.keys[index & 1],
        lengthForm: from.lengthForm,
        payload: from.payload.subarray(begin, end),
      });
      begin = end;
    }
    return frames;
  });

/** A frame with any header whatever. */
const anyFrame = fc.record({
  final: fc.boolean(),
  reserved: fc.constantFrom(0, 0, 0, 0, 1, 2, 4, 7),
  opcode: fc.nat({ max: 15 }),
  mask: fc.option(mask, { freq: 8, nil: undefined }),
  lengthForm,
  payload,
});

/** A text frame that announces more than anyone takes. */
const huge = fc
  .tuple(
    mask,
    fc.constantFrom(1n << 20n, 1n << 32n, (1n << 53n) - 1n, 1n << 53n, 1n << 63n, (1n << 64n) - 1n),
    text,
  )
  .map(
    ([key, announced, bytes]): ClientFrame => ({
      ...ordinary,
      opcode: 1,
      mask: key,
      payload: bytes,
      announced,
    }),
  );

const frames = fc
  .array(
    fc.oneof(
      { weight: 28, arbitrary: message },
      { weight: 8, arbitrary: ping.map((frame) => [frame]) },
      { weight: 1, arbitrary: close.map((frame) => [frame]) },
      { weight: 1, arbitrary: anyFrame.map((frame) => [frame]) },
    ),
    { minLength: 1, maxLength: 8, size: 'max' },
  )
  .map((list) => list.flat());

/** How the conversation ends. */
const lastFrames = fc.oneof(
  { weight: 4, arbitrary: fc.constant<ClientFrame[]>([]) },
  { weight: 2, arbitrary: close.map((frame) => [frame]) },
  { weight: 1, arbitrary: fc.oneof(anyFrame, huge).map((frame) => [frame]) },
);

/** What goes wrong on the way. */
interface Corruption {
  readonly kind: 'flip' | 'cut' | 'insert' | 'repeat';
  /** Where: in thousandths of the input. */
  readonly at: number;
  readonly value: number;
}

const corruption: fc.Arbitrary<Corruption> = fc.record({
  kind: fc.constantFrom('flip' as const, 'cut' as const, 'insert' as const, 'repeat' as const),
  at: fc.nat({ max: 1000 }),
  value: fc.nat({ max: 255 }),
});

function corrupt(bytes: Buffer, how: Corruption): Buffer {
  const at = Math.floor((how.at / 1000) * bytes.length);
  const [before, after] = [bytes.subarray(0, at), bytes.subarray(at)];
  if (how.kind === 'flip') {
    const copy = Buffer.from(bytes);
    if (at < copy.length) copy[at] = (copy[at] ?? 0) ^ (1 << (how.value & 7));
    return copy;
  }
  if (how.kind === 'cut') return Buffer.concat([before, after.subarray(how.value >>> 3)]);
  if (how.kind === 'insert') return Buffer.concat([before, Buffer.of(how.value), after]);
  return Buffer.concat([before, after.subarray(0, how.value >>> 2), after]);
}

const chunkSizes = fc.oneof(
  { weight: 3, arbitrary: fc.constant([65_536]) },
  { weight: 2, arbitrary: fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 6 }) },
  { weight: 2, arbitrary: fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 6 }) },
  { weight: 1, arbitrary: fc.array(fc.integer({ min: 1, max: 40_000 }), { minLength: 1, maxLength: 4 }) },
);

/** Inputs. */
export const frameInputs: fc.Arbitrary<FrameInput> = fc
  .record({
    frames,
    lastFrames,
    corruptions: fc.oneof(
      { weight: 3, arbitrary: fc.constant<Corruption[]>([]) },
      { weight: 1, arbitrary: fc.array(corruption, { minLength: 1, maxLength: 3 }) },
    ),
    chunkSizes,
    maxMessageBytes: fc.constantFrom(100, 600, 20_000, 1_000_000, 1_000_000, 1_000_000),
    maxFragments: fc.constantFrom(3, 1000, 1000, 1000, 1000),
  })
  .map((from) => ({
    bytes: from.corruptions.reduce<Buffer>(
      corrupt,
      Buffer.concat([...from.frames, ...from.lastFrames].map(encodeFrame)),
    ),
    chunkSizes: from.chunkSizes,
    maxMessageBytes: from.maxMessageBytes,
    maxFragments: from.maxFragments,
    continuations: from.frames.filter((frame) => frame.opcode === 0).length,
  }));
