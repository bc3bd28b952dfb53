import { describe, expect, it } from 'vitest';
import { Connection } from '../../../src/client/core/connection.js';
import type { Line, LineEvents } from '../../../src/client/core/ports.js';
import type { Refusal } from '../../../src/client/core/refusals.js';
import { VirtualClock } from '../../support/virtual-clock.js';

/** A line that does what the test says. */
class ScriptedLine implements Line {
  readonly pings: string[] = [];
  isTerminated = false;
  isClosed = false;
  bytesRead = 0;
  constructor(readonly events: LineEvents) {}
  send(): void {}
  flush(): void {}
  ping(text: string): void {
    this.pings.push(text);
  }
  terminate(): void {
    this.isTerminated = true;
  }
  close(): void {
    this.isClosed = true;
  }
  breaks(): void {
    this.events.closed({ reason: 'the line broke', code: '' });
  }
}

class Clock extends VirtualClock {
  #stopped = 0;
  /** For how long its machine slept: the monotonic clock stood still. */
  slept = 0;

  override wallTime(): number {
    return super.wallTime() + this.#stopped + this.slept;
  }

  override uptime(): number {
    return this.now() + this.slept;
  }

  override now(): number {
    return super.now() + this.#stopped;
  }

  /** This process is stopped: time goes on, its timers do not. */
  stop(milliseconds: number): void {
    this.#stopped += milliseconds;
  }
}

function lab(verdict: (refusal: Refusal) => 'later' | 'never' = () => 'later') {
  const clock = new Clock();
  const lines: ScriptedLine[] = [];
  const told: string[] = [];
  const connection = new Connection(
    {
      parameters: () => ({}),
      frame: (text) => told.push(text),
      lost: (reason) => told.push(`lost: ${reason}`),
      failed: ({ reason }) => told.push(`failed: ${reason}`),
      refused: verdict,
      proved: () => undefined,
      exiting: () => undefined,
    },
    {
      dial: (_parameters, events) => {
        const line = new ScriptedLine(events);
        lines.push(line);
        return line;
      },
      clock,
      random: () => 0.5,
    },
  );
  connection.start();
  const last = () => lines.at(-1) as ScriptedLine;
  return { clock, lines, told, connection, last };
}

