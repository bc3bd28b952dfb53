import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { expect, it } from 'vitest';
import { HeldOutput } from '../../../src/client/held-output.js';
import { VirtualClock } from '../../support/virtual-clock.js';

/** A socket that says when it is held back, and when not. */
class CorkedSocket extends EventEmitter {
  readonly told: string[] = [];
  cork(): void {
    this.told.push('held');
  }
  uncork(): void {
    this.told.push('free');
  }
}

function lab() {
  const socket = new CorkedSocket();
  const clock = new VirtualClock();
  const exiting = () => void socket.told.push('exiting');
  return { told: socket.told, clock, output: new HeldOutput(socket as unknown as Socket, clock, exiting) };
}

/** All that is due behind this turn's promises has happened. */
const turn = () => new Promise((resolve) => setImmediate(resolve));

it('lets what is said in one turn leave together, what promises say among it', async () => {
  const { told, output } = lab();
  output.hold(false);
  await Promise.resolve().then(() => output.hold(false));
  expect(told).toEqual(['held']);
  await turn();
  expect(told).toEqual(['held', 'free']);
  output.hold(false);
  await turn();
  expect(told).toEqual(['held', 'free', 'held', 'free']);
  output.end();
});

it('lets what can wait leave with what cannot', async () => {
  const { told, clock, output } = lab();
  output.hold(true);
  await turn();
  expect(told).toEqual(['held']);
  output.hold(false);
  output.hold(true);
  await turn();
  expect(told).toEqual(['held', 'free']);
  expect(clock.pending).toBe(0);
  output.end();
});

it('lets what can wait leave after 10 ms by itself', async () => {
  const { told, clock, output } = lab();
  output.hold(true);
  clock.advance(5);
  output.hold(true);
  clock.advance(5);
  expect(told).toEqual(['held', 'free']);
  output.end();
});

it('lets everything leave when the process exits, and listens for that no longer than there is a line', () => {
  const before = process.listenerCount('exit');
  const first = lab();
  const second = lab();
  expect(process.listenerCount('exit')).toBe(before + 1);
  first.output.hold(true);
  second.output.hold(false);
  for (const listener of process.listeners('exit').slice(before)) Reflect.apply(listener, process, [0]);
  expect([first.told, second.told]).toEqual([
    ['held', 'exiting', 'free'],
    ['held', 'exiting', 'free'],
  ]);
  first.output.end();
  second.output.end();
  expect(process.listenerCount('exit')).toBe(before);
});
