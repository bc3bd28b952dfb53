import { describe, expect, it } from 'vitest';
import { chromiumPath } from '../../support/chromium-path.js';
import { DashboardPage } from '../../support/dashboard-page.js';
import { itInFull } from '../../support/in-full.js';
import { get } from '../../support/requests.js';
import { serve } from '../../support/served.js';

const token = 'sesame-open-the-door';

describe.runIf(chromiumPath !== undefined)('the token of the dashboard', () => {
  it('is asked for, tried, kept in the tab, and never in an address', async () => {
    const { port, log } = await serve({ token });
    const dashboard = await DashboardPage.open(`http://localhost:${port}/`);
    const { page } = dashboard;
    await dashboard.sees('This server wants a token');
    // By keyboard alone: the field has the focus already.
    await page.keyboard.press('Enter');
    await dashboard.sees('Type the token, or paste it.');
    await page.keyboard.type('barley');
    await page.keyboard.press('Enter');
    await dashboard.sees('The server does not accept this token.');
    await page.getByLabel('Token').fill(`  ${token} `);
    await page.keyboard.press('Enter');
    await dashboard.sees('No process is connected yet');
    expect(await page.evaluate('Object.values(sessionStorage)')).toEqual([token]);
    expect(await page.evaluate('localStorage.length + document.cookie.length')).toBe(0);

    await page.reload();
    await dashboard.sees('No process is connected yet');
    await page.getByRole('button', { name: 'Forget token' }).click();
    await dashboard.sees('This server wants a token');
    expect(await page.evaluate('sessionStorage.length')).toBe(0);

    expect(page.url()).toBe(`http://localhost:${port}/`);
    expect(dashboard.requested.filter((url) => /sesame|barley/.test(url))).toEqual([]);
    expect(JSON.stringify(log.lines)).not.toMatch(/sesame|barley/);
    expect(await dashboard.violations()).toEqual([]);
  });

  itInFull('of one database opens that one alone', async () => {
    const { port } = await serve({ token: { mydb: token, wiki: 'another-token-of-wiki' } });
    const dashboard = await DashboardPage.open(`http://localhost:${port}/`);
    await dashboard.page.getByLabel('Token').fill(token);
    await dashboard.page.getByRole('button', { name: 'Open' }).click();
    await dashboard.sees('Live');
  });

  it('is not needed where the server has none', async () => {
    const { port } = await serve({});
    const dashboard = await DashboardPage.open(`http://localhost:${port}/`);
    await dashboard.sees('No process is connected yet');
    expect(await dashboard.page.getByRole('button', { name: 'Forget token' }).count()).toBe(0);
  });
});

describe('the page of the dashboard', () => {
  it('is open to all, but not under any name, and only to read', async () => {
    const { port } = await serve({});
    const page = await get(port, '/', { Host: `localhost:${port}` });
    expect(page).toMatchObject({ status: 200, headers: { 'content-type': 'text/html; charset=utf-8' } });
    expect(page.headers['cache-control']).toBe('no-store');
    expect(page.headers['content-security-policy']).toContain("default-src 'none'");
    expect((await get(port, '/', { Host: `localhost:${port}` }, 'HEAD')).body).toBe('');
    const posted = await get(port, '/', { Host: `localhost:${port}` }, 'POST');
    expect(posted).toMatchObject({ status: 405, headers: { allow: 'GET, HEAD' } });
    expect((await get(port, '/', { Host: 'evil.example' })).status).toBe(421);
    expect((await get(port, '/', { Host: `localhost:${port}`, Origin: 'http://evil.example' })).status).toBe(
      403,
    );
  });
});
