import { describe, expect, it } from 'vitest';
import type { Outcome } from '../../../src/client/core/ports.js';
import type { Frame } from '../../../src/client/core/session.js';
import { Outflow } from '../../../src/client/core/session.js';

const TERMS = { maxPayload: 10, hasSessions: true };
const LONG = 'longer than ten units';

const frame = (text: string, more: Partial<Frame> = {}): Frame => ({
  text,
  afterRestart: 'again',
  requestId: undefined,
  isDispensable: false,
  canWait: false,
  ...more,
});

/** Everything that has been decided by now has happened. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

function lab() {
  const told: string[] = [];
  let inStep: () => void = () => undefined;
  let arrived: (outcome: Outcome) => void = () => undefined;
  const awaited = new Set<string>();
  const line = {
    isOpen: true,
    send: (text: string, canWait: boolean) => told.push(canWait ? `${text}, with the next` : text),
    inStep: (callback: () => void) => {
      inStep = callback;
    },
    renew: () => told.push('renewed'),
  };
  const outflow = new Outflow({
    line: line as unknown as { isOpen: boolean } & ConstructorParameters<typeof Outflow>[0]['line'],
    maxKeptUnits: 1_000,
    isAwaited: (peerId) => awaited.has(peerId),
    sendLong: (text) => {
      told.push(`over HTTP: ${text}`);
      return new Promise((resolve) => {
        arrived = resolve;
      });
    },
    tooLong: (requestId, reason) => told.push(`too long: ${requestId}, ${reason}`),
  });
  return {
    outflow,
    told,
    line,
    awaited,
    pong: async () => {
      inStep();
      await settled();
    },
    answer: async (outcome: Outcome) => {
      arrived(outcome);
      await settled();
    },
  };
}

describe('a message that is too long for the line', () => {
  it('goes when all before it was read, and all after it when it has arrived', async () => {
    const { outflow, told, pong, answer } = lab();
    outflow.begin(TERMS);
    for (const text of ['before', LONG, 'after']) outflow.add(frame(text));
    expect(told).toEqual(['before']);
    await pong();
    expect(told).toEqual(['before', `over HTTP: ${LONG}`]);
    await answer({ kind: 'taken' });
    expect(told).toEqual(['before', `over HTTP: ${LONG}`, 'after']);
  });

  it('does not count if the server does not take it, and its request fails', async () => {
    const { outflow, told, pong, answer } = lab();
    outflow.begin(TERMS);
    outflow.add(frame('before'));
    outflow.add(frame(LONG, { requestId: 'r1' }));
    outflow.add(frame('after'));
    await pong();
    await answer({ kind: 'refused', reason: '413' });
    expect(told.slice(2)).toEqual(['too long: r1, 413', 'after']);
    // The server has counted two frames: nothing is to be sent again.
    outflow.lineLost();
    expect(outflow.resume(2)).toBe(true);
    outflow.begin(TERMS);
    expect(told.slice(4)).toEqual([]);
  });

  it('may or may not have arrived: the server says so on the next line', async () => {
    const { outflow, told, pong, answer } = lab();
    outflow.begin(TERMS);
    outflow.add(frame(LONG));
    await pong();
    await answer({ kind: 'unknown', reason: 'no answer' });
    expect(told.slice(1)).toEqual(['renewed']);
    outflow.lineLost();
    outflow.add(frame('after'));
    expect(outflow.resume(1)).toBe(true);
    outflow.begin(TERMS);
    expect(told.slice(2)).toEqual(['after']);
  });

  it('lets nothing out on a line that has no welcome yet, when its own line broke under it', async () => {
    const { outflow, told, pong, answer } = lab();
    outflow.begin(TERMS);
    outflow.add(frame(LONG));
    await pong();
    outflow.add(frame('after'));
    outflow.lineLost();
    await answer({ kind: 'taken' });
    expect(told).toEqual([`over HTTP: ${LONG}`]);
    outflow.resume(1);
    outflow.begin(TERMS);
    expect(told.slice(1)).toEqual(['after']);
  });
});

describe('what is sent', () => {
  it('waits for a receiver that is not back at a new server, if it is an event; and is dropped with it', () => {
    const { outflow, told, awaited } = lab();
    const event = (text: string, to: string) => frame(text, { to, isDispensable: true });
    outflow.add(event('unsent', 'a'));
    awaited.add('a').add('b');
    outflow.takeForNewServer('locks:[]');
    outflow.holdBackEarly();
    outflow.begin(TERMS);
    outflow.add(event('a2', 'a'));
    outflow.add(event('b1', 'b'));
    outflow.add(frame('request', { to: 'a' }));
    expect(told).toEqual(['locks:[]', 'request']);
    awaited.clear();
    outflow.isBack('a');
    outflow.isGone('b');
    outflow.isBack('b');
    expect(told.slice(2)).toEqual(['unsent', 'a2']);
  });

  it('is kept while there is no line, words of the session as well', () => {
    const { outflow, told } = lab();
    outflow.begin(TERMS);
    outflow.add(frame('one'));
    outflow.lineLost();
    outflow.say('ready');
    expect(told).toEqual(['one']);
    outflow.resume(1);
    outflow.begin(TERMS);
    expect(told).toEqual(['one', 'ready']);
  });

  it('goes by the way if it answers what was asked before the welcome, on that line only', () => {
    const { outflow, told, line } = lab();
    outflow.add(frame('request'));
    outflow.answerer()('answer');
    expect(told).toEqual(['answer']);
    const late = [outflow.answerer()];
    outflow.lineLost();
    late.push(outflow.answerer());
    outflow.begin(TERMS);
    for (const answer of late) answer('late');
    expect(told.slice(1)).toEqual(['request']);
    outflow.answerer()('word');
    outflow.lineLost();
    line.isOpen = false;
    outflow.answerer()('lost');
    expect(told.slice(2)).toEqual(['word']);
    expect(outflow.resume(1)).toBe(true);
    line.isOpen = true;
    outflow.begin(TERMS);
    expect(told.slice(3)).toEqual(['word']);
  });
});
