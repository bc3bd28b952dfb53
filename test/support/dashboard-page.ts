import type { Page } from 'playwright-core';
import { expect, onTestFinished } from 'vitest';
import { openChromium } from './chromium.js';
import { eventually } from './waiting.js';

/** How a page is looked at. */
export interface Look {
  readonly colorScheme?: 'light' | 'dark';
  readonly width?: number;
}

/** What is to be seen, for a script in the page that looks for trouble. */
const WATCH = `
  globalThis.violations = [];
  addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) =>
    violations.push(violatedDirective + ' ' + blockedURI));
`;

/** Whether the canvas of a plot has points of a colour of the style sheet. */
const HAS_COLOR = (title: string, color: string) => `(() => {
  const plot = document.querySelector(${JSON.stringify(`section[aria-label="${title}"]`)});
  const canvas = plot.querySelector('canvas');
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  const hex = getComputedStyle(plot).getPropertyValue('${color}').trim();
  const wanted = [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16));
  for (let at = 0; at < data.length; at += 4)
    if (wanted.every((value, part) => Math.abs(data[at + part] - value) < 3) && data[at + 3] > 250) return true;
  return false;
})()`;

/**
 * The dashboard in a real browser. When the test is over, it has asked no other host for anything, had no token in an
 * address, broken no rule of its Content-Security-Policy, and thrown nothing.
 */
export class DashboardPage {
  readonly page: Page;
  /** The addresses that were asked for. */
  readonly requested: string[] = [];
  readonly #errors: string[] = [];

  private constructor(page: Page) {
    this.page = page;
    page.on('request', (request) => this.requested.push(request.url()));
    page.on('pageerror', (error) => this.#errors.push(error.message));
    page.on('console', (message) => {
      // The browser notes each request that fails; those are part of some tests.
      if (message.type() === 'error' && !message.text().startsWith('Failed to load resource'))
        this.#errors.push(message.text());
    });
  }

  /** Opens the dashboard of the server at this address. */
  static async open(url: string, look: Look = {}): Promise<DashboardPage> {
    const context = await openChromium();
    const page = await context.newPage();
    // However slow the machine: the limit of a test is the one that counts.
    page.setDefaultTimeout(100_000);
    const dashboard = new DashboardPage(page);
    onTestFinished(() => {
      expect(dashboard.requested.filter((asked) => !asked.startsWith(url))).toEqual([]);
      expect(dashboard.#errors).toEqual([]);
    });
    await page.addInitScript(WATCH);
    await dashboard.look(look);
    await page.goto(url);
    return dashboard;
  }

  /** Changes how the page is looked at. */
  async look({ colorScheme = 'light', width = 1_280 }: Look): Promise<void> {
    await this.page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    await this.page.setViewportSize({ width, height: 800 });
  }

  /** Resolves when a text is to be seen. */
  async sees(text: string | RegExp): Promise<void> {
    await this.page.getByText(text).first().waitFor({ timeout: 60_000 });
  }

  /** Resolves when a text is not to be seen any more. */
  async seesNoMore(text: string | RegExp): Promise<void> {
    await this.page.getByText(text).first().waitFor({ state: 'hidden', timeout: 60_000 });
  }

  /** A row of the table with this name, the one that has this text. */
  row(table: RegExp, text: string | RegExp) {
    return this.page.getByRole('table', { name: table }).getByRole('row').filter({ hasText: text });
  }

  /** Rules of the Content-Security-Policy that were broken. */
  violations(): Promise<unknown> {
    return this.page.evaluate('violations');
  }

  /** Where the headings of everything are. */
  async places(): Promise<readonly unknown[]> {
    return (await this.page.evaluate(`[...document.querySelectorAll('h1, h2, h3, dt, .peers th')].map((element) => {
      const { x, y } = element.getBoundingClientRect();
      return [element.tagName, x, y];
    })`)) as unknown[];
  }

  /** Resolves when the plot with this title has a line of the colour that is called so in the style sheet. */
  async untilDrawn(title: string, color: string): Promise<void> {
    // A canvas tells nobody when it is drawn. After 15 s of silence the page connects anew, and draws all it is told.
    const attempt = async () => (await this.page.evaluate(HAS_COLOR(title, color))) === true;
    await eventually(attempt, { timeout: 10_000 });
  }

  /** What axe-core complains about, in short. */
  async complaintsOfAxe(): Promise<string[]> {
    const { default: axe } = await import('axe-core');
    await this.page.evaluate(axe.source);
    const found = (await this.page.evaluate('axe.run()')) as {
      violations: { id: string; nodes: { html: string }[] }[];
    };
    return found.violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`);
  }
}