describe('a connection', () => {
  it('tries again after 50 ms, and after half as long again each time, up to 5 s; with one timer, and one that watches', () => {
    const { clock, lines, last } = lab();
    const waits: number[] = [];
    for (let attempt = 0; attempt < 16; attempt++) {
      const before = clock.now();
      last().breaks();
      expect(clock.pending).toBe(2);
      for (const count = lines.length; lines.length === count; ) clock.advance(1);
      waits.push(clock.now() - before);
    }
    expect(waits.slice(0, 4)).toEqual([50, 75, 113, 169]);
    expect(waits.slice(-2)).toEqual([2_000, 2_000]);
  });

  it('begins with 50 ms again when the last line was a good one', () => {
    const { clock, lines, connection, last } = lab();
    last().breaks();
    clock.advance(60);
    last().events.opened();
    connection.proved();
    last().breaks();
    clock.advance(50);
    expect(lines).toHaveLength(3);
  });

  it('asks for a pong each second, and connects anew when it has heard nothing for ten', () => {
    const { clock, told, last } = lab();
    const line = last();
    line.events.opened();
    clock.advance(5_000);
    expect(line.pings).toHaveLength(5);
    line.events.ponged('');
    clock.advance(9_999);
    expect(line.isTerminated).toBe(false);
    clock.advance(1);
    expect(line.isTerminated).toBe(true);
    expect(told.at(-1)).toBe('lost: the IPC server answers no ping');
  });

  it('stays as long as bytes of a long message come: no pong overtakes it', () => {
    const { clock, last } = lab();
    const line = last();
    line.events.opened();
    for (let second = 0; second < 60; second++) {
      line.bytesRead += 1_000_000;
      clock.advance(1_000);
    }
    expect(line.isTerminated).toBe(false);
    clock.advance(9_000);
    expect(line.isTerminated).toBe(false);
    clock.advance(1_000);
    expect(line.isTerminated).toBe(true);
  });

  it.each([
    [3_000, 2_500],
    [500, 1_550],
    [0, 9_050],
  ])('connects anew while there is time, if the server waits for %d ms', (grace, after) => {
    const { clock, connection, last } = lab();
    const line = last();
    line.events.opened();
    connection.proved(200, grace);
    clock.advance(after - 100);
    expect(line.isTerminated).toBe(false);
    clock.advance(100);
    expect(line.isTerminated).toBe(true);
  });

  it('asks more often where an answer is of use for less than some seconds', () => {
    const { clock, connection, last } = lab();
    last().events.opened();
    connection.proved(400);
    clock.advance(1_000);
    expect(last().pings).toHaveLength(1 + 10);
  });

  it('knows by a pong that it has heard all that was said before, on the next line if this one breaks', () => {
    const { clock, told, connection, last } = lab();
    last().events.opened();
    connection.proved();
    connection.inStep(() => told.push('in step'));
    last().events.ponged('');
    last().breaks();
    clock.advance(100);
    const [ping] = [...last().pings];
    expect(ping).toBeUndefined();
    last().events.opened();
    connection.proved();
    last().events.text('said meanwhile');
    for (const data of last().pings) last().events.ponged(data ?? '');
    for (const data of last().pings) last().events.ponged(data ?? '');
    expect(told.filter((it) => !it.startsWith('lost'))).toEqual(['said meanwhile', 'in step']);
  });

  it('calls everybody who waits for that, and takes nobody for another', () => {
    const { told, connection, last } = lab();
    last().events.opened();
    connection.proved();
    connection.inStep(() => told.push('first'));
    connection.inStep(() => told.push('second'));
    const [, first = '', second = ''] = last().pings;
    last().events.ponged(first);
    expect(told).toEqual(['first']);
    last().events.ponged(second);
    expect(told).toEqual(['first', 'second']);
  });

  it('knows when the last ping was sent that was answered, and takes no pong of another line for one', () => {
    const { clock, connection, last } = lab();
    expect(connection.proof).toBeUndefined();
    last().events.opened();
    connection.proved();
    clock.advance(100);
    connection.inStep(() => undefined);
    clock.advance(700);
    const [, first = ''] = last().pings;
    last().events.ponged(first);
    expect(connection.proof?.at).toBe(100);
    connection.inStep(() => undefined);
    const second = last().pings.at(-1) ?? '';
    last().breaks();
    clock.advance(100);
    last().events.opened();
    connection.proved();
    last().events.ponged(second);
    expect(connection.proof?.at).toBe(100);
  });

  it('hears nothing of a line that is over, and leaves no timer behind when it ends', () => {
    const { clock, told, connection, last } = lab();
    const old = last();
    old.events.opened();
    connection.renew('test');
    clock.advance(100);
    old.events.text('late');
    last().events.opened();
    last().events.text('now');
    last().events.heard();
    expect(told).toEqual(['lost: test', 'now']);
    connection.end();
    expect(last().isClosed).toBe(true);
    last().breaks();
    expect(clock.pending).toBe(0);
  });
});

