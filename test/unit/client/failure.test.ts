import { describe, expect, it, test } from 'vitest';
import { describeFailure, FailureNotices, REMINDER_MS } from '../../../src/client/failure.js';
import { VirtualClock } from '../../support/virtual-clock.js';

const away = { reason: 'connect ECONNREFUSED ::1:9163', code: 'ECONNREFUSED' };

describe('notices of failures', () => {
  it('come at once, and once a minute while the failure lasts', () => {
    const clock = new VirtualClock();
    const notices = new FailureNotices(clock);
    const told: number[] = [];
    const start = clock.now();
    for (let second = 0; second <= 150; second++, clock.advance(1_000)) {
      if (notices.failed('localhost:9163', away) !== undefined) told.push(clock.now() - start);
    }
    expect(told).toEqual([0, REMINDER_MS, 2 * REMINDER_MS]);
  });

  it('come at once again if it is another failure, or the line was there meanwhile', () => {
    const notices = new FailureNotices(new VirtualClock());
    expect(notices.failed('here', away)).toBeDefined();
    expect(
      notices.failed('here', { reason: 'certificate has expired', code: 'CERT_HAS_EXPIRED' }),
    ).toBeDefined();
    expect(notices.failed('here', away)).toBeDefined();
    expect(notices.failed('here', away)).toBeUndefined();
    expect(notices.isLasting).toBe(true);
    notices.over('here');
    expect(notices.isLasting).toBe(false);
    expect(notices.failed('here', away)).toBeDefined();
  });

  it('end with a word, if anything was told', () => {
    const clock = new VirtualClock();
    const notices = new FailureNotices(clock);
    expect(notices.over('here')).toBeUndefined();
    expect(notices.lost('here', 'the line broke')).toMatch(/at here was lost: the line broke$/);
    clock.advance(1_000);
    notices.failed('here', away);
    clock.advance(1_500);
    expect(notices.over('here')).toBe('Connected to the IPC server at here after 2.5 s');
    expect(notices.over('here')).toBeUndefined();
  });
});

test.each([
  ['ECONNREFUSED', 'connect ECONNREFUSED', /is not there \(connect ECONNREFUSED\)/],
  [
    'SELF_SIGNED_CERT_IN_CHAIN',
    'self-signed certificate in certificate chain',
    /not trusted here.*ipc\.ssl: \{ ca \}/,
  ],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'unable to verify the first certificate', /not trusted here/],
  ['ERR_TLS_CERT_ALTNAME_INVALID', "Host: x. is not in the cert's altnames", /for another name.*ipc\.host/],
  ['CERT_HAS_EXPIRED', 'certificate has expired', /not valid now.*renew/],
  [
    'FOREIGN_ANSWER',
    '502 Bad Gateway, from nginx',
    /not an IPC server of this package \(502 .*see whether a proxy/,
  ],
  ['HPE_INVALID_CONSTANT', 'Parse Error: Expected HTTP/', /not an IPC server of this package/],
  ['', 'Invalid Sec-WebSocket-Accept header', /not an IPC server of this package/],
  ['IPC_REFUSED_DRAINING', 'it stops', /does not let this process in yet \(IPC_REFUSED_DRAINING: it stops\)/],
  ['EPROTO', 'write EPROTO … wrong version number', /does not speak TLS.*leave ipc\.ssl out/],
])('%s is told with what to do', (code, reason, expected) => {
  expect(describeFailure('localhost:9163', { code, reason })).toMatch(expected);
});
