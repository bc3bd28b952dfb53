import { expect, test } from 'vitest';
import { type FeedState, StatusFeed } from '../../../dashboard/src/feed.js';
import type { Status } from '../../../dashboard/src/status.js';
import { statusOf } from '../../support/scripted-status.js';
import { VirtualClock } from '../../support/virtual-clock.js';

/** One request of the feed, answered by the test. */
interface Attempt {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  readonly answer: (response: Response) => void;
  readonly fail: () => void;
}

/** A feed, and the world around it. */
class Lab {
  readonly clock = new VirtualClock();
  readonly attempts: Attempt[] = [];
  readonly received: Status[] = [];
  readonly states: FeedState[] = [];
  readonly feed = new StatusFeed(
    {
      fetch: (path, { headers, signal }) =>
        new Promise((answer, reject) => {
          const fail = () => reject(new TypeError('Failed to fetch'));
          signal.addEventListener('abort', fail);
          this.attempts.push({
            path,
            headers,
            signal,
            answer,
            fail,
          });
        }),
      now: () => this.clock.now(),
      schedule: (ms, run) => this.clock.schedule(ms, run),
    },
    {
      changed: (state) => void this.states.push(state),
      received: (status) => void this.received.push(status),
    },
  );

  get last(): Attempt {
    const attempt = this.attempts.at(-1);
    if (attempt === undefined) throw new Error('Nothing was asked for');
    return attempt;
  }

  /** Answers the last request with a stream. @returns says what comes in it */
  async open(): Promise<{ say: (text: string) => Promise<void>; end: () => Promise<void> }> {
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    const { signal } = this.last;
    const writer = writable.getWriter();
    signal.addEventListener('abort', () => void writer.abort().catch(() => undefined));
    this.last.answer(new Response(readable));
    await settled();
    return {
      say: async (text) => {
        await writer.write(new TextEncoder().encode(text));
        await settled();
      },
      end: async () => {
        await writer.close();
        await settled();
      },
    };
  }
}

/** When all promises that can go on have done so. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

const event = (status: Status) => `event: status\ndata: ${JSON.stringify(status)}\n\n`;

function refusal(status: number, body: unknown): Response {
  return new Response(JSON.stringify(body), { status });
}

test('shows the token in a header, never in the address', () => {
  const lab = new Lab();
  lab.feed.start('sesame');
  expect(lab.last).toMatchObject({
    path: 'status/stream',
    headers: { Authorization: 'Bearer sesame', Accept: 'text/event-stream' },
  });
  lab.feed.start(null);
  expect(lab.last.headers).not.toHaveProperty('Authorization');
});

test('is live with the first status', async () => {
  const lab = new Lab();
  lab.feed.start(null);
  const stream = await lab.open();
  expect(lab.feed.state).toEqual({ kind: 'connecting' });
  await stream.say(event(statusOf([])));
  expect(lab.feed.state).toEqual({ kind: 'live' });
  await stream.say(': alive\n\nevent: other\ndata: x\n\n');
  await stream.say(event(statusOf([], { connections: 7 })));
  expect(lab.received.map(({ server }) => server.connections)).toEqual([2, 7]);
});

test('connects again when the line ends, later each time, and at once after a good one', async () => {
  const lab = new Lab();
  lab.feed.start(null);
  await (await lab.open()).end();
  expect(lab.feed.state).toMatchObject({
    kind: 'lost',
    reason: 'The connection ended.',
    since: lab.clock.now(),
  });
  const waits: number[] = [];
  for (let i = 0; i < 9; i++) {
    const { state } = lab.feed;
    if (state.kind !== 'lost') throw new Error(`It is ${state.kind}`);
    waits.push(state.retryAt - lab.clock.now());
    lab.clock.advance(state.retryAt - lab.clock.now());
    expect(lab.attempts).toHaveLength(i + 2);
    lab.last.fail();
    await settled();
  }
  expect(waits.slice(0, 3).map(Math.round)).toEqual([500, 850, 1_445]);
  expect(waits.at(-1)).toBe(10_000);
  expect(lab.feed.state).toMatchObject({ reason: 'The server cannot be reached.' });

  lab.clock.advance(10_000);
  const stream = await lab.open();
  await stream.say(event(statusOf([])));
  await stream.end();
  expect(lab.feed.state).toMatchObject({
    kind: 'lost',
    since: lab.clock.now(),
    retryAt: lab.clock.now() + 500,
  });
});

test('gives up a line on which nothing comes', async () => {
  const lab = new Lab();
  lab.feed.start(null);
  const stream = await lab.open();
  await stream.say(event(statusOf([])));
  lab.clock.advance(14_999);
  await stream.say(': alive\n\n');
  lab.clock.advance(14_999);
  await settled();
  expect(lab.feed.state.kind).toBe('live');
  lab.clock.advance(1);
  await settled();
  expect(lab.last.signal.aborted).toBe(true);
  expect(lab.feed.state).toMatchObject({ kind: 'lost', reason: 'The server is silent.' });
});

test('asks for a token, and says whether the one it had was wrong; it does not try by itself', async () => {
  const lab = new Lab();
  lab.feed.start(null);
  lab.last.answer(refusal(401, { code: 'IPC_HTTP_UNAUTHORIZED' }));
  await settled();
  expect(lab.feed.state).toEqual({ kind: 'token', wasWrong: false });
  lab.feed.start('barley');
  lab.last.answer(refusal(401, {}));
  await settled();
  expect(lab.feed.state).toEqual({ kind: 'token', wasWrong: true });
  lab.clock.advance(60_000);
  expect(lab.attempts).toHaveLength(2);
});

test('repeats what a server says that refuses the page, until somebody has it try again', async () => {
  const lab = new Lab();
  lab.feed.start(null);
  lab.last.answer(
    refusal(421, { code: 'IPC_REFUSED_HOST', message: 'No such name.', remedy: 'Use another.' }),
  );
  await settled();
  expect(lab.feed.state).toEqual({ kind: 'refused', message: 'No such name.', remedy: 'Use another.' });
  lab.feed.retry();
  expect(lab.attempts).toHaveLength(2);
  lab.last.answer(refusal(403, { message: { not: 'text' } }));
  await settled();
  expect(lab.feed.state).toEqual({
    kind: 'refused',
    message: 'The server refuses this page (HTTP 403).',
    remedy: '',
  });
});

test('tries again after any other answer', async () => {
  const lab = new Lab();
  lab.feed.start(null);
  lab.last.answer(new Response('<h1>Bad gateway</h1>', { status: 502 }));
  await settled();
  expect(lab.feed.state).toMatchObject({ kind: 'lost', reason: 'The server answers with HTTP 502.' });
  lab.clock.advance(500);
  lab.last.answer(refusal(503, { message: 'It is stopping.' }));
  await settled();
  expect(lab.feed.state).toMatchObject({ reason: 'The server answers with HTTP 503: It is stopping.' });
});

test('tries at once when somebody says so, and not twice', async () => {
  const lab = new Lab();
  lab.feed.start(null);
  lab.last.fail();
  await settled();
  lab.feed.retry();
  expect(lab.attempts).toHaveLength(2);
  lab.clock.advance(5_000);
  expect(lab.attempts).toHaveLength(2);
});

test('an earlier line says no more when another token is shown', async () => {
  const lab = new Lab();
  lab.feed.start('first');
  const stream = await lab.open();
  await stream.say(event(statusOf([])));
  lab.feed.start('second');
  await stream.say(event(statusOf([]))).catch(() => undefined);
  await settled();
  expect(lab.received).toHaveLength(1);
  expect(lab.feed.state).toEqual({ kind: 'connecting' });
});
