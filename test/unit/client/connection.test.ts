import { EventEmitter } from 'node:events';
import { describe, expect, it } from 'vitest';
import type { WebSocket } from 'ws';
import { Connection } from '../../../src/client/connection.js';
import type { Refusal } from '../../../src/client/refusals.js';
import { VirtualClock } from '../../support/virtual-clock.js';

/** A socket that does what the test says. */
class ScriptedSocket extends EventEmitter {
  readonly pings: (string | undefined)[] = [];
  isTerminated = false;
  closedWith: number | undefined;
  readonly sent: string[] = [];
  send(text: string): void {
    this.sent.push(text);
  }
  ping(data?: string): void {
    this.pings.push(data);
  }
  terminate(): void {
    this.isTerminated = true;
  }
  close(code: number): void {
    this.closedWith = code;
  }
}

class Clock extends VirtualClock {
  #stopped = 0;

  override now(): number {
    return super.now() + this.#stopped;
  }

  /** This process is stopped: time goes on, its timers do not. */
  stop(milliseconds: number): void {
    this.#stopped += milliseconds;
  }

  scheduleIdle(milliseconds: number, callback: () => void) {
    return this.schedule(milliseconds, callback);
  }
}

function lab(verdict: (refusal: Refusal) => 'later' | 'never' = () => 'later') {
  const clock = new Clock();
  const sockets: ScriptedSocket[] = [];
  const told: string[] = [];
  class Socket extends ScriptedSocket {
    constructor() {
      super();
      sockets.push(this);
    }
  }
  const connection = new Connection(
    {
      target: () => ({ url: 'ws://localhost', options: {} }),
      frame: (text) => told.push(text),
      lost: (reason) => told.push(`lost: ${reason}`),
      failed: ({ reason }) => told.push(`failed: ${reason}`),
      refused: verdict,
      exiting: () => undefined,
    },
    { WebSocket: Socket as unknown as new () => WebSocket, clock, random: () => 0.5 },
  );
  connection.start();
  const last = () => sockets.at(-1) as ScriptedSocket;
  return { clock, sockets, told, connection, last };
}

describe('a connection', () => {
  it('tries again after 50 ms, and after half as long again each time, up to 5 s; with one timer', () => {
    const { clock, sockets, last } = lab();
    const waits: number[] = [];
    for (let attempt = 0; attempt < 16; attempt++) {
      const before = clock.now();
      last().emit('close', 1006, Buffer.from(''));
      expect(clock.pending).toBe(1);
      for (const count = sockets.length; sockets.length === count; ) clock.advance(1);
      waits.push(clock.now() - before);
    }
    expect(waits.slice(0, 4)).toEqual([50, 75, 113, 169]);
    expect(waits.slice(-2)).toEqual([5_000, 5_000]);
  });

  it('begins with 50 ms again when the last line was a good one', () => {
    const { clock, sockets, connection, last } = lab();
    last().emit('close', 1006, Buffer.from(''));
    clock.advance(60);
    last().emit('open');
    connection.proved();
    last().emit('close', 1006, Buffer.from(''));
    clock.advance(50);
    expect(sockets).toHaveLength(3);
  });

  it('asks for a pong when it hears nothing, and connects anew before others give it up', () => {
    const { clock, told, last } = lab();
    const socket = last();
    socket.emit('open');
    clock.advance(5_000);
    expect(socket.pings).toHaveLength(1);
    socket.emit('pong', Buffer.from(''));
    clock.advance(7_499);
    expect(socket.isTerminated).toBe(false);
    clock.advance(2_501);
    expect(socket.isTerminated).toBe(true);
    expect(told.at(-1)).toBe('lost: the IPC server answers no ping');
  });

  it('knows by a pong that it has heard all that was said before, on the next line if this one breaks', () => {
    const { clock, told, connection, last } = lab();
    last().emit('open');
    connection.proved();
    connection.inStep(() => told.push('in step'));
    last().emit('pong', Buffer.from(''));
    last().emit('close', 1006, Buffer.from(''));
    clock.advance(100);
    const [ping] = [...last().pings];
    expect(ping).toBeUndefined();
    last().emit('open');
    connection.proved();
    last().emit('message', Buffer.from('said meanwhile'), false);
    for (const data of last().pings) last().emit('pong', Buffer.from(data ?? ''));
    for (const data of last().pings) last().emit('pong', Buffer.from(data ?? ''));
    expect(told.filter((it) => !it.startsWith('lost'))).toEqual(['said meanwhile', 'in step']);
  });

  it('calls everybody who waits for that, and takes nobody for another', () => {
    const { told, connection, last } = lab();
    last().emit('open');
    connection.proved();
    connection.inStep(() => told.push('first'));
    connection.inStep(() => told.push('second'));
    last().emit('pong', Buffer.from(last().pings[0] ?? ''));
    expect(told).toEqual([]);
    last().emit('pong', Buffer.from(last().pings[1] ?? ''));
    expect(told).toEqual(['first', 'second']);
  });

  it('hears nothing of a line that is over, and leaves no timer behind when it ends', () => {
    const { clock, told, connection, last } = lab();
    const old = last();
    old.emit('open');
    connection.renew('test');
    clock.advance(100);
    old.emit('message', Buffer.from('late'), false);
    last().emit('open');
    last().emit('message', Buffer.from('now'), false);
    last().emit('message', Buffer.from('binary'), true);
    expect(told).toEqual(['lost: test', 'now']);
    connection.end();
    expect(last().closedWith).toBe(1000);
    last().emit('close', 1000, Buffer.from(''));
    expect(clock.pending).toBe(0);
  });
});

