import { beforeEach, describe, expect, it } from 'vitest';
import { chromiumPath } from '../../support/chromium-path.js';
import { DashboardPage } from '../../support/dashboard-page.js';
import { isInFull, itInFull } from '../../support/in-full.js';
import { databaseStatus, NOON, peerStatus, ScriptedStatus, statusOf } from '../../support/scripted-status.js';

/** Each theme and each width, in the other one of the other tests; in full, each theme in each width. */
const LOOKS = [
  { colorScheme: 'dark', width: 375 },
  ...(isInFull ? [{ colorScheme: 'light', width: 1_280 } as const] : []),
  ...(isInFull ? [{ colorScheme: 'dark', width: 1_280 } as const] : []),
  ...(isInFull ? [{ colorScheme: 'light', width: 375 } as const] : []),
] as const;

const held = { id: 1, tid: 't1', path: 'orders/7', write: true, comment: 'node.update' } as const;

/** Many workers, a lock that is held and one that waits, and everything that can be wrong. */
function broken() {
  const { locks } = databaseStatus();
  return databaseStatus({
    name: 'broken_data',
    master: null,
    masterAbsentFor: 14_000,
    peers: [
      peerStatus({ id: 'lq9x0a1c0000q9wle2rtyu5op', state: 'away', mail: { messages: 42, bytes: 18_400 } }),
      ...Array.from({ length: 29 }, (_, index) => peerStatus({ id: `worker${index}`, roundTrip: null })),
    ],
    peerCount: 430,
    locks: {
      ...locks,
      held: [{ ...held, holder: 'worker0', heldFor: 9_000, state: 'expired' }],
      waiting: [{ ...held, tid: 't2', requester: 'worker1', waitingFor: 8_000, reason: 'no master' }],
      heldCount: 1,
      waitingCount: 1,
    },
    problems: [
      {
        code: 'no-master',
        since: NOON - 14_000,
        message: 'broken has no master',
        remedy: 'Start it.',
        severity: 'critical',
      },
      {
        code: 'slow-peer',
        since: NOON - 9_000,
        message: 'A peer is slow',
        remedy: 'Look at it.',
        severity: 'warning',
      },
    ],
    timeline: Array.from({ length: 30 }, (_, index) => ({
      at: NOON - 60_000 + index * 1_000,
      kind: index % 2 === 0 ? ('came' as const) : ('recovered' as const),
      peer: `worker${index}`,
      message: 'something happened',
    })),
  });
}

