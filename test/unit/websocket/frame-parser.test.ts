import { describe, expect, it } from 'vitest';
import { DEFAULT_MAX_FRAGMENTS, FrameParser } from '../../../src/websocket/frame-parser.js';
import { chunksOf, clientFrame } from '../../support/client-frames.js';

/** A parser, and what it said, in order. */
function listen(limits: { maxMessageBytes?: number; maxFragments?: number } = {}) {
  const events: string[] = [];
  const payloads: Uint8Array[] = [];
  const parser = new FrameParser(
    { maxMessageBytes: 1_000_000, ...limits },
    {
      onMessage(payload) {
        payloads.push(payload);
        events.push(`message ${Buffer.from(payload).toString()}`);
      },
      onPing: (payload) => void events.push(`ping ${Buffer.from(payload).toString()}`),
      onPong: (payload) => void events.push(`pong ${Buffer.from(payload).toString()}`),
      onClose: (code, reason) => void events.push(`close ${code} ${reason}`),
    },
  );
  return { parser, events, payloads };
}

/** The code that the bytes fail with. */
function failureOf(bytes: Uint8Array, limits = {}): number | undefined {
  const { parser } = listen(limits);
  let failure: number | undefined;
  for (const chunk of chunksOf(bytes, () => 7)) failure ??= parser.push(chunk)?.closeCode;
  expect(listen(limits).parser.push(Buffer.from(bytes))?.closeCode).toBe(failure);
  return failure;
}

const CONVERSATION = Buffer.concat([
  clientFrame(1, 'one'),
  clientFrame(1, ''),
  clientFrame(9, 'p'.repeat(125)),
  clientFrame(1, 'ä€😀'.repeat(30), { final: false }),
  clientFrame(10, 'between'),
  clientFrame(0, '', { final: false }),
  clientFrame(0, 'end', { mask: 0 }),
  clientFrame(2, Buffer.alloc(300, 0xff)),
  clientFrame(1, 'long'.repeat(20_000)),
  clientFrame(8, Buffer.concat([Buffer.of(0x03, 0xe8), Buffer.from('bye')])),
  clientFrame(1, 'not heard'),
]);

const HEARD = [
  'message one',
  'message ',
  `ping ${'p'.repeat(125)}`,
  'pong between',
  `message ${'ä€😀'.repeat(30)}end`,
  `message ${'long'.repeat(20_000)}`,
  'close 1000 bye',
];