describe('a connection of a process that was stopped', () => {
  /** Stopped on an open line, for longer than a server waits. */
  const stopped = () => {
    const scene = lab();
    scene.last().emit('open');
    scene.connection.proved();
    scene.clock.stop(13_000);
    return scene;
  };

  it('may have been given up, if the line is over', () => {
    const { connection, last } = stopped();
    expect(connection.mayBeGivenUp).toBe(false);
    last().emit('close', 1006, Buffer.from(''));
    expect(connection.mayBeGivenUp).toBe(true);
  });

  it('may have been, too, if it reads first what had come meanwhile', () => {
    const { connection, last, clock } = stopped();
    last().emit('message', Buffer.from('from before'), false);
    last().emit('close', 1006, Buffer.from(''));
    clock.advance(60);
    last().emit('open');
    last().emit('message', Buffer.from('welcome'), false);
    expect(connection.mayBeGivenUp).toBe(true);
    connection.proved();
    expect(connection.mayBeGivenUp).toBe(false);
  });

  it('may have been, if another server answers its pings at the door, before it has said whether it goes on with this process', () => {
    const { connection, last, clock } = stopped();
    last().emit('close', 1006, Buffer.from(''));
    clock.advance(60);
    last().emit('open');
    last().emit('message', Buffer.from('identify:{}'), false);
    for (const data of last().pings) last().emit('pong', Buffer.from(data ?? ''));
    expect(connection.mayBeGivenUp).toBe(true);
    expect(connection.isInTouch).toBe(false);
  });

  it('was not, if the server still answers', () => {
    const { connection, last } = stopped();
    last().emit('ping');
    expect(connection.mayBeGivenUp).toBe(true);
    last().emit('pong', Buffer.from(last().pings.at(-1) ?? ''));
    expect(connection.mayBeGivenUp).toBe(false);
  });

  it('was not, if it listened until the line was found dead', () => {
    const { connection, last, clock } = lab();
    const first = last();
    first.emit('open');
    clock.advance(10_000);
    expect(first.isTerminated).toBe(true);
    expect(connection.mayBeGivenUp).toBe(false);
  });
});

describe('a connection is in touch', () => {
  const open = () => {
    const scene = lab();
    scene.last().emit('open');
    scene.connection.proved();
    const hear = (text: string) => scene.last().emit('message', Buffer.from(text), false);
    const answerPing = () => scene.last().emit('pong', Buffer.from(scene.last().pings.at(-1) ?? ''));
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
    const kept = Buffer.from(last().pings.at(-1) ?? '');
    clock.stop(20_000);
    hear('kept');
    last().emit('pong', kept);
    expect(connection.isInTouch).toBe(false);
  });

  it('sends no ping for each pong, where they take long', () => {
    const { clock, hear, last, answerPing } = open();
    hear('a frame');
    for (let count = 0; count < 5; count++) {
      clock.advance(600);
      answerPing();
    }
    expect(last().pings).toHaveLength(1);
  });
});
