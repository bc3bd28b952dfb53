import { describe, expect, it } from 'vitest';
import { type AfterRestart, SentFrames } from '../../../src/client/core/session.js';

const frame = (
  text: string,
  more: { requestId?: string; afterRestart?: AfterRestart; isDispensable?: boolean } = {},
) => ({
  text,
  afterRestart: 'again' as const,
  requestId: undefined,
  isDispensable: false,
  canWait: false,
  ...more,
});

/** Hands everything over that waits. */
function sent(frames: SentFrames): string[] {
  const texts: string[] = [];
  for (let next = frames.next(); next !== undefined; next = frames.next()) texts.push(next.text);
  return texts;
}

describe('what was sent', () => {
  it('goes out once and in order, and again from where the server is', () => {
    const frames = new SentFrames(1_000);
    for (const text of ['a', 'b', 'c']) frames.add(frame(text));
    expect(sent(frames)).toEqual(['a', 'b', 'c']);
    frames.add(frame('d'));
    expect(frames.resume(1)).toBe(true);
    expect(sent(frames)).toEqual(['b', 'c', 'd']);
  });

  it('is forgotten when it has arrived, and a session that needs it cannot go on', () => {
    const frames = new SentFrames(1_000);
    for (const text of ['a', 'b', 'c']) frames.add(frame(text));
    sent(frames);
    frames.arrived(2);
    expect(frames.resume(1)).toBe(false);
    expect(frames.resume(4)).toBe(false);
    expect(frames.resume(2)).toBe(true);
    expect(sent(frames)).toEqual(['c']);
  });

  it('makes room, the oldest first, where one who stands still keeps all from having arrived: then a session that needs it cannot go on', () => {
    const frames = new SentFrames(10);
    frames.add(frame('request1', { requestId: '1' }));
    sent(frames);
    for (const text of ['event 1', 'event 2', 'event 3', 'event 4']) {
      frames.add(frame(text, { isDispensable: true }));
      expect(sent(frames)).toEqual([text]);
    }
    expect([frames.resume(3), frames.resume(1)]).toEqual([false, false]);
    expect(frames.resume(4)).toBe(true);
    expect(sent(frames)).toEqual(['event 4']);
    frames.arrived(4);
    expect(frames.takeForNewServer()).toEqual([]);
    // What was forgotten does not come as nothing; the request has no answer.
    expect(sent(frames)).toEqual(['request1', 'event 4']);
  });

  it('goes to a new server in the old order, without what is out of date, and with what has no answer', () => {
    const frames = new SentFrames(1_000);
    frames.add(frame('old request', { requestId: '1' }));
    frames.add(frame('answered request', { requestId: '2' }));
    sent(frames);
    frames.arrived(2);
    frames.answered('2');
    frames.add(frame('event'));
    frames.add(frame('root', { afterRestart: 'outdated' }));
    frames.add(frame('release', { requestId: '3', afterRestart: 'once' }));
    frames.add(frame('answer', { afterRestart: 'asked-for' }));
    sent(frames);
    frames.add(frame('root of later', { afterRestart: 'outdated' }));
    frames.add(frame('release of later', { requestId: '4', afterRestart: 'once' }));
    frames.add(frame('answer of later', { afterRestart: 'asked-for' }));
    expect(frames.takeForNewServer()).toEqual(['3']);
    expect(sent(frames)).toEqual(['old request', 'event', 'root of later', 'release of later']);
  });

  it('has a first word to a new server, which counts and is sent again like the rest', () => {
    const frames = new SentFrames(1_000);
    frames.add(frame('event'));
    frames.takeForNewServer();
    frames.addFirst(frame('locks:[]', { afterRestart: 'outdated' }));
    expect(sent(frames)).toEqual(['locks:[]', 'event']);
    expect(frames.resume(0)).toBe(true);
    expect(sent(frames)).toEqual(['locks:[]', 'event']);
    expect(frames.resume(1)).toBe(true);
    expect(sent(frames)).toEqual(['event']);
  });

  it('is asked in the new name after this client had to take another one', () => {
    const frames = new SentFrames(1_000);
    frames.add(frame('to:[master];{"type":"lock-request","from":"old-id"}', { requestId: '1' }));
    sent(frames);
    // It has arrived, and is not answered.
    frames.arrived(1);
    frames.comeAnew('old-id', 'new-id');
    frames.takeForNewServer();
    expect(sent(frames)).toEqual(['to:[master];{"type":"lock-request","from":"new-id"}']);
  });

  it('is not said of the file any more after this client was given up: others have gone on without it', () => {
    const frames = new SentFrames(1_000);
    const add = (text: string, afterRestart: AfterRestart): boolean =>
      frames.add(frame(text, { afterRestart }));
    add('root', 'outdated');
    sent(frames);
    add('cache', 'outdated');
    frames.add(frame('space', { afterRestart: 'once', requestId: '1' }));
    add('event', 'again');
    expect(frames.comeAnew('old-id', 'new-id')).toEqual(['1']);
    expect(frames.takeForNewServer()).toEqual([]);
    expect(sent(frames)).toEqual(['event']);
  });

  it('is said of the tables again by a master that is in its place still, and not by one that was given up', () => {
    for (const [isGivenUp, said] of [
      [false, ['key', 'event', 'index']],
      [true, ['event']],
    ] as const) {
      const frames = new SentFrames(1_000);
      const add = (text: string, afterRestart: AfterRestart): boolean =>
        frames.add(frame(text, { afterRestart }));
      add('key', 'by the same master');
      add('event', 'again');
      sent(frames);
      add('index', 'by the same master');
      if (isGivenUp) frames.comeAnew('[master]', '[master]');
      frames.takeForNewServer();
      expect(sent(frames)).toEqual(said);
    }
  });

  it('is bounded: requests and events have no room, what others rely on has', () => {
    const frames = new SentFrames(10);
    expect(frames.add(frame('123456789'))).toBe(true);
    expect(frames.add(frame('request', { requestId: '1' }))).toBe(false);
    expect(frames.add(frame('event', { isDispensable: true }))).toBe(false);
    expect(frames.add(frame('notification'))).toBe(true);
    expect(frames.dropped).toBe(2);
    expect(sent(frames)).toEqual(['123456789', 'notification']);
  });

  it('takes no memory for what has arrived', () => {
    const frames = new SentFrames(100);
    for (let n = 1; n <= 100_000; n++) {
      frames.add(frame('0123456789'));
      sent(frames);
      frames.arrived(n);
    }
    expect(frames.waiting).toBe(0);
    expect(frames.dropped).toBe(0);
  });
});
