import { describe, expect, it } from 'vitest';
import type { LogFields } from '../../../src/broker/ports.js';
import { RefusalLog } from '../../../src/server/refusals.js';
import { VirtualClock } from '../../support/virtual-clock.js';

function start() {
  const clock = new VirtualClock();
  const warnings: LogFields[] = [];
  const ignore = () => undefined;
  const warn = (fields: LogFields) => void warnings.push(fields);
  const log = new RefusalLog(clock, { trace: ignore, debug: ignore, info: ignore, warn, error: ignore });
  return { clock, warnings, log };
}

describe('the log of refusals', () => {
  it('tells the same refusal of the same address once in ten seconds, and how many it left out', () => {
    const { clock, warnings, log } = start();
    for (let second = 0; second < 10; second++) {
      log.record({ code: 'IPC_REFUSED_TOKEN', address: '10.0.0.1' });
      clock.advance(1_000);
    }
    expect(warnings).toHaveLength(1);
    log.record({ code: 'IPC_REFUSED_TOKEN', address: '10.0.0.1' });
    expect(warnings[1]).toMatchObject({ address: '10.0.0.1', repeated: 9 });
    expect(log.totals.get('IPC_REFUSED_TOKEN')).toBe(11);
  });

  it('warns of nobody who comes back to a server that drains', () => {
    const { warnings, log } = start();
    log.record({ code: 'IPC_REFUSED_DRAINING', address: '10.0.0.1' });
    expect(warnings).toEqual([]);
    expect(log.totals.get('IPC_REFUSED_DRAINING')).toBe(1);
  });

  it('tells another address, and another reason, apart', () => {
    const { warnings, log } = start();
    log.record({ code: 'IPC_REFUSED_TOKEN', address: '10.0.0.1' });
    log.record({ code: 'IPC_REFUSED_TOKEN', address: '10.0.0.2' });
    log.record({ code: 'IPC_REFUSED_VERSION', address: '10.0.0.1' });
    expect(warnings).toHaveLength(3);
  });

  it('tells no more than a thousand addresses apart, and counts all', () => {
    const { clock, warnings, log } = start();
    for (let n = 0; n < 5_000; n++) log.record({ code: 'IPC_REFUSED_TOKEN', address: `2001:db8::${n}` });
    expect(warnings.length).toBeLessThanOrEqual(1_001);
    expect(log.totals.get('IPC_REFUSED_TOKEN')).toBe(5_000);
    // Who was silent for ten seconds is forgotten, so others are told apart again.
    clock.advance(10_000);
    const before = warnings.length;
    log.record({ code: 'IPC_REFUSED_TOKEN', address: '2001:db8:1::1' });
    log.record({ code: 'IPC_REFUSED_TOKEN', address: '2001:db8:1::2' });
    expect(warnings.length).toBe(before + 2);
  });
});