describe('a connection of a process that was stopped', () => {
  /** Stopped on an open line, for longer than a server waits. */
  const stopped = () => {
    const scene = lab();
    scene.last().events.opened();
    scene.connection.proved();
    scene.clock.stop(13_000);
    return scene;
  };

  /** Without a line, after a good one. */
  const lineless = () => {
    const scene = lab();
    scene.last().events.opened();
    scene.connection.proved();
    scene.last().breaks();
    return scene;
  };

  it('may have been given up, if the line is over', () => {
    const { connection, last } = stopped();
    expect(connection.mayBeGivenUp).toBe(false);
    last().breaks();
    expect(connection.mayBeGivenUp).toBe(true);
  });

  it('may have been given up, if its machine slept', () => {
    const { connection, last, clock } = lab();
    last().events.opened();
    connection.proved();
    clock.slept = 13_000;
    last().breaks();
    expect(connection.mayBeGivenUp).toBe(true);
  });

  it('may have been at the next server, if it had no line: no silence on one shows that it was stopped', () => {
    const { connection, last, clock } = lineless();
    clock.stop(13_000);
    clock.advance(1_000);
    expect(connection.mayBeGivenUp).toBe(true);
    last().events.opened();
    last().events.text('welcome');
    expect(connection.mayBeGivenUp).toBe(true);
    connection.proved();
    expect(connection.mayBeGivenUp).toBe(true);
    last().events.ponged(last().pings.at(-1) ?? '');
    expect(connection.mayBeGivenUp).toBe(false);
  });

  it('may have been, if it was stopped while it dialled: what the server said then the system may have kept, and it is gone', () => {
    const { connection, last, clock } = lineless();
    clock.advance(100);
    clock.stop(14_000);
    last().events.opened();
    last().events.text('welcome');
    connection.proved();
    last().breaks();
    expect(connection.mayBeGivenUp).toBe(true);
  });

  it('may have been, if it was stopped while it dialled, in vain', () => {
    for (const act of [
      (line: ScriptedLine) => line.breaks(),
      (line: ScriptedLine) =>
        line.events.refused({ status: 503, code: undefined, message: 'later', remedy: undefined }),
    ]) {
      const { connection, last, clock } = lineless();
      clock.advance(100);
      clock.stop(14_000);
      act(last());
      expect(connection.mayBeGivenUp).toBe(true);
    }
  });

  it('was not, if it reached no server meanwhile, and was not stopped', () => {
    const { connection, last, clock } = lab();
    last().events.opened();
    connection.proved();
    for (let second = 0; second < 60; second++) {
      last().breaks();
      clock.advance(1_000);
    }
    expect(connection.mayBeGivenUp).toBe(false);
  });

  it('may have been, too, if it reads first what had come meanwhile', () => {
    const { connection, last, clock } = stopped();
    last().events.text('from before');
    last().breaks();
    clock.advance(60);
    last().events.opened();
    last().events.text('welcome');
    expect(connection.mayBeGivenUp).toBe(true);
    connection.proved();
    expect(connection.mayBeGivenUp).toBe(true);
    last().events.ponged(last().pings.at(-1) ?? '');
    expect(connection.mayBeGivenUp).toBe(false);
  });

  it('may have been, if another server answers its pings at the door, before it has said whether it goes on with this process', () => {
    const { connection, last, clock } = stopped();
    last().breaks();
    clock.advance(60);
    last().events.opened();
    last().events.text('identify:{}');
    for (const data of last().pings) last().events.ponged(data);
    expect(connection.mayBeGivenUp).toBe(true);
    expect(connection.isInTouch).toBe(false);
  });

  it('was not, if the server still answers', () => {
    const { connection, last } = stopped();
    last().events.heard();
    expect(connection.mayBeGivenUp).toBe(true);
    last().events.ponged(last().pings.at(-1) ?? '');
    expect(connection.mayBeGivenUp).toBe(false);
  });

  it('was not, if it listened until the line was found dead', () => {
    const { connection, last, clock } = lab();
    const first = last();
    first.events.opened();
    clock.advance(10_000);
    expect(first.isTerminated).toBe(true);
    expect(connection.mayBeGivenUp).toBe(false);
  });
});

describe('a connection is in touch', () => {
  const open = () => {
    const scene = lab();
    scene.last().events.opened();
    scene.connection.proved();
    const hear = (text: string) => scene.last().events.text(text);
    const answerPing = () => scene.last().events.ponged(scene.last().pings.at(-1) ?? '');
    return { ...scene, hear, answerPing };
  };

  it('while frames come one after the other', () => {
    const { connection, clock, hear, answerPing } = open();
    hear('a frame');
    answerPing();
    for (let count = 0; count < 10; count++, clock.advance(400)) {
      hear('a frame');
      expect(connection.isInTouch).toBe(true);
    }
    clock.advance(200);
    expect(connection.isInTouch).toBe(false);
  });

  it('not by what the system kept while the process was stopped, but by the pong to a ping of after that', () => {
    const { connection, clock, hear, answerPing } = open();
    hear('a frame');
    answerPing();
    expect(connection.isInTouch).toBe(true);
    clock.stop(20_000);
    for (const text of ['kept', 'kept', 'kept']) hear(text);
    expect(connection.isInTouch).toBe(false);
    answerPing();
    expect(connection.isInTouch).toBe(true);
  });

  it('not by a pong that was kept, too', () => {
    const { connection, clock, hear, answerPing } = open();
    hear('a frame');
    clock.stop(20_000);
    answerPing();
    expect(connection.isInTouch).toBe(false);
    hear('another');
    expect(connection.isInTouch).toBe(false);
    answerPing();
    expect(connection.isInTouch).toBe(true);
  });

  it('not by a pong that was kept behind a frame', () => {
    const { connection, clock, hear, last } = open();
    hear('a frame');
    const kept = last().pings.at(-1) ?? '';
    clock.stop(20_000);
    hear('kept');
    last().events.ponged(kept);
    expect(connection.isInTouch).toBe(false);
  });

  it('sends no ping for each pong, where they take long', () => {
    const { clock, hear, last, answerPing } = open();
    hear('a frame');
    for (let count = 0; count < 5; count++) {
      clock.advance(600);
      answerPing();
    }
    // One for its beginning, one for the frame, and one in each second.
    expect(last().pings).toHaveLength(2 + 3);
  });
});
