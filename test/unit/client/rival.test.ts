import { expect, it } from 'vitest';
import { Rival } from '../../../src/client/core/rival.js';
import { VirtualClock } from '../../support/virtual-clock.js';

function lab() {
  const clock = new VirtualClock();
  const rival = new Rival(clock);
  return { clock, rival };
}

it('a master that was refused since there is another one says how long ago, until it is let in [PROTOCOL-9.2]', () => {
  const { clock, rival } = lab();
  expect(rival.dial()).toEqual({});
  rival.refused('IPC_REFUSED_DRAINING');
  expect(rival.dial()).toEqual({});
  rival.refused('IPC_REFUSED_MASTER_AWAY');
  clock.advance(300);
  expect(rival.dial()).toEqual({ rival: '300' });
  // That is what it has said itself.
  rival.refused('IPC_REFUSED_MASTER_EXPECTED');
  clock.advance(300);
  expect(rival.dial()).toEqual({ rival: '600' });
  rival.isOver();
  expect(rival.dial()).toEqual({});
});

it('one that waited at the door is taken for one that waited for another, when the server is killed', () => {
  const { clock, rival } = lab();
  rival.dial();
  clock.advance(499);
  rival.failed({ reason: 'socket hang up', code: 'ECONNRESET' });
  expect(rival.dial()).toEqual({});
  clock.advance(500);
  rival.failed({ reason: 'no route', code: 'ETIMEDOUT' });
  expect(rival.dial()).toEqual({});
  clock.advance(500);
  rival.failed({ reason: 'socket hang up', code: 'ECONNRESET' });
  clock.advance(10);
  expect(rival.dial()).toEqual({ rival: '10' });
});
