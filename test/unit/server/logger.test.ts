import { EventEmitter } from 'node:events';
import { Writable } from 'node:stream';
import { describe, expect, test } from 'vitest';
import type { Logger } from '../../../src/broker/ports.js';
import { createLogger, flushLogger } from '../../../src/server/logger.js';

/** Keeps what it is given. */
class Sink extends EventEmitter {
  readonly lines: string[] = [];
  constructor(readonly isTTY = false) {
    super();
  }
  write(line: string): boolean {
    this.lines.push(line);
    return true;
  }
}

const settings = { logLevel: 'info', logFormat: 'auto' } as const;

test('lines are JSON, with the level as a word and an ISO time', () => {
  const sink = new Sink();
  const logger: Logger = createLogger(settings, sink);
  logger.info({ peer: 'abcde', bytes: 7 }, 'arrived');
  expect(JSON.parse(sink.lines.join(''))).toMatchObject({
    level: 'info',
    time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
    peer: 'abcde',
    bytes: 7,
    msg: 'arrived',
  });
});

test('on a terminal they are for people', () => {
  const sink = new Sink(true);
  createLogger(settings, sink).warn({ peer: 'abcde' }, 'left');
  expect(sink.lines).toEqual([expect.stringMatching(/WARN.*left.*\{"peer":"abcde"\}.*\n$/)]);
});

test('the format can be chosen', () => {
  const [json, pretty] = [new Sink(true), new Sink()];
  createLogger({ ...settings, logFormat: 'json' }, json).info({}, 'hello');
  createLogger({ ...settings, logFormat: 'pretty' }, pretty).info({}, 'hello');
  expect(JSON.parse(json.lines.join(''))).toMatchObject({ msg: 'hello' });
  expect(pretty.lines).toEqual([expect.stringMatching(/^\[\d\d:\d\d:\d\d\.\d{3}\] INFO: hello\n$/)]);
});

test('less important levels are left out', () => {
  const sink = new Sink();
  const logger = createLogger({ ...settings, logLevel: 'warn' }, sink);
  logger.info({}, 'one');
  logger.warn({}, 'two');
  createLogger({ ...settings, logLevel: 'silent' }, sink).fatal('three');
  expect(sink.lines).toHaveLength(1);
});

test('tokens and passphrases are never in them', () => {
  for (const sink of [new Sink(), new Sink(true)]) {
    const logger = createLogger(settings, sink);
    logger.info({ token: 'hush' }, 'a');
    logger.info(
      { request: { authorization: 'Bearer hush', headers: { authorization: 'hush', token: 'hush' } } },
      'b',
    );
    logger.info({ settings: { adminToken: 'hush', ssl: { passphrase: 'hush' }, tokens: ['hush'] } }, 'c');
    expect(sink.lines).toHaveLength(3);
    expect(sink.lines.join('')).not.toContain('hush');
  }
});

describe('a destination that fails', () => {
  test.each(['EPIPE', 'ENOSPC'])('with %s does not throw', (code) => {
    const sink = new Sink();
    const logger = createLogger(settings, sink);
    logger.info({}, 'one');
    expect(() => sink.emit('error', Object.assign(new Error(code), { code }))).not.toThrow();
    logger.info({}, 'two');
    expect(sink.lines).toHaveLength(2);
  });

  test('a stream that was destroyed is no reason to end', async () => {
    const stream = new Writable({ write: (_chunk, _encoding, done) => done(new Error('ENOSPC')) });
    const logger = createLogger(settings, stream);
    logger.info({}, 'one');
    await new Promise((resolve) => stream.once('close', resolve));
    expect(() => logger.info({}, 'two')).not.toThrow();
    await flushLogger(logger);
  });
});

test('flushing waits for the destination', async () => {
  const events: string[] = [];
  const sink = Object.assign(new Sink(true), {
    flush: (done: () => void) => {
      queueMicrotask(() => {
        events.push('flushed');
        done();
      });
    },
  });
  await flushLogger(createLogger(settings, sink));
  events.push('done');
  expect(events).toEqual(['flushed', 'done']);
});