describe('FrameParser', () => {
  it.each([1, 2, 3, 5, 13, 14, 130, 1000, 65_536, 1_000_000])('finds messages in chunks of %i', (size) => {
    const { parser, events } = listen();
    // One assertion: there are as many chunks as bytes.
    const failures = [...chunksOf(CONVERSATION, () => size)].flatMap((chunk) => parser.push(chunk) ?? []);
    expect(failures).toEqual([]);
    expect(events).toEqual(HEARD);
    expect(parser.stopped).toBe(true);
  });

  it('hands on a message within one chunk as a view of it', () => {
    const { parser, payloads } = listen();
    const chunk = Buffer.concat([clientFrame(1, 'a'.repeat(200)), clientFrame(1, 'b'.repeat(201))]);
    parser.push(chunk);
    expect(payloads.map((payload) => payload.buffer === chunk.buffer)).toEqual([true, true]);
  });

  it('never changes what it handed on', () => {
    const { parser, payloads } = listen();
    const texts = Array.from({ length: 40 }, (_, index) => String.fromCharCode(48 + index).repeat(index * 3));
    parser.push(
      Buffer.concat(texts.map((text, index) => clientFrame(1, text, { mask: index * 0x01234567 }))),
    );
    expect(payloads.map((payload) => Buffer.from(payload).toString())).toEqual(texts);
  });

  it('takes lengths that are not in the shortest form, as ws does', () => {
    const { parser, events } = listen();
    parser.push(
      Buffer.concat([clientFrame(1, 'a', { lengthForm: '16' }), clientFrame(1, 'b', { lengthForm: '64' })]),
    );
    expect(events).toEqual(['message a', 'message b']);
  });

  it('stops when told, in the midst of a chunk', () => {
    const events: string[] = [];
    const parser = new FrameParser(
      { maxMessageBytes: 100 },
      {
        onMessage(payload) {
          events.push(Buffer.from(payload).toString());
          parser.stop();
        },
        onPing() {},
        onPong() {},
        onClose() {},
      },
    );
    parser.push(Buffer.concat([clientFrame(1, 'a'), clientFrame(1, 'b')]));
    parser.push(clientFrame(1, 'c'));
    expect(events).toEqual(['a']);
  });

  it.each<readonly [string, Buffer]>([
    ['a frame without a mask', clientFrame(1, 'x', { mask: undefined })],
    ['reserved bit 1', clientFrame(1, 'x', { reserved: 4 })],
    ['reserved bit 2', clientFrame(1, 'x', { reserved: 2 })],
    ['reserved bit 3', clientFrame(9, 'x', { reserved: 1 })],
    ...[3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map(
      (opcode) => [`opcode ${opcode}`, clientFrame(opcode, '')] as const,
    ),
    ['a ping in fragments', clientFrame(9, '', { final: false })],
    ['a ping of 126 bytes', clientFrame(9, 'p'.repeat(126))],
    ['a continuation of nothing', clientFrame(0, 'x')],
    ['a message in a message', Buffer.concat([clientFrame(1, 'x', { final: false }), clientFrame(1, 'y')])],
    ['a close frame of one byte', clientFrame(8, 'x')],
    ['close code 1005', clientFrame(8, Buffer.of(0x03, 0xed))],
    ['close code 999', clientFrame(8, Buffer.of(0x03, 0xe7))],
  ])('fails with 1002 at %s', (_, bytes) => {
    expect(failureOf(bytes)).toBe(1002);
  });

  it.each([
    ['a text message', clientFrame(1, Buffer.of(0xc0, 0x80))],
    ['the end of a text message', clientFrame(1, Buffer.of(0x61, 0xe2, 0x82))],
    ['a surrogate', clientFrame(1, Buffer.of(0xed, 0xa0, 0x80))],
    ['a close reason', clientFrame(8, Buffer.of(0x03, 0xe8, 0xff))],
  ])('fails with 1007 when %s is not UTF-8', (_, bytes) => {
    expect(failureOf(bytes)).toBe(1007);
  });

  it('takes characters that are cut by fragments', () => {
    const euro = Buffer.from('€');
    const { parser, events } = listen();
    parser.push(
      Buffer.concat([
        clientFrame(1, euro.subarray(0, 1), { final: false }),
        clientFrame(0, euro.subarray(1)),
      ]),
    );
    expect(events).toEqual(['message €']);
  });

  it.each([
    ['one frame', clientFrame(1, 'x'.repeat(101)).subarray(0, 2)],
    ['a binary frame', clientFrame(2, 'x'.repeat(101)).subarray(0, 2)],
    ['an announcement', clientFrame(1, '', { announced: 96n << 20n }).subarray(0, 10)],
    ['2^53', clientFrame(1, '', { announced: 1n << 53n }).subarray(0, 10)],
    ['2^64 - 1', clientFrame(1, '', { announced: (1n << 64n) - 1n }).subarray(0, 10)],
    [
      'fragments',
      Buffer.concat([clientFrame(1, 'x'.repeat(60), { final: false }), clientFrame(0, 'x'.repeat(41))]),
    ],
  ])('fails with 1009 from the header of %s that is too long', (_, bytes) => {
    expect(failureOf(bytes, { maxMessageBytes: 100 })).toBe(1009);
  });

  it('takes a message of exactly the limit, and again', () => {
    const { parser, events } = listen({ maxMessageBytes: 100 });
    const message = clientFrame(1, 'x'.repeat(100));
    expect(parser.push(Buffer.concat([message, message]))).toBeUndefined();
    expect(events).toHaveLength(2);
  });

  it('bounds the fragments of one message, also when they are empty', () => {
    const empty = clientFrame(0, '', { final: false });
    const flood = Buffer.concat([
      clientFrame(1, '', { final: false }),
      ...Array.from({ length: DEFAULT_MAX_FRAGMENTS - 1 }, () => empty),
    ]);
    const { parser } = listen();
    expect(parser.push(flood)).toBeUndefined();
    expect(parser.push(Buffer.from(empty))?.closeCode).toBe(1008);
    expect(parser.push(Buffer.from(empty))).toBeUndefined();
  });
});

describe('a chunk whose rest is left for later', () => {
  const bytes = Buffer.concat([
    clientFrame(1, 'one'),
    clientFrame(9, 'ping'),
    clientFrame(1, 'begun, ', { final: false }),
    clientFrame(9, 'between'),
    clientFrame(0, 'and ended'),
    clientFrame(1, 'a longer message, whose words are unmasked four bytes at a time'),
    clientFrame(10, 'pong'),
    clientFrame(8, Buffer.of(0x03, 0xe8)),
    clientFrame(1, 'is not heard'),
  ]);

  /** What is heard when the parser is paused at everything that it finds. */
  function heardInPortions(chunks: readonly Uint8Array[]): string[] {
    const events: string[] = [];
    const heard = (what: string) => (payload: Uint8Array) => {
      events.push(`${what} ${Buffer.from(payload).toString()}`);
      parser.pause();
    };
    const parser: FrameParser = new FrameParser(
      { maxMessageBytes: 1_000 },
      {
        onMessage: heard('message'),
        onPing: heard('ping'),
        onPong: heard('pong'),
        onClose: (code, reason) => void events.push(`close ${code} ${reason}`),
      },
    );
    for (const chunk of chunks) {
      for (let rest: Uint8Array | undefined = chunk; rest !== undefined; rest = parser.takeRest()) {
        const before = events.length;
        expect(parser.push(rest)).toBeUndefined();
        expect(events.length - before).toBeLessThanOrEqual(1);
      }
    }
    return events;
  }

  it.each([1, 2, 7, 30, 1_000])('gives the same, in the same order, in chunks of %i', (size) => {
    const { parser, events } = listen();
    expect(parser.push(Buffer.from(bytes))).toBeUndefined();
    expect(events).toHaveLength(7);
    expect(heardInPortions(chunksOf(Buffer.from(bytes), () => size))).toEqual(events);
  });
});