describe.runIf(chromiumPath !== undefined)('the dashboard', () => {
  let scripted: ScriptedStatus;
  beforeEach(async () => {
    scripted = await ScriptedStatus.start();
    return () => scripted.stop();
  });

  it.each(LOOKS)('is clean for axe, and no wider than the screen: $colorScheme, $width px', async (look) => {
    scripted.say(statusOf([]));
    const dashboard = await DashboardPage.open(scripted.url, look);
    const check = async (what: string) => {
      expect(await dashboard.complaintsOfAxe(), what).toEqual([]);
      const width = await dashboard.page.evaluate('document.documentElement.scrollWidth');
      expect(width, what).toBeLessThanOrEqual(look.width);
    };
    await dashboard.sees('No process is connected yet');
    if (isInFull) await check('empty');
    scripted.say(statusOf([databaseStatus()]));
    await dashboard.sees('All is well');
    if (isInFull) await check('healthy');
    const left = databaseStatus({ name: 'left_data', master: null, peers: [], peerCount: 0 });
    scripted.say(statusOf([broken(), databaseStatus(), left], { draining: true, databaseCount: 120 }));
    await dashboard.sees('Another database has a problem');
    await dashboard.page.getByRole('link', { name: 'broken_data' }).first().click();
    await dashboard.sees('broken has no master');
    await dashboard.sees('400 more are not shown.');
    await check('broken');
    await scripted.stop();
    await dashboard.page.getByRole('heading', { name: /No connection for/ }).waitFor();
    if (isInFull) await check('lost');
  });

  it.each(isInFull ? LOOKS : [])(
    'asks for a token and refuses as cleanly: $colorScheme, $width px',
    async (look) => {
      scripted.refusal = { status: 401, body: { code: 'IPC_HTTP_UNAUTHORIZED' } };
      const dashboard = await DashboardPage.open(scripted.url, look);
      await dashboard.page.getByLabel('Token').fill('barley');
      await dashboard.page.keyboard.press('Enter');
      await dashboard.sees('The server does not accept this token.');
      expect(await dashboard.complaintsOfAxe()).toEqual([]);
      scripted.refusal = { status: 421, body: { message: 'Not under this name.', remedy: 'Use another.' } };
      await dashboard.page.reload();
      await dashboard.sees('Not under this name.');
      expect(await dashboard.complaintsOfAxe()).toEqual([]);
    },
  );

  itInFull('says that all was well, not that it is, when the server is gone', async () => {
    scripted.say(statusOf([databaseStatus(), databaseStatus({ name: 'other_data' })]));
    const dashboard = await DashboardPage.open(scripted.url);
    await dashboard.sees('All is well');
    await scripted.stop();
    await dashboard.sees('Last known: all is well');
    expect(await dashboard.page.locator('.banner.well, .mark.well').count()).toBe(0);
  });

  itInFull('tells who is not let in, which processes peers are, and how many wait', async () => {
    const refused = {
      code: 'IPC_REFUSED_TOKEN',
      since: NOON,
      message: '12 attempts to connect were refused',
      remedy: 'Set it.',
      severity: 'warning',
    } as const;
    scripted.say(statusOf([], { problems: [refused] }));
    const dashboard = await DashboardPage.open(scripted.url);
    await dashboard.sees('12 attempts to connect were refused');
    const { locks } = databaseStatus();
    const waiting = [{ ...held, requester: 'worker01', waitingFor: 100, reason: 'locks of others' as const }];
    const database = databaseStatus({
      peers: [peerStatus({ pid: 4_711 })],
      locks: { ...locks, waiting, heldCount: 2, waitingCount: 1 },
    });
    scripted.say(statusOf([database], { problems: [refused] }));
    await dashboard.row(/peers/, '4711').waitFor();
    await dashboard.sees('12 attempts to connect were refused');
    expect(await dashboard.page.locator('.figures div', { hasText: 'Locks' }).innerText()).toMatch(
      /1 waiting\s+up to 100 ms; 2 held/,
    );
    expect(await dashboard.page.locator('.banner.well').count()).toBe(0);
  });

  it('shows what peers call themselves as text, whatever it is', async () => {
    const markup = '<img src=x onerror="globalThis.stung = true"><script>globalThis.stung = true</script>';
    const { locks } = databaseStatus();
    const hostile = databaseStatus({
      name: markup,
      peers: [peerStatus({ id: markup, client: markup, address: markup })],
      locks: {
        ...locks,
        held: [{ ...held, holder: markup, path: markup, comment: markup, heldFor: 1, state: 'held' }],
      },
      problems: [{ code: markup, since: NOON, message: markup, remedy: markup, severity: 'critical' }],
      timeline: [{ at: NOON, kind: 'came', peer: markup, message: markup }],
    });
    scripted.say(statusOf([hostile, databaseStatus()], { version: markup }));
    const dashboard = await DashboardPage.open(scripted.url);
    await dashboard.row(/peers/, markup).waitFor();
    expect(await dashboard.page.evaluate('document.querySelectorAll("#root img, #root script").length')).toBe(
      0,
    );
    expect(await dashboard.page.evaluate('globalThis.stung')).toBeUndefined();
    expect(await dashboard.violations()).toEqual([]);
    await dashboard.page.getByRole('navigation').getByRole('link', { name: markup }).click();
    await dashboard.page.getByRole('heading', { level: 2, name: markup }).waitFor();
  });

  itInFull('stands still while numbers change', async () => {
    const say = (second: number) => {
      const { totals, locks } = databaseStatus();
      const count = 12 ** second;
      const peer = {
        messagesIn: count,
        messagesOut: count,
        connectedAt: NOON - 60_000,
        roundTrip: count / 100,
      };
      const waiting = [
        { ...held, requester: 'worker01', waitingFor: count, reason: 'locks of others' as const },
      ];
      scripted.say(
        statusOf(
          [
            databaseStatus({
              peers: [peerStatus({ ...peer, id: '[master]', role: 'master' }), peerStatus(peer)],
              totals: {
                ...totals,
                messagesIn: count,
                messagesOut: count,
                lockWaitCount: second,
                lockWaitSum: count,
              },
              locks: { ...locks, waiting: second % 2 === 0 ? [] : waiting, waitingCount: second % 2 },
            }),
          ],
          { now: NOON + second * 1_000, connections: count },
        ),
      );
    };
    say(0);
    const dashboard = await DashboardPage.open(scripted.url);
    await dashboard.sees('All is well');
    const places = await dashboard.places();
    expect(places.length).toBeGreaterThan(20);
    for (let second = 1; second <= 4; second++) {
      say(second);
      await dashboard.sees(`${(12 ** second).toLocaleString('en')} connections`);
      expect(await dashboard.places()).toEqual(places);
    }
  });

  itInFull('draws the plots anew, with all that is in them, when the theme changes', async () => {
    const { totals } = databaseStatus();
    const say = (second: number) => {
      const database = databaseStatus({
        totals: { ...totals, messagesIn: second * 100, lockWaitSum: second },
      });
      scripted.say(statusOf([database], { now: NOON + second * 1_000, connections: second }));
    };
    say(0);
    const dashboard = await DashboardPage.open(scripted.url);
    for (let second = 1; second <= 9; second += 4) {
      say(second);
      await dashboard.sees(`${second} connection`);
    }
    for (const colorScheme of ['light', 'dark'] as const) {
      await dashboard.look({ colorScheme });
      await dashboard.untilDrawn('Messages per second', '--line-1');
    }
  });

  itInFull('lists a bounded number of peers, and says how many more there are', async () => {
    const peers = Array.from({ length: 220 }, (_, index) => peerStatus({ id: `worker${index}` }));
    scripted.say(statusOf([databaseStatus({ peers, peerCount: 220 })]));
    const dashboard = await DashboardPage.open(scripted.url);
    await dashboard.sees('20 more are not shown.');
    const rows = dashboard.page.getByRole('table', { name: /peers/ }).getByRole('row');
    expect(await rows.count()).toBe(1 + 200);
  });

  itInFull('is used by keyboard: from database to database, and through the time-line', async () => {
    scripted.say(statusOf([broken(), databaseStatus()]));
    const { page } = await DashboardPage.open(scripted.url);
    await page.getByRole('heading', { level: 2, name: 'broken_data' }).waitFor();
    await page.keyboard.press('Tab');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { level: 2, name: 'mydb_data' }).waitFor();
    await page.goBack();
    const more = page.getByRole('button', { name: 'Show 18 earlier ones' });
    await more.focus();
    await page.keyboard.press('Enter');
    await page.getByRole('button', { name: 'Show fewer' }).waitFor();
    expect(await page.getByRole('region', { name: 'What happened' }).getByRole('listitem').count()).toBe(30);
  });
});
