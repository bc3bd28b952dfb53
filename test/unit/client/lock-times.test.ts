import { describe, expect, it } from 'vitest';
import { clientLab } from '../../support/client-lab.js';

const LASTS_MS = 119_000;
const HOUR_MS = 3_600_000;

/** A worker that has asked for a lock. */
async function asking(session = {}) {
  const lab = clientLab({ session });
  lab.welcome(false, 1);
  lab.answerPings();
  const locking = lab.client.lock({ path: 'a', tid: 'T', write: true });
  await lab.settle();
  return { ...lab, locking };
}

describe('a lock expires by the clock of its holder [PROTOCOL-14.12]', () => {
  it('from when it was asked for, whatever the clock of the master says', async () => {
    const { clock, last, locking, grantOf } = await asking();
    const askedAt = clock.wallTime() - 100;
    const frame = grantOf(LASTS_MS).replace(/"expires":\d+/, `"expires":${clock.wallTime() - HOUR_MS}`);
    clock.advance(500);
    last().events.text(frame);
    expect((await locking).expires).toBe(askedAt + LASTS_MS);
  });

  it('from when something was said that was answered before, if it waited for its turn', async () => {
    const { clock, last, locking, grantOf, pass } = await asking();
    await pass(40_000);
    last().events.text(grantOf(LASTS_MS));
    const late = (await locking).expires - (clock.wallTime() + LASTS_MS);
    expect([late <= 0, late > -2_000]).toEqual([true, true]);
  });

  it('not from what was answered after, though that came with it', async () => {
    const { clock, last, locking, grantOf, answerPings } = await asking({ lease: 8_000 });
    const frame = grantOf(LASTS_MS);
    const expiresAtServer = clock.wallTime() + LASTS_MS;
    await clock.playUntil(7_000, () => false);
    last().events.text(frame);
    answerPings();
    expect((await locking).expires).toBeLessThanOrEqual(expiresAtServer);
  });

  it('no later because that is set back', async () => {
    const { clock, last, locking, grantOf, pass } = await asking();
    last().events.text(grantOf(LASTS_MS));
    const lock = await locking;
    clock.setBy = -HOUR_MS;
    await pass(LASTS_MS);
    expect(lock.expires).toBeLessThanOrEqual(clock.wallTime());
  });

  it('no later because that was set back while it was waited for', async () => {
    const { clock, last, locking, grantOf } = await asking();
    clock.setBy = -HOUR_MS;
    clock.advance(5_000);
    last().events.text(grantOf(LASTS_MS));
    expect((await locking).expires).toBeLessThanOrEqual(clock.wallTime() + LASTS_MS);
  });

  it('as the master says, if the server does not say how long it lasts', async () => {
    const { clock, last, locking, grantOf } = await asking();
    last().events.text(grantOf(LASTS_MS).replace(/,"lasts":\d+/, ''));
    expect((await locking).expires).toBe(clock.wallTime() + LASTS_MS);
  });
});

describe('the root of a claim [PROTOCOL-14.6]', () => {
  it('is that of who holds a lock', async () => {
    const { clock, last, locking, grantOf, welcome, breaks } = await asking();
    last().events.text(grantOf(LASTS_MS));
    await locking;
    breaks();
    clock.advance(100);
    welcome(false, 2);
    expect(last().sent[0]).toContain('"root":{"pageNr":0,"recordNr":7}');
  });

  it('is not said of a lock that has run out, nor is that claimed: others may have moved it since', async () => {
    const { clock, last, locking, grantOf, welcome, breaks, pass } = await asking();
    last().events.text(grantOf(LASTS_MS));
    await locking;
    await pass(LASTS_MS + 1_000);
    breaks();
    clock.advance(100);
    welcome(false, 2);
    expect(last().sent[0]).toBe('locks:{"held":[],"peers":["[master]"]}');
  });

  it('is not said while it is being read after a gap: what is believed is of before', async () => {
    const { clock, client, last, reading, grantOf, welcome, breaks, answerPings, settle } = clientLab();
    welcome(false, 1);
    answerPings();
    breaks();
    clock.advance(100);
    welcome(false, 2);
    answerPings();
    reading.until = new Promise(() => undefined);
    void client.lock({ path: 'a', tid: 'T', write: false });
    await settle();
    last().events.text(grantOf(LASTS_MS));
    await settle();
    breaks();
    clock.advance(100);
    welcome(false, 3);
    expect(last().sent[0]).toContain('"held":[{"id":7');
    expect(last().sent[0]).not.toContain('"root"');
  });
});

it('who was stopped for longer than the server waits comes to the next one as another peer, however long that is', async () => {
  const { clock, last, locking, grantOf, told, welcome, breaks } = await asking({
    grace: 2_000,
    lease: 1_400,
  });
  last().events.text(grantOf(LASTS_MS));
  await locking;
  clock.stopped = 6_000;
  breaks();
  clock.advance(100);
  welcome(false, 2);
  expect(told.map(({ kind }) => kind)).toContain('place lost');
});
